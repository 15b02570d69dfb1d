"""Noisy-OR tables against the definition, and M-steps that never lower what they climb."""

import numpy as np
import pytest
from scipy.optimize import minimize

from emkit.models.bayesnet.noisy_or import links_from, table

FREE = np.full(4, np.nan)
NOTHING = np.zeros((4, 2))


def test_the_table_is_what_the_definition_says():
    found = table(np.array([0.1, 0.5, 0.8]), (2, 3, 2))
    assert found[0, 0] == pytest.approx([0.9, 0.1])
    assert found[1, 0] == pytest.approx([0.9 * 0.5, 1 - 0.9 * 0.5])
    assert found[1, 2, 0] == found[1, 1, 0] == pytest.approx(0.9 * 0.5 * 0.2)


def test_a_root_has_only_a_leak():
    assert table(np.array([0.3]), (2,)) == pytest.approx([0.7, 0.3])


def q(links, counts):
    return float((counts * np.log(np.maximum(table(links, counts.shape), 1e-300))).sum())


@pytest.mark.parametrize("seed", range(10))
def test_steps_climb_to_the_top(seed):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.95, 4)
    counts = rng.gamma(3.0, size=(2, 2, 2, 1)) * 20.0 * table(truth, (2, 2, 2, 2)) * rng.uniform(0.7, 1.3, (2, 2, 2, 2))
    links, last = np.full(4, 0.5), -np.inf
    for _ in range(60):
        assert q(links, counts) >= last - 1e-10
        last = q(links, counts)
        links = links_from(counts, links, FREE, NOTHING)
    best = minimize(lambda z: -q(1 / (1 + np.exp(-z)), counts), np.zeros(4), tol=1e-10)
    assert q(links, counts) == pytest.approx(-best.fun, abs=1e-4)


def test_what_is_held_stays_and_pseudo_counts_count():
    counts = 50.0 * table(np.array([0.2, 0.6, 0.7, 0.1]), (2, 2, 2, 2))
    held = np.array([0.2, np.nan, np.nan, 0.0])
    found = links_from(counts, np.full(4, 0.5), held, NOTHING)
    assert found[0] == 0.2
    assert found[3] == 0.0
    pulled = links_from(np.zeros((2, 2, 2, 2)), np.full(4, 0.5), FREE, np.tile([3.0, 1.0], (4, 1)))
    assert pulled == pytest.approx([0.75] * 4)


def test_causes_that_never_were_there_keep_their_links():
    counts = np.zeros((2, 2, 2))
    counts[0, 0] = [8.0, 2.0]
    assert links_from(counts, np.array([0.5, 0.4, 0.3]), np.full(3, np.nan), np.zeros((3, 2))) == pytest.approx([0.2, 0.4, 0.3])


def test_a_noisy_or_node_is_learnt_from_rows_with_holes():
    """3,000 rows of two causes and an effect, a tenth of the cells missing: the links come back."""
    from emkit import BayesianNetwork

    rng = np.random.default_rng(0)
    causes = (rng.random((3000, 2)) < [0.4, 0.3]).astype(float)
    quiet = 0.9 * np.where(causes, [0.3, 0.6], 1.0).prod(axis=1)
    x = np.column_stack([causes, rng.random(3000) > quiet])
    x[rng.random(x.shape) < 0.1] = np.nan
    net = BayesianNetwork("x0->x2, x1->x2", noisy_or=["x2"], random_state=0).fit(x)
    assert net.x2_links_ == pytest.approx([0.1, 0.7, 0.4], abs=0.06)
    assert net.result_.n_free == 1 + 1 + 3
    assert net.query("x2", {"x0": 1, "x1": 0})[1] == pytest.approx(1 - (1 - net.x2_links_[0]) * (1 - net.x2_links_[1]))
    held = BayesianNetwork("x0->x2, x1->x2", noisy_or=["x2"], fixed={"x2_links": [0.2, np.nan, np.nan]}, random_state=0).fit(x)
    assert held.x2_links_[0] == 0.2
