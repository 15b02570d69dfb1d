"""Numbers measured with a known error: AutoClass's prior and bounds, densities, exact conditional M-steps."""

import numpy as np
import pytest
from scipy import stats

import emkit
from emkit import ArraySource, DataError, FiniteMixture, LogNormal, MeasuredNormal, MeasuredPrior, ParameterError
from support.kinds import check_m_step, total

X = np.random.default_rng(0).normal([[0.0, 5.0]], [[1.0, 3.0]], size=(200, 2))


def test_prior_of_autoclass():
    """smin = 5 err, smax = range / 2, s0 = max(smax, 5 smin / sqrt(2.1)), m0 the mean; on the log scale err = ln(1 + error)."""
    for log, x, error in ((False, X, np.array([0.01, 0.5])), (True, np.exp(X), np.log1p([0.01, 0.5]))):
        family = MeasuredNormal([0.01, 0.5], log=log).resolve(ArraySource(x), 2)
        y = np.log(x) if log else x
        half = (y.max(axis=0) - y.min(axis=0)) / 2
        np.testing.assert_allclose(family.prior.mean, y.mean(axis=0))
        np.testing.assert_allclose(family.prior.low, 5 * error)
        np.testing.assert_allclose(family.prior.high, half)
        np.testing.assert_allclose(family.prior.spread, np.maximum(half, 25 * error / np.sqrt(2.1)))
        params = family.Params(np.array([[0.5, 4.0]]), np.array([[0.8, 7.0]]))
        density = stats.norm.logpdf(params.means, family.prior.mean, family.prior.spread).sum() - np.log(params.variances).sum() / 2
        constant = stats.norm.logpdf(0.0, 0.0, family.prior.spread).sum()
        np.testing.assert_allclose(family.log_prior(params), density - constant)


def test_missing_cells_and_weights_tell_of_the_mean():
    x, weights = np.exp(X[:20]), np.random.default_rng(1).integers(1, 4, size=20)
    x[3, 0] = np.nan
    weighted = MeasuredNormal(0.01, log=True).resolve(ArraySource(x, weights=weights), 1)
    repeated = MeasuredNormal(0.01, log=True).resolve(ArraySource(np.repeat(x, weights, axis=0)), 1)
    np.testing.assert_allclose(weighted.prior.mean, repeated.prior.mean)


def test_densities():
    params = MeasuredNormal.Params(np.array([[0.4], [1.0]]), np.array([[0.5], [2.0]]))
    x = np.array([[-1.0], [2.0], [np.nan]])
    expected = np.where(np.isnan(x), 0.0, stats.norm.logpdf(x, params.means.T, np.sqrt(params.variances.T)))
    np.testing.assert_allclose(MeasuredNormal(0.1).log_prob(params, x), expected)
    log = MeasuredNormal(0.1, log=True, zero_point=-3.0)
    np.testing.assert_allclose(log.log_prob(params, x), LogNormal().log_prob(params, x + 3.0))
    np.testing.assert_allclose(total(log, params, low=-3.0, parts=(0.0, 5.0)), 1.0, rtol=1e-6)
    np.testing.assert_allclose(log.moments(params)[0], LogNormal().moments(params)[0] - 3.0)
    np.testing.assert_allclose(log.cdf(params, x)[0], LogNormal().cdf(params, x + 3.0)[0])


@pytest.mark.parametrize("family", [MeasuredNormal(0.05), MeasuredNormal(0.01, fixed={"variances": [[2.0, 2.0], [2.0, np.nan]]})])
def test_m_step(family):
    check_m_step(family, X)


def test_variance_estimate_of_autoclass():
    """v W / (W + 1), and a mean that is drawn towards m0 by about v / (W s0^2)."""
    family = MeasuredNormal(0.05).resolve(ArraySource(X), 1)
    params = family.anchor(1, 2)
    for _ in range(50):
        params = family.update(family.stats(params, X, np.ones((200, 1))), params)
    np.testing.assert_allclose(params.means[0], X.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(params.variances[0], X.var(axis=0) * 200 / 201)


def test_never_narrower_than_can_be_told():
    """Equal values would be a collapse; here they are a component of 5 errors' spread, at which the fit rests."""
    x = np.concatenate([np.random.default_rng(0).normal(0, 1, 200), np.full(50, 10.0)])[:, None]
    model = emkit.Mixture(2, MeasuredNormal(0.05), random_state=0).fit(x)
    assert model.converged_
    np.testing.assert_allclose(model.variances_.min(), 0.25**2)
    np.testing.assert_allclose(model.means_.max(), 10.0, atol=1e-3)
    vector = model.model_.pack(model.result_.params)
    again = model.model_.unpack(vector, model.result_.params)
    np.testing.assert_array_equal(again.components.variances.min(), model.variances_.min())


def test_found_again_on_the_log_scale(tmp_path):
    rng = np.random.default_rng(0)
    x = 2.0 + np.exp(rng.normal(np.repeat([0.0, 3.0], 500), 0.5))[:, None]
    model = emkit.Mixture(2, MeasuredNormal(0.01, log=True, zero_point=2.0), random_state=0).fit(x)
    np.testing.assert_allclose(np.sort(model.means_.ravel()), [0.0, 3.0], atol=0.1)
    model.save(tmp_path / "m.safetensors")
    assert emkit.load(tmp_path / "m.safetensors").score(x) == model.score(x)
    assert FiniteMixture(MeasuredNormal(0.01), 2).resolve(ArraySource(x)).family.separable


def test_refused():
    for error in (0.0, -1.0, np.nan, [0.1, 0.0]):
        with pytest.raises(ParameterError, match="error"):
            MeasuredNormal(error)
    with pytest.raises(ParameterError, match=r"for log=True"):
        MeasuredNormal(0.1, zero_point=1.0)
    with pytest.raises(ParameterError, match="3 entries, there are 2"):
        MeasuredNormal([0.1, 0.1, 0.1]).resolve(ArraySource(X), 1)
    with pytest.raises(DataError, match="not more than ten errors"):
        MeasuredNormal(1.0).resolve(ArraySource(X), 1)
    with pytest.raises(DataError, match="row 0 is 1, expected a number above 2"):
        MeasuredNormal(0.01, log=True, zero_point=2.0).resolve(ArraySource(np.arange(1.0, 9.0)[:, None]), 1)
    with pytest.raises(ParameterError, match="must be between"):
        MeasuredNormal(0.1, start_values={"variances": 1e6}).resolve(ArraySource(X), 2)
    with pytest.raises(ParameterError, match="high above low"):
        MeasuredPrior([0.0], [1.0], [2.0], [1.0])
    with pytest.raises(ParameterError, match="'measured' or a MeasuredPrior"):
        MeasuredNormal(0.1, prior=None)
