"""Fits that the tests of pictures share; figures are closed after each test."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from emkit import HMM, GaussianMixture


@pytest.fixture(autouse=True)
def closed():
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture(scope="session")
def rows():
    """120 rows in three columns, two groups."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal([0, 0, 0], [1, 2, 1], (80, 3)), rng.normal([6, 5, 0], [1, 1, 1], (40, 3))])


@pytest.fixture(scope="session")
def two(rows):
    return GaussianMixture(2, random_state=0, n_init=2).fit(rows[:, :2])


@pytest.fixture(scope="session")
def three(rows):
    return GaussianMixture(2, random_state=0, n_init=2).fit(rows)


@pytest.fixture(scope="session")
def counts():
    rng = np.random.default_rng(1)
    return rng.poisson(np.repeat([3, 12, 3], 30))[:, None]


@pytest.fixture(scope="session")
def chain(counts):
    return HMM(2, emission="poisson", random_state=0, n_init=2).fit(counts)
