"""Information criteria against their formulas, mclust's printed numbers, and the estimators' own."""

import numpy as np
import pytest

import emkit
from emkit.core.result import Result
from emkit.selection.criteria import criteria
from support.datasets import faithful

THREADS = emkit.Threads(1)


def fitted(model, source, **more):
    return emkit.fit(model, source, executor=THREADS, rng=np.random.default_rng(0), **more)


def test_formulas():
    """Each criterion is -2 LL plus its own price for each of the p parameters."""
    source = emkit.ArraySource(faithful())
    result = fitted(emkit.FiniteMixture(emkit.Gaussian("full"), 2), source, starts=2)
    found = criteria(result, source, THREADS)
    n, p, deviance = 272.0, 11, -2.0 * result.log_likelihood
    assert (found.n, found.n_free) == (n, p)
    assert found.aic == pytest.approx(deviance + 2 * p, rel=1e-14)
    assert found.bic == pytest.approx(deviance + p * np.log(n), rel=1e-14)
    assert found.sabic == pytest.approx(deviance + p * np.log((n + 2) / 24), rel=1e-14)
    assert found.caic == pytest.approx(deviance + p * (np.log(n) + 1), rel=1e-14)
    best = emkit.GaussianMixture(2, prior=None, random_state=0).fit(faithful()).predict_proba(faithful()).max(axis=1)
    assert found.icl - found.bic == pytest.approx(-2 * np.log(best).sum(), abs=0.02)


def test_what_mclust_prints():
    """The faithful data, EEE with three components: in mclust's sign BIC -2314.316 and ICL -2357.824.

    mclust stops before the optimum, where BIC is -2314.296 and ICL -2358.389, and takes both from the E-step before its last
    M-step, so at the parameters that it prints they differ a little.
    """
    x = faithful()
    gm = emkit.GaussianMixture(3, covariance_type="tied", prior=None, random_state=0, tol=1e-7).fit(x)
    source = emkit.ArraySource(x)
    assert -criteria(gm.result_, source, THREADS).bic == pytest.approx(-2314.296, abs=2e-3)
    assert -criteria(gm.result_, source, THREADS).icl == pytest.approx(-2358.389, abs=2e-2)
    gm.weights_ = np.array([0.1656784, 0.3563696, 0.4779520])
    gm.means_ = np.array([[3.793066, 77.521051], [2.037596, 54.491158], [4.463245, 80.833439]])
    gm.covariances_ = np.array([[0.07825448, 0.4801979], [0.4801979, 33.7671464]])
    found = criteria(gm._current(), source, THREADS)
    assert -found.bic == pytest.approx(-2314.316, abs=0.01)
    assert -found.icl == pytest.approx(-2357.824, abs=0.07)


def test_estimators_say_the_same():
    x = faithful()
    gm = emkit.GaussianMixture(3, random_state=0).fit(x)
    found = criteria(gm.result_, emkit.ArraySource(x), THREADS)
    assert (found.aic, found.bic, found.icl) == (gm.aic(), gm.bic(), gm.icl(x))


def test_weight_two_is_the_row_twice():
    x = np.random.default_rng(1).poisson([[3.0]] * 30 + [[12.0]] * 20).astype(float)
    weights = np.arange(50) % 3
    model = emkit.FiniteMixture(emkit.Poisson(), 2)
    weighted, longer = emkit.ArraySource(x, weights.astype(float)), emkit.ArraySource(np.repeat(x, weights, axis=0))
    result = fitted(model, longer)
    there, here = criteria(result, longer, THREADS), criteria(result, weighted, THREADS)
    assert here.n == there.n == weights.sum()
    assert here.icl == pytest.approx(there.icl, rel=1e-12)


def test_hidden_markov_model():
    """N counts the steps of all sequences; ICL takes the smoothed probability of each step's state."""
    rng = np.random.default_rng(2)
    x, lengths = rng.poisson(np.repeat([2.0, 9.0, 2.0, 9.0], 15))[:, None].astype(float), [25, 35]
    hmm = emkit.PoissonHMM(2, random_state=0).fit(x, lengths)
    found = criteria(hmm.result_, emkit.SequenceSource(x, lengths), THREADS)
    assert found.n == 60
    assert (found.aic, found.bic) == (hmm.aic(), hmm.bic())
    best = hmm.predict_proba(x, lengths).max(axis=1)
    assert found.icl == pytest.approx(found.bic - 2 * np.log(best).sum(), rel=1e-12)


def test_one_component_is_sure():
    source = emkit.ArraySource(faithful())
    found = criteria(fitted(emkit.FiniteMixture(emkit.Gaussian(), 1), source), source, THREADS)
    assert found.icl == found.bic


def test_parameters_set_by_hand():
    """Nothing is known of the data of such a result, so the log-likelihood is computed."""
    source = emkit.ArraySource(faithful())
    result = fitted(emkit.FiniteMixture(emkit.Gaussian(), 2), source, starts=1)
    again = criteria(Result.by_hand(result.model, result.params), source, THREADS)
    assert again.bic == pytest.approx(criteria(result, source, THREADS).bic, rel=1e-14)


def test_variational_fits_are_refused():
    x = np.array([0, 1, 1, 0, 2, 1, 0, 0, 2, 2])[:, None]
    hmm = emkit.VariationalCategoricalHMM(2, random_state=0).fit(x)
    with pytest.raises(emkit.ParameterError, match="lower bounds"):
        criteria(hmm.result_, emkit.SequenceSource(x.astype(float)), THREADS)
