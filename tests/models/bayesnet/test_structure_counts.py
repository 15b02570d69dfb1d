"""Expected counts of any set of columns, against all completions of every row."""

from itertools import combinations

import numpy as np
import pytest

from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.structure import counts as module
from emkit.models.bayesnet.structure.counts import Expected, Rows
from models.bayesnet.small_networks import completions, probability, random_layout, random_rows, random_tables


def enumerated(layout, tables, codes, weights, members):
    """Every row's posterior over its completions, added to the table of the members."""
    out = np.zeros([layout.cards[m] for m in members])
    for row, weight in zip(codes, weights, strict=True):
        states = list(completions(layout, row))
        p = np.array([probability(layout, tables, s) for s in states])
        for s, share in zip(states, p / p.sum(), strict=True):
            out[tuple(s[m] for m in members)] += weight * share
    return out.ravel()


@pytest.mark.parametrize("largest", [None, 2, 0])
@pytest.mark.parametrize("seed", range(8))
def test_expected_counts_are_those_of_all_completions(seed, largest, monkeypatch):
    if largest is not None:  # components of more configurations are not laid out: rows are conditioned
        monkeypatch.setattr(module, "MOST_CONFIGURATIONS", largest)
    rng = np.random.default_rng(seed)
    layout = random_layout(rng, most=5)
    tables = random_tables(layout, rng, zeros=0.1 if seed % 2 else 0.0)
    codes = random_rows(layout, tables, 12, rng, missing=(0.2, 0.5, 0.9)[seed % 3])
    weights = rng.integers(0, 3, len(codes)) + rng.random(len(codes)) * (rng.random(len(codes)) < 0.5)
    rows = Rows(codes, weights, layout.cards)
    model = BayesNet(layout.graph, layout.cards)
    expected = Expected.of(rows, model, BayesNetParams(tables))
    nodes = len(layout.graph)
    for size in range(1, min(nodes, 4) + 1):
        for members in combinations(range(nodes), size):
            want = enumerated(layout, tables, codes, weights, members)
            np.testing.assert_allclose(expected.counts(members), want, rtol=1e-12, atol=1e-12 * max(weights.sum(), 1))


def test_joint_posteriors_in_large_components_agree_with_small_ones(monkeypatch):
    """A hub whose 60 children are observed: products of tables fall below the smallest float, sums of logs do not."""
    from emkit.models.bayesnet.graph import Graph
    from emkit.models.bayesnet.tables import Layout

    many = 400
    graph = Graph(tuple(f"n{i}" for i in range(many + 1)), ((), *[(0,)] * many))
    layout = Layout.of(graph, [2] * (many + 1))
    tables = np.concatenate([[0.5, 0.5], np.tile([0.9, 0.1, 0.91, 0.09], many)])
    codes = np.ones((1, many + 1), np.int32)
    codes[0, 0] = -1
    found = Expected.of(Rows(codes, None, layout.cards), BayesNet(graph, layout.cards), BayesNetParams(tables)).counts((0, 1))
    odds = (0.09 / 0.1) ** many
    np.testing.assert_allclose(found, [0, 1 / (1 + odds), 0, odds / (1 + odds)], rtol=1e-10)


def test_equal_rows_are_kept_once_with_their_weights():
    codes = np.array([[0, 1], [0, 1], [1, -1], [0, 1], [1, -1], [0, 0]])
    rows = Rows(codes, np.array([1.0, 2, 0.5, 0, 1, 0]), (2, 2))
    assert len(rows.weights) == 2
    np.testing.assert_allclose(rows.observed((0, 1)), [0, 3, 0, 0])
    np.testing.assert_allclose(rows.observed((0,)), [3, 1.5])
    assert rows.total_weight == 4.5 and not rows.complete


def test_rows_that_share_a_hash_are_told_apart(monkeypatch):
    """With a hash that is the sum of the codes, many different rows share one."""

    class Ones:
        def integers(self, *_):
            return np.ones(3, np.int64)

    monkeypatch.setattr(module.np.random, "default_rng", lambda *_: Ones())
    codes = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 1]], np.int32)
    rows = Rows(codes, None, (2, 2, 2))
    assert sorted(map(tuple, rows.codes.tolist())) == [(0, 1, 1), (1, 0, 1), (1, 1, 0)]
    np.testing.assert_allclose(np.sort(rows.weights), [1, 1, 2])
