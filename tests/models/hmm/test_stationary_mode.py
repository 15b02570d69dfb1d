"""The M-step of a chain that starts in its stationary distribution."""

import numpy as np
import pytest

from emkit.core.simplex import mode as rows_mode
from emkit.models.hmm.stationary import stationary, stationary_mode


def expected_log_posterior(matrix, counts, starts, free):
    with np.errstate(divide="ignore", invalid="ignore"):
        pairs = np.where(free & (counts > 0), counts * np.log(matrix), 0.0)
        return pairs.sum() + np.where(starts > 0, starts * np.log(stationary(matrix)), 0.0).sum()


def nearby(matrix, free, rng):
    """Rows moved a little, what is held and what is zero left alone."""
    moved = matrix * np.exp(rng.normal(scale=0.01, size=matrix.shape))
    out = np.where(free, moved, matrix)
    mass = np.where(free, matrix, 0.0).sum(axis=1, keepdims=True)
    total = np.where(free, out, 0.0).sum(axis=1, keepdims=True)
    return np.where(free, out * mass / np.where(total > 0, total, 1.0), matrix)


@pytest.mark.parametrize("many_starts", [0.01, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("held_one", [False, True])
def test_nothing_near_is_better(many_starts, held_one):
    rng = np.random.default_rng([int(100 * many_starts), held_one])
    for k in (2, 3, 5):
        counts = rng.gamma(0.5, size=(k, k)) * 100.0
        starts = rng.gamma(0.5, size=k) * 100.0 * many_starts
        held = np.full((k, k), np.nan)
        old = rng.dirichlet(np.ones(k), k)
        if held_one:
            held[0, 1] = 0.3
            old = rows_mode(old, held, old)
        free = np.isnan(held)
        found = stationary_mode(counts, starts, held, old, 0.0)
        value = expected_log_posterior(found, counts, starts, free)
        assert value >= expected_log_posterior(old, counts, starts, free)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
        assert (found >= 0).all() and (not held_one or found[0, 1] == 0.3)
        around = [expected_log_posterior(nearby(found, free, rng), counts, starts, free) for _ in range(50)]
        assert max(around) <= value + 1e-6 * abs(value)


def test_without_starts_it_is_the_closed_form():
    rng = np.random.default_rng(0)
    counts, held = rng.gamma(1.0, size=(4, 4)), np.full((4, 4), np.nan)
    found = stationary_mode(counts, np.zeros(4), held, np.full((4, 4), 0.25), 0.0)
    np.testing.assert_allclose(found, counts / counts.sum(axis=1, keepdims=True), rtol=1e-12)


def test_a_chain_in_two_parts():
    """Two stationary distributions and no inverse: still an answer, and not a worse one."""
    counts = np.array([[5.0, 3.0, 0.0, 0.0], [2.0, 6.0, 0.0, 0.0], [0.0, 0.0, 4.0, 1.0], [0.0, 0.0, 2.0, 2.0]])
    old = np.kron(np.eye(2), np.full((2, 2), 0.5))
    held = np.where(old == 0, 0.0, np.nan)
    found = stationary_mode(counts, np.ones(4), held, old, 0.0)
    free = np.isnan(held)
    assert expected_log_posterior(found, counts, np.ones(4), free) >= expected_log_posterior(old, counts, np.ones(4), free)
    assert not found[~free].any()
