"""Registers: each operation on eight numbers against NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from emkit.kernels import simd
from emkit.kernels.vmath import exp

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 24))


@njit
def arithmetic(a, b, at, out):
    x, y = simd.load(a, at), simd.load(b, at)
    simd.store(out, 0, x + y)
    simd.store(out, 8, x - y * 2.0)
    simd.store(out, 16, 1.0 - x)


@njit
def choices(a, b, out):
    x, y = simd.load(a, 0), simd.load(b, 0)
    simd.store(out, 0, simd.larger(x, y))
    simd.store(out, 8, simd.where_larger(x, y, y * 2.0, simd.splat(-1.0)))
    simd.store(out, 16, simd.lane(x, 5))


@njit
def folds(a, x):
    return simd.total(simd.load(a, 0)), simd.largest(simd.load(a, 0)), simd.position(simd.load(a, 0), x)


@njit
def exponential(a, out):
    for i in range(0, len(a), simd.WIDTH):
        simd.store(out, i, exp(simd.load(a, i)))


@pytest.mark.parametrize("at", [0, 3, 16])
def test_arithmetic_at_any_place(at):
    out = np.empty(24)
    arithmetic(A, B, at, out)
    x, y = A[at : at + 8], B[at : at + 8]
    np.testing.assert_allclose(out, np.concatenate([x + y, x - 2.0 * y, 1.0 - x]), rtol=1e-15)


def test_rows_lie_one_after_the_other():
    out = np.empty((3, 8))
    arithmetic(A.reshape(6, 4), B.reshape(2, 12), 4, out)
    np.testing.assert_array_equal(out[0], A[4:12] + B[4:12])


def test_choices():
    out = np.empty(24)
    choices(A, B, out)
    x, y = A[:8], B[:8]
    np.testing.assert_array_equal(out, np.concatenate([np.maximum(x, y), np.where(x > y, 2.0 * y, -1.0), np.full(8, x[5])]))


def test_larger_passes_over_what_is_not_a_number():
    out = np.empty(24)
    choices(np.where(np.arange(24) == 2, np.nan, A), B, out)
    assert out[2] == B[2]


def test_bytes():
    @njit
    def write(a, out):
        simd.store_bytes(out, 3, simd.load(a, 0))

    out = np.full(12, 9, np.uint8)
    write(np.array([0.0, 1.0, 127.0, 128.0, 255.0, 7.0, 64.0, 200.0]), out)
    assert out.tolist() == [9, 9, 9, 0, 1, 127, 128, 255, 7, 64, 200, 9]


def test_transpose():
    @njit
    def turn(a, out):
        rows = (
            simd.load(a, 0),
            simd.load(a, 8),
            simd.load(a, 16),
            simd.load(a, 24),
            simd.load(a, 32),
            simd.load(a, 40),
            simd.load(a, 48),
            simd.load(a, 56),
        )
        for i, column in enumerate(simd.transpose(rows)):
            simd.store(out, i * 8, column)

    a, out = np.arange(64.0).reshape(8, 8), np.empty((8, 8))
    turn(a, out)
    np.testing.assert_array_equal(out, a.T)


def test_folds():
    a = A[:8]
    found = folds(A, a[3])
    assert found[0] == pytest.approx(a.sum(), rel=1e-14)
    assert found[1:] == (a.max(), 3)
    twice = np.array([1.0, 5.0, 2.0, 5.0, -np.inf, 0.0, 5.0, 1.0])
    assert folds(twice, 5.0)[1:] == (5.0, 1)  # the first of equals
    assert folds(twice, 7.0)[2] == simd.WIDTH
    assert folds(twice, -np.inf)[2] == 4


def test_exponential_is_the_one_of_single_numbers():
    x = -np.concatenate([np.geomspace(1e-12, 299.0, 61), [300.5, 1e9, np.inf]])
    out = np.empty(64)
    exponential(x, out)
    np.testing.assert_allclose(out[:61], np.exp(x[:61]), rtol=2e-15)
    assert not out[61:].any()


@pytest.mark.parametrize("array", [A.astype(np.float32), A[::2], np.asfortranarray(A.reshape(4, 6)), A.view(np.int64)])
def test_what_cannot_be_a_register_does_not_compile(array):
    with pytest.raises(TypingError, match="C-contiguous float64"):
        folds(array, 0.0)
