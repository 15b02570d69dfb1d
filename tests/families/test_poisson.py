"""Poisson columns against scipy's, the conjugate update, missing cells."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, GammaPrior, ParameterError, Poisson

RATES = np.array([[2.0, 0.5], [7.0, 30.0], [0.0, 1.0]])
X = np.array([[0.0, 1.0], [3.0, 0.0], [np.nan, 2.0], [5.0, np.nan], [np.nan, np.nan], [200.0, 40.0]])


def test_density():
    expected = np.nansum(stats.poisson.logpmf(X[:, None, :], RATES), axis=2)
    np.testing.assert_allclose(Poisson().log_prob(Poisson.Params(RATES), X), expected, rtol=1e-12)


@pytest.mark.parametrize("cell", [0.5, -1.0, -0.5])
def test_what_is_no_count_has_probability_zero(cell):
    assert np.isneginf(Poisson().log_prob(Poisson.Params(RATES), np.array([[cell, 1.0]]))).all()


@pytest.mark.parametrize("prior", [None, GammaPrior(3.0, 2.0)])
def test_m_step(prior):
    """Expected events over expected rows, each column over the rows where it was seen."""
    resp = np.random.default_rng(0).dirichlet(np.ones(3), len(X))
    family = Poisson(prior).resolve(ArraySource(X), 3)
    new = family.m_step(family.stats(Poisson.Params(RATES), X, resp), Poisson.Params(RATES))
    events = np.nansum(resp.T[:, :, None] * X, axis=1)
    rows = resp.T @ np.isfinite(X)
    expected = events / rows if prior is None else (events + 2.0) / (rows + 2.0)
    np.testing.assert_allclose(new.rates, expected, rtol=1e-13)


def test_gamma_prior_is_a_gamma_density():
    """Up to a constant: differences agree with scipy's."""
    family = Poisson(GammaPrior(3.0, 2.0))
    a, b = np.array([[1.0], [4.0]]), np.array([[0.3], [2.0]])
    found = family.log_prior(Poisson.Params(a)) - family.log_prior(Poisson.Params(b))
    expected = stats.gamma.logpdf(a, 3.0, scale=0.5).sum() - stats.gamma.logpdf(b, 3.0, scale=0.5).sum()
    assert found == pytest.approx(expected, rel=1e-12)


def test_a_component_without_rows_stays():
    family = Poisson()
    resp = np.zeros((6, 3))
    resp[:, 0] = 1.0
    new = family.m_step(family.stats(Poisson.Params(RATES), X, resp), Poisson.Params(RATES))
    np.testing.assert_array_equal(new.rates[1:], RATES[1:])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rates": [1.0, 2.0]}, "has shape"),
        ({"rates": [[-1.0, 1.0], [1.0, 1.0]]}, "finite and not negative"),
        ({"means": 1}, "has 'rates'"),
    ],
)
def test_refused(values, message):
    with pytest.raises(ParameterError, match=message):
        Poisson(fixed=values).resolve(ArraySource(X), 2)
    with pytest.raises(DataError, match=r"row 1 is 0\.5, expected a count"):
        Poisson().resolve(ArraySource(np.array([[1.0], [0.5]])), 2)
