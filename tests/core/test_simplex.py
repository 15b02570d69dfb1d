"""Probability vectors with held entries: one code for mixture weights, categories and rows of Markov chains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from emkit.core import simplex


def vectors(seed):
    """A few vectors, some of whose entries are held, one of them at zero."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(5), 4)
    p[1, 2] = 0.0
    p /= p.sum(axis=1, keepdims=True)
    held = np.where(rng.random(p.shape) < 0.3, p, np.nan)
    held[0], held[1, 2] = np.nan, 0.0
    return p, held


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_unpack_undoes_pack(seed):
    p, held = vectors(seed)
    p = simplex.mode(p, held, p)  # so that held entries have their values
    vector = simplex.pack(p, held)
    back, used = simplex.unpack(vector, held)
    assert used == len(vector) == simplex.n_free(held)
    np.testing.assert_allclose(back, p, atol=1e-14)
    np.testing.assert_allclose(back.sum(axis=1), 1.0)


def test_the_mode_is_what_a_search_finds():
    counts, held = np.array([3.0, 0.5, 2.0, 7.0]), np.array([np.nan, 0.2, np.nan, np.nan])

    def negative(vector):
        p, _ = simplex.unpack(vector, held)
        return -np.sum(counts * np.log(p))

    best = minimize(negative, np.zeros(2)).x
    np.testing.assert_allclose(simplex.mode(counts, held, np.full(4, 0.25)), simplex.unpack(best, held)[0], atol=1e-5)


def test_nothing_counted_changes_nothing():
    old = np.array([[0.1, 0.9], [0.4, 0.6]])
    np.testing.assert_array_equal(
        simplex.mode(np.array([[0.0, 0.0], [1.0, 3.0]]), np.full((2, 2), np.nan), old), [[0.1, 0.9], [0.25, 0.75]]
    )


def test_negative_pseudo_counts_take_an_entry_to_zero():
    new = simplex.mode(np.array([0.4 - 0.5, 2.0, 2.0]), np.full(3, np.nan), np.full(3, 1 / 3))
    assert new[0] == 0
    assert new.sum() == pytest.approx(1.0)
    assert np.isfinite(simplex.pack(new, np.full(3, np.nan))).all()
