"""Whole numbers are not cut out of fractions, any integer type is one, and shapes that coincide are told apart."""

import numpy as np
import pytest
from small_models import (
    KINDS,
    ONE,
    bits,
    counts,
    covariance,
    gaussian_log_b,
    outcomes,
    quietly,
    reals,
    sequence_log_likelihood,
    symbols,
)

from emkit import GMMHMM, HMM, CategoricalHMM, GaussianHMM, GaussianMixture, MultinomialHMM, ParameterError, PoissonHMM

QUICK = {"n_init": 1, "random_state": 0}
FRACTIONS = [2.5, 1.0001, -1, 0, np.nan, np.inf, "2", [2], None]


def refuse(word, make, x):
    """Refused when it is made or when it is fitted."""

    def make_and_fit():
        quietly(make().fit, x)

    with pytest.raises(ParameterError, match=word):
        make_and_fit()


@pytest.mark.parametrize("k", FRACTIONS, ids=repr)
def test_numbers_of_components(k):
    refuse("n_components", lambda: GaussianHMM(k, **QUICK), reals())
    refuse("n_components", lambda: PoissonHMM(k, **QUICK), counts())
    refuse("n_components", lambda: CategoricalHMM(k, **QUICK), symbols())
    refuse("n_components", lambda: MultinomialHMM(k, **QUICK), outcomes())
    refuse("n_components", lambda: GMMHMM(k, 2, **QUICK), reals())
    refuse("n_components", lambda: GaussianMixture(k, **QUICK), reals())
    refuse("n_states", lambda: HMM(k, **QUICK), reals())


@pytest.mark.parametrize("m", [*FRACTIONS, 2.9], ids=repr)
def test_numbers_of_parts(m):
    refuse("n_mix", lambda: HMM(2, n_mix=m, **QUICK), reals())
    refuse("n_mix", lambda: GMMHMM(2, n_mix=m, **QUICK), reals())


@pytest.mark.parametrize("n", [10.9, 0.5, -1, np.nan, "10", [10]], ids=repr)
def test_numbers_of_iterations(n):
    for face, x in ((GaussianHMM, reals()), (PoissonHMM, counts()), (CategoricalHMM, symbols()), (GMMHMM, reals())):
        refuse("n_iter", lambda face=face: face(2, n_iter=n, **QUICK), x)
    for estimator in (HMM, GaussianMixture):
        refuse("max_iter", lambda estimator=estimator: estimator(2, max_iter=n, **QUICK), reals())


@pytest.mark.parametrize("n", [1.5, 0, -2, np.nan, "1"], ids=repr)
@pytest.mark.parametrize("estimator", [HMM, GaussianHMM, GaussianMixture])
def test_numbers_of_starts_and_threads(estimator, n):
    refuse("n_init", lambda: estimator(2, n_init=n), reals())
    if n != -2:
        refuse("n_jobs", lambda: estimator(2, n_jobs=n, n_init=1), reals())


@pytest.mark.parametrize("tie", [[0, 0.9], [0.5, 0.5], [0, np.nan], ["a", "b"], [0, -1], 0.5], ids=repr)
def test_numbers_of_tied_states(tie):
    refuse("tie", lambda: HMM(2, tie=tie, **QUICK), reals())


@pytest.mark.parametrize("n", [3.7, np.nan, "3", 0], ids=repr)
def test_numbers_of_symbols(n):
    refuse("n_categories", lambda: HMM(2, "categorical", n_categories=n, **QUICK), symbols())
    refuse("n_features|n_categories", lambda: CategoricalHMM(2, n_features=n, **QUICK), symbols())


@pytest.mark.parametrize("n", [2.5, -1, 0, np.nan, "12", True, [], [12.5] * 40, [[12]] * 40, ["a"] * 40, [-12] * 40], ids=repr)
def test_numbers_of_trials(n):
    refuse("n_trials", lambda: MultinomialHMM(2, n, **QUICK), outcomes())
    refuse("n_trials", lambda: HMM(2, "multinomial", n_trials=n, **QUICK), outcomes())


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8, np.int16])
def test_every_integer_type_is_a_whole_number(integer):
    """As they come from arrays, `np.arange` and `GridSearchCV`."""
    one, two, five = integer(1), integer(2), integer(5)
    rest = {"n_init": one, "n_jobs": one, "random_state": two, "tol": 0.0}
    plain = {"n_init": 1, "n_jobs": 1, "random_state": 2, "tol": 0.0}
    for estimator, name in ((HMM, "max_iter"), (GaussianHMM, "n_iter"), (GaussianMixture, "max_iter")):
        model = estimator(two, **{name: five}, **rest).fit(reals())
        twin = estimator(2, **{name: 5}, **plain).fit(reals())
        np.testing.assert_array_equal(model.means_, twin.means_)
    model = HMM(two, n_mix=two, max_iter=five, **rest).fit(reals(), lengths=np.array([24, 16], dtype=integer))
    np.testing.assert_array_equal(model.means_, HMM(2, n_mix=2, max_iter=5, **plain).fit(reals(), lengths=[24, 16]).means_)
    tied = HMM(two, tie=np.array([0, 0], dtype=integer), max_iter=five, **rest).fit(reals())
    np.testing.assert_array_equal(tied.means_[0], tied.means_[1])
    model = HMM(two, "categorical", n_categories=five, max_iter=five, **rest).fit(symbols())
    assert model.probs_.shape == (2, 5)
    assert len(model.sample(five)[0]) == 5


