"""What a user writes to add a family, from nothing: exponential waiting times, with missing cells. The kit accepts it."""

from dataclasses import dataclass

import numpy as np
import pytest

from emkit import ArraySource, Family, Mixture, Params, Stats, Threads, fit
from emkit.testing import FAMILY_LAWS, check_family, check_model


@dataclass(frozen=True)
class Rates(Params):
    """``rates`` (K, d)."""

    rates: np.ndarray


@dataclass(frozen=True)
class Waits(Stats):
    """``observed`` (K, d): expected number of waits seen; ``total`` (K, d): their expected sum."""

    observed: np.ndarray
    total: np.ndarray


@dataclass(frozen=True)
class Exponential(Family[Rates, Waits]):
    """Independent exponential columns."""

    def resolve(self, source, k):
        return self

    def start(self, stats, source, k):
        if stats is None:
            return Rates(np.broadcast_to(1.0 / source.moments()[0], (k, source.n_features)).copy())
        return self.m_step(stats, self.start(None, source, k))

    def null_params(self, k, n_features):
        return Rates(np.ones((k, n_features)))

    def log_prob(self, params, x):
        seen = ~np.isnan(x)
        return seen @ np.log(params.rates).T - np.where(seen, x, 0.0) @ params.rates.T

    def stats(self, params, x, resp):
        seen = ~np.isnan(x)
        return Waits(resp.T @ seen, resp.T @ np.where(seen, x, 0.0))

    def m_step(self, stats, params):
        known = stats.observed > 0
        return Rates(np.where(known, stats.observed / np.where(known, stats.total, 1.0), params.rates))

    def log_prior(self, params):
        return 0.0

    def sample(self, params, component, rng):
        return rng.exponential(1.0 / params.rates[component])

    def n_free(self, params):
        return params.rates.size

    def pack(self, params):
        return np.log(params.rates).ravel()

    def unpack(self, vector, like):
        return Rates(np.exp(vector).reshape(like.rates.shape))

    def permute(self, params, order):
        return Rates(params.rates[order])

    def describe(self):
        return {"family": "exponential"}


@pytest.fixture
def waits():
    rng = np.random.default_rng(0)
    x = rng.exponential(np.repeat([[1.0, 5.0], [6.0, 0.5]], 300, axis=0))
    x[rng.random(x.shape) < 0.1] = np.nan
    return ArraySource(x)


def test_it_keeps_every_law(waits):
    assert check_family(Exponential(), waits) == [law.__name__ for law in FAMILY_LAWS]
    check_model(Mixture(Exponential(), 2), waits)


def test_and_gets_everything_else_for_it(waits):
    """Restarts, threads, missing cells, the stop rule: none of it is in the class above."""
    result = fit(Mixture(Exponential(), 2, seeding="random"), waits, executor=Threads(2), rng=np.random.default_rng(0))
    assert result.converged
    rates = result.params.components.rates
    np.testing.assert_allclose(np.sort(1.0 / rates, axis=0), [[1.0, 0.5], [6.0, 5.0]], rtol=0.25)
