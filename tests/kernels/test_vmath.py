"""The polynomials: how accurate they are over the whole domain that an E-step uses."""

import numpy as np
import pytest
from numba import njit

from emkit.kernels import vmath


@njit
def exp_all(x):
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i] = vmath.exp(x[i])
    return out


@njit
def log_all(x):
    out = np.empty_like(x)
    for i in range(len(x)):
        out[i] = vmath.log(x[i])
    return out


def exact_exp(x: np.ndarray) -> np.ndarray:
    """exp in extended precision."""
    return np.exp(x.astype(np.longdouble))


@pytest.mark.parametrize(("dtype", "lowest", "bound"), [(np.float64, -300.0, 2e-15), (np.float32, -80.0, 1e-6)])
def test_exp(dtype, lowest, bound):
    rng = np.random.default_rng(0)
    near_zero = -np.geomspace(1e-30, 1.0, 20_000)
    halfway = -np.log(2.0) * (np.arange(0, 115) + 0.5)  # where the range reduction changes its integer
    x = np.concatenate([rng.uniform(lowest, 0.0, 200_000), near_zero, halfway, np.nextafter(halfway, 0.0), [lowest + 1e-3]])
    x = x.astype(dtype)
    x = x[x > lowest]
    found = exp_all(x)
    assert found.dtype == dtype
    relative = np.abs(found / exact_exp(x) - 1.0)
    assert relative.max() < bound, x[relative.argmax()]


@pytest.mark.parametrize(("dtype", "lowest"), [(np.float64, -300.0), (np.float32, -80.0)])
def test_exp_at_the_ends(dtype, lowest):
    """exp(0) is exactly 1; at and under the floor the result is exactly 0, never subnormal."""
    x = np.array([0.0, -0.0, lowest, np.nextafter(dtype(lowest), dtype(-np.inf)), -1e4, np.finfo(dtype).min, -np.inf], dtype)
    assert exp_all(x).tolist() == [1, 1, 0, 0, 0, 0, 0]
    just_above = np.nextafter(dtype(lowest), dtype(0))
    assert exp_all(np.array([just_above], dtype))[0] > np.finfo(dtype).tiny


def test_log():
    rng = np.random.default_rng(1)
    x = np.concatenate([
        np.exp(rng.uniform(-700, 700, 100_000)),
        rng.uniform(0.5, 2.0, 100_000),
        1.0 + np.geomspace(1e-15, 0.3, 10_000),
        2.0 ** np.arange(-1000, 1000, dtype=float),
        np.arange(1.0, 300.0),
    ])  # fmt: skip
    exact = np.log(x.astype(np.longdouble))
    found = log_all(x)
    off = np.abs(found - exact)
    assert (off <= 2e-15 * np.abs(exact) + 1e-19).all(), x[(off / np.abs(exact + 1e-30)).argmax()]
    assert log_all(np.array([1.0]))[0] == 0.0


def test_plain_python_versions_agree():
    """``exp`` outside compiled code is NumPy's."""
    assert vmath.exp(-1.5) == pytest.approx(np.exp(-1.5), rel=1e-15)
    assert vmath.log(7.25) == pytest.approx(np.log(7.25), rel=1e-15)
