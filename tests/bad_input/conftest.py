"""Rows that nothing is wrong with, to be spoilt in one way at a time."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def rows():
    """Two groups of 300 rows, about (0, 0) and (6, 6), sd 1."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (300, 2))])
