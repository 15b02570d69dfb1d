"""Symbols: tables of probabilities, counts, missing cells, and the compiled twin."""

import numpy as np
import pytest

from emkit import ArraySource, Categorical, DataError, Dirichlet, ParameterError
from emkit.core.block import Block

RNG = np.random.default_rng(1)
SIZES = (4, 2)
PROBS = np.zeros((3, 2, 4))
PROBS[:, 0] = RNG.dirichlet(np.ones(4), size=3)
PROBS[:, 1, :2] = RNG.dirichlet(np.ones(2), size=3)
PARAMS = Categorical.Params(PROBS)
X = np.column_stack([RNG.integers(4, size=50), RNG.integers(2, size=50)]).astype(float)
X[RNG.random(X.shape) < 0.2] = np.nan


def by_hand(x):
    out = np.zeros((len(x), 3))
    for i, row in enumerate(x):
        for j, cell in enumerate(row):
            if not np.isnan(cell):
                out[i] += np.log(PROBS[:, j, int(cell)])
    return out


@pytest.mark.parametrize("large", [False, True])
def test_density_and_counts(large):
    """``large``: part of a source worth compiled code."""
    family = Categorical(SIZES)
    block = Block(X, missing=True, source_rows=10**9 if large else 50)
    np.testing.assert_allclose(family.log_prob_block(PARAMS, block), by_hand(X), rtol=1e-13)
    resp = RNG.dirichlet(np.ones(3), 50)
    counts = family.stats_block(PARAMS, block, resp).counts
    expected = np.array([[[resp[X[:, j] == v, k].sum() for v in range(4)] for j in range(2)] for k in range(3)])
    np.testing.assert_allclose(counts, expected, atol=1e-13)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("cell", [4.0, -1.0, 0.5, -0.5])
def test_what_is_no_symbol_has_probability_zero(cell, large):
    block = Block(np.array([[0.0, 1.0], [cell, 1.0]]), source_rows=10**9 if large else 2)
    found = Categorical(SIZES).log_prob_block(PARAMS, block)
    assert np.isfinite(found[0]).all() and np.isneginf(found[1]).all()


def test_m_step_is_the_posterior_mode():
    family = Categorical(SIZES, Dirichlet(1.5)).resolve(ArraySource(X), 3)
    resp = RNG.dirichlet(np.ones(3), 50)
    stats = family.stats(PARAMS, X, resp)
    new = family.m_step(stats, PARAMS)
    first = stats.counts[:, 0] + 0.5
    np.testing.assert_allclose(new.probs[:, 0], first / first.sum(axis=1, keepdims=True), rtol=1e-13)
    assert not new.probs[:, 1, 2:].any()  # symbols that the column does not have get nothing of the prior


def test_a_symbol_that_was_not_seen_has_none():
    family = Categorical().resolve(ArraySource(np.array([[0.0], [3.0]])), 1)
    assert family.n_categories == (4,)
    params = family.null(1, 1)
    new = family.m_step(family.stats(params, np.array([[0.0], [3.0]]), np.ones((2, 1))), params)
    np.testing.assert_allclose(new.probs[0, 0], [0.5, 0.0, 0.0, 0.5])
    assert family.n_free(new) == 3


def test_refused():
    with pytest.raises(DataError, match="look one-hot encoded"):
        Categorical().resolve(ArraySource(np.eye(3)), 2)
    assert Categorical(2).resolve(ArraySource(np.eye(3)), 2).n_categories == (2, 2, 2)  # said to be columns of their own
    with pytest.raises(DataError, match="holds the symbol 3, but n_categories=3"):
        Categorical(3).resolve(ArraySource(X), 2)
    with pytest.raises(ParameterError, match="add up to 1"):
        Categorical(2, fixed={"probs": [[0.5, 0.6], [0.5, 0.5]]}).resolve(ArraySource(X[:, 1:]), 2)
    with pytest.raises(ParameterError, match="must be a Dirichlet"):
        Categorical(2, "weak")
