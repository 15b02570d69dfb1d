"""Censored normal columns: enumerated pieces, direct optimisation, moments by simulation."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, CensoredNormal, DataError, Gaussian, ParameterError
from support.datasets import FOLDER
from support.kinds import check_m_step, fitted, found_again, reaches, total

CENSORED = np.loadtxt(FOLDER / "censored.csv", delimiter=",", skiprows=1)[:, :1]
FAMILY = CensoredNormal(lower=1.0, upper=4.0)
PARAMS = CensoredNormal.Params(np.array([[0.0], [3.5]]), np.array([[1.0], [4.0]]))
X = np.clip(np.random.default_rng(0).normal([[1.0, 3.0]], [[1.0, 3.0]], size=(80, 2)), 1.0, 4.0)


def test_density_between_and_probability_at_the_limits():
    there = stats.norm(PARAMS.means.T, np.sqrt(PARAMS.variances.T))
    x = np.array([[1.0], [2.0], [4.0]])
    expected = np.concatenate([there.logcdf(x[:1]), there.logpdf(x[1:2]), there.logsf(x[2:])])
    np.testing.assert_allclose(FAMILY.log_prob(PARAMS, x), expected)
    whole = total(FAMILY, PARAMS, 1.0, 4.0) + np.exp(expected[[0, 2]]).sum(axis=0)
    np.testing.assert_allclose(whole, 1.0, rtol=1e-8)


def test_moments_and_distribution_function():
    drawn = FAMILY.sample(PARAMS, np.repeat([0, 1], 400_000), np.random.default_rng(0)).reshape(2, -1)
    np.testing.assert_allclose(FAMILY.moments(PARAMS), [drawn.mean(axis=1)[:, None], drawn.var(axis=1)[:, None]], rtol=0.01)
    x = np.array([[0.5], [1.0], [2.0], [4.0], [9.0]])
    expected = [(drawn[:, None, :] < x).mean(axis=2).T, (drawn[:, None, :] <= x).mean(axis=2).T]
    np.testing.assert_allclose(FAMILY.cdf(PARAMS, x), expected, atol=0.004)
    np.testing.assert_allclose(FAMILY.cdf(PARAMS, x, upper=True), 1.0 - np.array(expected), atol=0.004)


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"means": [[2.0, np.nan], [np.nan, 1.0]]}, {"variances": 2.0}])
def test_m_step(prior, fixed):
    check_m_step(CensoredNormal(prior, lower=1.0, upper=4.0, fixed=fixed), X)


def test_without_limits_it_is_gaussian():
    x = np.random.default_rng(0).normal([[0.0]], size=(200, 1)) + 5.0 * (np.arange(200) % 2)[:, None]
    assert fitted(CensoredNormal(), x).log_likelihood == pytest.approx(fitted(Gaussian("diag"), x).log_likelihood, abs=1e-6)


def test_found_again():
    found_again(FAMILY, CensoredNormal.Params(np.array([[1.5], [3.5]]), np.array([[0.09], [0.25]])), 0.12)


def test_best_known_mixture():
    reaches("censored normal", CensoredNormal, CENSORED, lower=1.0, upper=12.0)


def test_cells_beyond_a_limit_are_refused():
    with pytest.raises(DataError, match="row 1 is 5, expected a number from 1 to 4"):
        FAMILY.resolve(ArraySource(np.array([[2.0], [5.0]])), 1)


@pytest.mark.parametrize(
    ("limits", "message"), [({"lower": 2.0, "upper": 1.0}, "must be below"), ({"upper": [1.0]}, "give one number")]
)
def test_limits_that_are_none(limits, message):
    with pytest.raises(ParameterError, match=message):
        CensoredNormal(**limits)
