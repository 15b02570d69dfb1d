"""Log-normal columns against scipy's density and scipy's optimum."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, LogNormal
from support.datasets import faithful
from support.kinds import check_m_step, found_again, reaches, total

PARAMS = LogNormal.Params(np.array([[0.5], [-1.0]]), np.array([[0.2], [2.0]]))
X = np.random.default_rng(0).lognormal([[2.0, 0.4]], [[1.0, 0.3]], size=(60, 2))


def test_density():
    x, scale = np.array([[0.01], [1.0], [30.0]]), np.exp(PARAMS.means)
    there = stats.lognorm(np.sqrt(PARAMS.variances.T), scale=scale.T)
    np.testing.assert_allclose(LogNormal().log_prob(PARAMS, x), there.logpdf(x))
    np.testing.assert_allclose(total(LogNormal(), PARAMS, 0.0, parts=(0.1, 1.0)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(LogNormal().moments(PARAMS), [there.mean().T, there.var().T])
    np.testing.assert_allclose(LogNormal().cdf(PARAMS, x)[1], there.cdf(x))


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"means": [[2.0, np.nan], [np.nan, 1.0]]}, {"variances": 2.0 * np.ones((2, 2))}])
def test_m_step(prior, fixed):
    check_m_step(LogNormal(prior, fixed=fixed), X)


def test_nothing_cancels_far_from_one():
    """The spread of log x is 1e-7 of log x itself."""
    x = np.exp(300.0 + 3e-5 * np.random.default_rng(0).normal(size=(500, 1)))
    family = LogNormal(None).resolve(ArraySource(x), 1)
    params = family.from_partition(x, np.ones((500, 1)), np.random.default_rng(0))
    for _ in range(2):
        params = family.update(family.stats(params, x, np.ones((500, 1))), params)
    np.testing.assert_allclose(params.variances, np.log(x).var(), rtol=1e-6)


def test_found_again():
    found_again(LogNormal(), LogNormal.Params(np.array([[3.0], [0.5]]), np.array([[0.1], [0.4]])), 0.1)


def test_best_known_mixture():
    reaches("lognormal, eruptions", LogNormal, faithful()[:, :1])


@pytest.mark.parametrize(
    ("x", "message"), [([[1.0], [-2.0]], "row 1 is -2, expected a number above 0"), ([[3.0], [3.0]], "constant")]
)
def test_refused(x, message):
    with pytest.raises(DataError, match=message):
        LogNormal().resolve(ArraySource(np.array(x)), 1)
