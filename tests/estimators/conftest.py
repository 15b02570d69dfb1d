"""Data that the tests of the estimators share."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def blobs():
    """Three overlapping groups of 400 rows in two columns; the means are (0, 0), (4, 0) and (0, 5)."""
    rng = np.random.default_rng(7)
    return np.concatenate([rng.normal(centre, (1.0, 1.5), (400, 2)) for centre in ((0, 0), (4, 0), (0, 5))])


@pytest.fixture(scope="session")
def holes(blobs):
    """The same rows with 15 % of the cells missing."""
    out = blobs.copy()
    out[np.random.default_rng(8).random(out.shape) < 0.15] = np.nan
    return out


@pytest.fixture(scope="session")
def rows():
    """Two groups of 300 rows, about (0, 0) and (6, 6), sd 1."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (300, 2))])