@pytest.mark.parametrize("n_jobs", [np.int64(1), np.int32(2), np.int64(-1)])
def test_threads_as_numpy_integers(n_jobs):
    model = GaussianHMM(2, n_jobs=n_jobs, **QUICK).fit(reals())
    np.testing.assert_array_equal(model.means_, GaussianHMM(2, n_jobs=1, **QUICK).fit(reals()).means_)


def test_whole_numbers_after_the_fit():
    model = HMM(2, **QUICK).fit(reals())
    for word, action in (
        ("n_samples", lambda: model.sample(2.5)),
        ("horizon", lambda: model.forecast(reals(), 1.5)),
        ("k=", lambda: model.k_best(reals(), 1.5)),
        ("n_paths", lambda: model.sample_paths(reals(), n_paths=1.5)),
        ("length", lambda: model.simulate([2.5])),
    ):
        with pytest.raises(ValueError, match=word):
            action()


# --- shapes that coincide -----------------------------------------------------------------------------------------------


def test_a_tied_matrix_of_as_many_columns_as_parts():
    """Two columns, two parts: the matrix is one matrix, not two rows of parts."""
    start = np.array([[2.0, 0.5], [0.5, 1.0]])
    model = HMM(2, n_mix=2, covariance_type="tied", covariances_init=start, max_iter=0, **ONE)
    quietly(model.fit, reals(2))
    np.testing.assert_allclose(model.covariances_, start)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_values_of_mixtures_in_states_come_back_as_they_were_given(kind, k, m):
    """Whichever of the numbers of states, parts and columns are equal: fixed values are held, every number in its place."""
    for d in (1, 2, 3):
        rng = np.random.default_rng([k, m, d])
        covariances, _ = covariance(rng, kind, d, (k, m))
        means = rng.normal(size=(k, m, d))
        fixed = {"means": means, "covariances": covariances}
        held = quietly(HMM(k, n_mix=m, covariance_type=kind, fixed=fixed, max_iter=1, **ONE).fit, reals(d))
        np.testing.assert_allclose(held.means_, means, err_msg=str(d))
        np.testing.assert_allclose(held.covariances_, covariances, err_msg=str(d))
        init = {"means_init": means, "covariances_init": covariances}
        started = quietly(HMM(k, n_mix=m, covariance_type=kind, max_iter=0, **init, **ONE).fit, reals(d))
        np.testing.assert_allclose(started.means_, means, err_msg=str(d))
        np.testing.assert_allclose(started.covariances_, covariances, err_msg=str(d))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_values_of_plain_states_and_components_too(kind, k):
    for d in (1, 2, 3):
        rng = np.random.default_rng([k, d])
        covariances, _ = covariance(rng, kind, d, (k,))
        fixed = {"means": rng.normal(size=(k, d)), "covariances": covariances}
        for estimator in (HMM, GaussianHMM, GaussianMixture):
            name = "n_iter" if estimator is GaussianHMM else "max_iter"
            model = quietly(estimator(k, covariance_type=kind, fixed=fixed, **{name: 1}, **ONE).fit, reals(d))
            np.testing.assert_allclose(model.means_, fixed["means"])
            np.testing.assert_allclose(model.covariances_, covariances)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [2, 3])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_mixtures_in_states_set_by_hand_have_the_right_likelihood(kind, k, m):
    for d in (1, 2, 3):
        rng = np.random.default_rng([k, m, d])
        covariances, matrices = covariance(rng, kind, d, (k, m))
        means, x = rng.normal(size=(k, m, d)), rng.normal(size=(5, d))
        start, matrix, weights = rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k), size=k), rng.dirichlet(np.ones(m), size=k)
        model = GMMHMM(k, m, covariance_type=kind)
        model.startprob_, model.transmat_, model.weights_ = start, matrix, weights
        model.means_, model.covars_ = means, covariances
        parts = gaussian_log_b(x, means.reshape(-1, d), matrices.reshape(-1, d, d)).reshape(5, k, m)
        log_b = np.logaddexp.reduce(parts + np.log(weights), axis=2)
        assert model.score(x) == pytest.approx(sequence_log_likelihood(start, matrix, log_b), rel=1e-9), d


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("m", [2, 3])
def test_rates_and_probabilities_of_parts(k, m):
    for d in (1, 2, 3):
        rng = np.random.default_rng([k, m, d])
        for emission, name, x in (("poisson", "rates", counts(d)), ("bernoulli", "probs", bits(d))):
            value = rng.uniform(0.2, 0.8, (k, m, d))
            model = quietly(HMM(k, emission, n_mix=m, fixed={name: value}, max_iter=1, **ONE).fit, x)
            np.testing.assert_allclose(getattr(model, f"{name}_"), value)
    value = np.random.default_rng(0).dirichlet(np.ones(3), size=(k, m))
    model = quietly(HMM(k, "categorical", n_mix=m, fixed={"probs": value}, max_iter=1, **ONE).fit, symbols())
    np.testing.assert_allclose(model.probs_, value)
