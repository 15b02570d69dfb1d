"""Data that many tests need, made from seeds."""

from collections.abc import Callable

import numpy as np
import pytest


def make_clusters(
    n: int = 150, d: int = 3, k: int = 2, *, seed: int = 1, missing: float = 0.0, dtype: type = np.float64
) -> np.ndarray:
    """Overlapping clusters of correlated columns. With ``missing``, that share of cells is NaN and row 5 wholly so."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(k, size=n)
    spread = 1.0 + 0.5 * np.arange(k)
    mix = np.eye(d) + 0.4 * rng.standard_normal((d, d))
    x = 3.0 * rng.standard_normal((k, d))[labels] + spread[labels, None] * (rng.standard_normal((n, d)) @ mix)
    if missing:
        x[rng.random(x.shape) < missing] = np.nan
        x[5] = np.nan
    return x.astype(dtype)


@pytest.fixture(scope="session")
def clusters() -> Callable[..., np.ndarray]:
    """The function ``make_clusters``: (n, d) rows of overlapping clusters."""
    return make_clusters
