"""Registers stick out over the ends of rows: what lies beyond an array is left alone, and old contents do not matter."""

from contextlib import contextmanager

import numpy as np
import pytest

from emkit.kernels.categorical import look_up
from emkit.models.hmm import compiled, decoding
from emkit.models.hmm.params import HMMParams

MARK = 12345.0
LENGTHS = {"one": [1], "panel": [33], "long": [100], "side by side": [7, 5, 8, 7, 1, 6, 8, 8, 2, 7, 7, 8, 3, 8, 8, 8, 7, 4]}
STATES = [1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 24, 33]


def surrounded(values):
    """A copy in the middle of a larger array, and that array."""
    around = np.full(values.size + 128, MARK).astype(values.dtype)
    inside = around[64 : 64 + values.size].reshape(values.shape)
    inside[...] = values
    return inside, around


def untouched(around):
    mark = np.asarray(MARK).astype(around.dtype)
    return (around[:64] == mark).all() and (around[-64:] == mark).all()


@pytest.fixture(params=["side by side", "alone", "both ends"])
def layout(request, monkeypatch):
    """Compiled, one way or another; working memory full of NaN."""

    @contextmanager
    def borrow(*shape):
        inside, around = surrounded(np.full(shape, np.nan))
        yield inside
        assert untouched(around)

    monkeypatch.setattr(compiled, "borrow", borrow)
    monkeypatch.setattr(compiled, "_LANES_UP_TO", 99 if request.param == "side by side" else 0)
    monkeypatch.setattr(decoding, "_LANES_UP_TO", 99 if request.param == "side by side" else 0)
    monkeypatch.setattr(compiled, "_LONG", 2 if request.param == "both ends" else 10**9)


@pytest.mark.parametrize("k", STATES)
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
def test_recursions_and_paths(layout, k, lengths):
    rng = np.random.default_rng(k)
    lengths = np.array(lengths)
    params = HMMParams(rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k), k), None)
    emissions = rng.normal(size=(lengths.sum(), k)) * 3.0
    log_b, around = surrounded(emissions)
    counts, redo = compiled.compiled_recursions(log_b, lengths, np.ones(len(lengths)), params, np.arange(len(lengths)))
    assert untouched(around) and not redo.any()
    np.testing.assert_allclose(log_b.sum(axis=1), 1.0, rtol=1e-9)
    assert counts.transitions.sum() == pytest.approx(lengths.sum() - len(lengths), abs=1e-9)
    log_b, around = surrounded(emissions)
    states, around_states = surrounded(np.zeros(lengths.sum(), np.int64))
    assert np.isfinite(decoding._viterbi_compiled(params, log_b, lengths, states)).all()
    assert untouched(around) and untouched(around_states)


@pytest.mark.parametrize("k", STATES)
@pytest.mark.parametrize("columns", [1, 3])
def test_symbols(k, columns):
    table = np.random.default_rng(0).normal(size=(columns, 6, -(-k // 8) * 8))
    x = np.random.default_rng(1).integers(4, size=(20, columns)).astype(float)
    out, around = surrounded(np.full((20, k), np.nan))
    look_up(x, table, out)
    assert untouched(around)
    expected = sum(table[j, x[:, j].astype(int), :k] for j in range(columns))
    np.testing.assert_allclose(out, expected, rtol=1e-14)
