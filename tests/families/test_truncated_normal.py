"""Truncated normal columns against scipy's density and scipy's optimum; data that limits do not bound."""

import numpy as np
import pytest
from scipy import stats

from emkit import ArraySource, DataError, TruncatedNormal
from support.kinds import check_m_step, fitted, found_again, total

FAMILY = TruncatedNormal(lower=1.0, upper=4.0)
PARAMS = TruncatedNormal.Params(np.array([[-9.0], [3.5]]), np.array([[1.0], [4.0]]))
X = stats.truncnorm(-2, 1, 2.5, [[0.7, 2.0]]).rvs((80, 2), random_state=0).clip(1.0, 4.0)


def test_density():
    s = np.sqrt(PARAMS.variances.T)
    there = stats.truncnorm((1.0 - PARAMS.means.T) / s, (4.0 - PARAMS.means.T) / s, PARAMS.means.T, s)
    x = np.array([[1.0], [1.1], [3.0], [4.0]])
    np.testing.assert_allclose(FAMILY.log_prob(PARAMS, x), there.logpdf(x), rtol=1e-9)
    np.testing.assert_allclose(total(FAMILY, PARAMS, 1.0, 4.0, parts=(1.3,)), 1.0, rtol=1e-8)
    np.testing.assert_allclose(FAMILY.moments(PARAMS), [there.mean().T, there.var().T], rtol=1e-6)
    np.testing.assert_allclose(FAMILY.cdf(PARAMS, x)[1], there.cdf(x), rtol=1e-8)
    np.testing.assert_allclose(FAMILY.cdf(PARAMS, x, upper=True)[1], there.sf(x), rtol=1e-8)
    drawn = FAMILY.sample(PARAMS, np.repeat([0, 1], 100_000), np.random.default_rng(0)).reshape(2, -1)
    np.testing.assert_allclose(drawn.mean(axis=1), there.mean()[0], rtol=0.01)


@pytest.mark.parametrize("prior", ["weak", None])
@pytest.mark.parametrize("fixed", [{}, {"means": [[2.0, np.nan], [np.nan, 1.0]]}, {"variances": 2.0}])
def test_m_step(prior, fixed):
    check_m_step(TruncatedNormal(prior, lower=0.5, upper=4.5, fixed=fixed), X)


def test_found_again():
    params = TruncatedNormal.Params(np.array([[0.7], [6.0]]), np.array([[0.5], [0.5]]))
    found_again(TruncatedNormal(lower=0.0), params, 0.2)


@pytest.mark.parametrize("x", [np.random.default_rng(0).exponential(size=(300, 1)), np.linspace(0.001, 0.999, 300)[:, None]])
def test_data_that_the_limits_do_not_bound(x):
    """Exponential decay is a normal tail with its mean far off; evenly spread data are a normal distribution without end."""
    family = TruncatedNormal(lower=0.0, upper=None if x.max() > 1 else 1.0)
    result = fitted(family, x, 1)
    best = stats.expon.logpdf(x).sum() if x.max() > 1 else 0.0
    assert result.log_likelihood >= best - 0.1
    assert all("runs to infinity" in remark for remark in result.model.remarks(result.params))


def test_cells_beyond_a_limit_are_refused():
    with pytest.raises(DataError, match="row 1 is 5, expected a number from 1 to 4"):
        FAMILY.resolve(ArraySource(np.array([[2.0], [5.0]])), 1)
