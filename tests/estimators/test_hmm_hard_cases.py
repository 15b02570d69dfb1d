"""What the faces of HMMs make of hard cases that ``tests/models/hmm`` tests on the engine."""

from dataclasses import dataclass

import numpy as np
import pytest

from emkit import HMM, DataError, ParameterError, Poisson
from emkit.core.errors import ImpossibleSequenceError
from emkit.models.hmm.filter import filter_probabilities
from emkit.models.hmm.forecast import forecast_log_density, forecast_states
from emkit.models.hmm.params import HMMParams
from support.datasets import earthquakes

# The two-state maximum likelihood fit of Zucchini and MacDonald.
QUAKES = HMMParams(
    np.array([1.0, 0.0]), np.array([[0.928374, 0.071626], [0.119034, 0.880966]]), Poisson.Params(np.array([[15.42076], [26.01824]]))
)


def test_residuals_of_outliers_on_both_sides():
    """Beyond 8 standard deviations a distribution function is 1 to the last digit."""
    model = HMM(
        1, fixed={"means": [[0.0]], "covariances": [[1.0]], "startprob": [1.0], "transmat": [[1.0]]}, prior=None, max_iter=0, tol=0
    )
    x = np.array([[-30.0], [-8.5], [-7.0], [0.0], [7.0], [8.5], [30.0]])
    np.testing.assert_allclose(model.fit(x[2:5]).pseudo_residuals(x), x[:, 0], rtol=1e-9, atol=1e-12)


@dataclass(frozen=True)
class Silent(Poisson):
    """A family that does not say what its distribution function is."""

    def cdf(self, params, x, *, upper=False):
        return None


def test_residuals_need_one_column_and_a_distribution_function():
    x = np.random.default_rng(0).poisson(3.0, size=(40, 2))
    with pytest.raises(DataError, match="one column"):
        HMM(2, "poisson", random_state=0).fit(x).pseudo_residuals(x)
    with pytest.raises(ParameterError, match="a Silent family does not say its distribution function"):
        HMM(2, Silent(), random_state=0).fit(x[:, :1]).pseudo_residuals(x[:, :1])


def test_forecast_densities_are_the_models():
    x, counts = earthquakes(), np.arange(150.0)[:, None]
    last = filter_probabilities(QUAKES, Poisson().log_prob(QUAKES.emissions, x), [107])[-1]
    expected = forecast_log_density(Poisson(), QUAKES, forecast_states(QUAKES, last, 50).probabilities, counts)
    fixed = {"startprob": QUAKES.startprob, "transmat": QUAKES.transmat, "rates": QUAKES.emissions.rates}
    model = HMM(2, "poisson", fixed=fixed, max_iter=0, tol=0).fit(x)
    found = model.forecast_log_density(x, counts[:, 0], horizon=50)
    np.testing.assert_allclose(np.exp(found), np.exp(expected), rtol=1e-6, atol=1e-12)
    with pytest.raises(DataError, match=r"values have shape \(150, 2\), expected \(m, 1\)"):
        model.forecast_log_density(x, np.repeat(counts, 2, axis=1))


def test_impossible_sequences_have_a_number():
    model = HMM(2, "categorical", random_state=0).fit(np.array([0, 1, 0, 1, 1, 0])[:, None])
    x = np.array([0, 1, 0, 2, 1, 1])[:, None]
    np.testing.assert_array_equal(np.isneginf(model.sequence_scores(x, [2, 2, 2])), [False, True, False])
    assert model.score(x, lengths=[2, 2, 2]) == -np.inf
    for method in (model.predict_proba, model.predict):
        with pytest.raises(ImpossibleSequenceError, match="sequence 1 has probability zero") as caught:
            method(x, [2, 2, 2])
        assert caught.value.sequence == 1


def test_same_answers_with_any_number_of_threads():
    rng = np.random.default_rng(6)
    lengths = rng.integers(1, 400, size=900)
    x = rng.normal(size=(lengths.sum(), 2)) + np.repeat(rng.integers(2, size=900) * 2.0, lengths)[:, None]
    found = [HMM(3, n_init=2, max_iter=6, random_state=1, n_jobs=jobs, tol=1e-9) for jobs in (1, 3)]
    with pytest.warns(UserWarning, match="iterations"):
        one, three = (model.fit(x, lengths=lengths) for model in found)
    assert one.result_.trace == three.result_.trace
    for name in ("startprob_", "transmat_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(one, name), getattr(three, name))
    np.testing.assert_array_equal(one.predict_proba(x, lengths), three.predict_proba(x, lengths))
    assert one.score(x, lengths=lengths) == three.score(x, lengths=lengths) == one.result_.log_likelihood
