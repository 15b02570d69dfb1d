"""Shapes and parts of hmmlearn 0.3.3's face, as its scripts use them before and after a fit."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from small_models import MODELS, ONE, fitted, gaussian_log_b, quietly, reals, sequence_log_likelihood

from emkit import GMMHMM, CategoricalHMM, GaussianHMM, MultinomialHMM, ParameterError, PoissonHMM

FACES = [GaussianHMM, GMMHMM, PoissonHMM, MultinomialHMM, CategoricalHMM]
NAMES = ["GaussianHMM diag", "GMMHMM diag", "PoissonHMM", "MultinomialHMM", "CategoricalHMM"]
START, MATRIX = np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.2, 0.8]])


def chain(model, **values):
    for name, value in {"startprob_": START, "transmat_": MATRIX, **values}.items():
        setattr(model, name, np.asarray(value))
    return model


# --- shapes of covariances ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_spherical_variances_as_a_column(d, shape):
    """hmmlearn takes (K,) and (K, 1), and gives matrices."""
    variances, means, x = np.array([0.5, 2.0]), np.array([[0.0] * d, [3.0] * d]), reals(d)[:9]
    model = chain(GaussianHMM(2, "spherical"), means_=means, covars_=variances.reshape(shape))
    matrices = variances[:, None, None] * np.eye(d)
    assert model.score(x) == pytest.approx(sequence_log_likelihood(START, MATRIX, gaussian_log_b(x, means, matrices)), rel=1e-9)
    np.testing.assert_allclose(model.covars_, matrices)
    rows, _ = model.sample(5)
    assert rows.shape == (5, d)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical", "tied"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_covars_of_a_fitted_chain_are_matrices(kind, d):
    model = quietly(GaussianHMM(2, kind, **ONE).fit, reals(d))
    assert model.covars_.shape == (2, d, d)
    assert np.linalg.eigvalsh(model.covars_).min() > 0


# --- mixtures of one part -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("diag", (2, 1, 3)), ("full", (2, 1, 3, 3)), ("spherical", (2, 1)), ("tied-diag", (3,)), ("tied-spherical", ())],
)
def test_a_mixture_of_one_part_has_hmmlearns_shapes(kind, shape):
    x = reals(3)
    model = GMMHMM(2, covariance_type=kind, **ONE).fit(x)
    assert model.means_.shape == (2, 1, 3) and model.covars_.shape == shape
    np.testing.assert_array_equal(model.weights_, np.ones((2, 1)))
    plain = GaussianHMM(2, kind, **ONE).fit(x)
    assert model.score(x) == pytest.approx(plain.score(x), rel=1e-6)
    np.testing.assert_allclose(np.sort(model.means_[:, 0], axis=0), np.sort(plain.means_, axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("m", [1, 2])
@pytest.mark.parametrize("kind", ["diag", "full", "spherical"])
def test_shapes_of_several_parts_follow_the_same_rule(m, kind):
    model = quietly(GMMHMM(2, m, covariance_type=kind, n_iter=3, **ONE).fit, reals(3))
    tail = {"diag": (3,), "full": (3, 3), "spherical": ()}[kind]
    assert model.weights_.shape == (2, m) and model.means_.shape == (2, m, 3) and model.covars_.shape == (2, m, *tail)


@pytest.mark.parametrize("kind", ["diag", "full", "spherical"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_mixture_of_one_part_set_by_hand(kind, d):
    variances = np.array([0.5, 2.0])
    matrices = variances[:, None, None] * np.eye(d)
    covars = {"diag": variances[:, None, None] * np.ones(d), "full": matrices[:, None], "spherical": variances[:, None]}[kind]
    means, x = np.array([[0.0] * d, [3.0] * d]), reals(d)[:9]
    model = chain(GMMHMM(2, covariance_type=kind), means_=means[:, None], covars_=covars, weights_=np.ones((2, 1)))
    assert model.score(x) == pytest.approx(sequence_log_likelihood(START, MATRIX, gaussian_log_b(x, means, matrices)), rel=1e-9)
    assert model.means_.shape == (2, 1, d) and model.covars_.shape == covars.shape
    assert model.sample(4)[0].shape == (4, d)


@pytest.mark.parametrize("m", [1, 2])
def test_hmmlearns_tied_shape(m):
    """hmmlearn has a matrix for each state, emkit one for all: equal matrices mean the same, others are refused."""
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    means, x = np.arange(4.0 * m).reshape(2, m, 2), reals(2)[:9]
    values = {"means_": means, "weights_": np.full((2, m), 1 / m)}
    one = chain(GMMHMM(2, m, covariance_type="tied"), covars_=matrix, **values).score(x)
    different = chain(GMMHMM(2, m, covariance_type="tied"), **values)
    with pytest.raises(ParameterError, match="covar"):
        score_with(different, [matrix, 2.0 * matrix], x)
    try:
        found = chain(GMMHMM(2, m, covariance_type="tied"), covars_=[matrix, matrix], **values).score(x)
    except ParameterError:
        return
    assert found == pytest.approx(one, rel=1e-12)


def score_with(model, covars, x):
    model.covars_ = np.asarray(covars)
    return model.score(x)


def test_starting_values_in_hmmlearns_shapes():
    """Set by hand, their letters left out of ``init_params``."""
    x = reals(2)
    means = np.array([[[0.0, 0.0]], [[6.0, 6.0]]])
    model = GMMHMM(2, init_params="st", n_iter=50, **ONE)
    model.means_, model.covars_, model.weights_ = means, np.ones((2, 1, 2)), np.ones((2, 1))
    model.fit(x)
    np.testing.assert_allclose(model.means_, means, atol=1.0)
    frozen = clone(model).set_params(params="st")
    frozen.means_, frozen.covars_, frozen.weights_ = means, np.ones((2, 1, 2)), np.ones((2, 1))
    frozen.fit(x)
    np.testing.assert_array_equal(frozen.means_, means)
    np.testing.assert_array_equal(frozen.covars_, np.ones((2, 1, 2)))


# --- the monitor --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", FACES)
def test_a_monitor_before_the_fit(face):
    monitor = face(2, n_iter=17, tol=0.25).monitor_
    assert (monitor.tol, monitor.n_iter, monitor.iter, list(monitor.history)) == (0.25, 17, 0, [])
    assert not monitor.converged


@pytest.mark.parametrize("name", NAMES)
def test_the_monitor_after_the_fit(name):
    model, _ = fitted(name)
    monitor = model.monitor_
    assert 1 <= monitor.iter <= model.n_iter and len(monitor.history) >= monitor.iter
    assert np.diff(monitor.history).min() > -1e-6


@pytest.mark.parametrize("face", FACES)
def test_a_monitor_does_not_make_a_model_fitted(face):
    model = face(2)
    assert model.monitor_.iter == 0
    with pytest.raises(NotFittedError):
        model.predict(np.array([[0], [1], [2]]))


class Patient:
    """hmmlearn's protocol for monitors: `report`, `converged`, and what they keep."""

    def __init__(self, tol, n_iter, verbose):
        self.tol, self.n_iter, self.verbose = tol, n_iter, verbose
        self.history, self.iter = [], 0

    def _reset(self):
        self.history, self.iter = [], 0

    def report(self, log_prob):
        self.history.append(log_prob)
        self.iter += 1

    @property
    def converged(self):
        return self.iter >= 3


@pytest.mark.parametrize("face", [GaussianHMM, GMMHMM])
def test_a_monitor_of_ones_own_ends_the_fit(face):
    """As hmmlearn's documentation does it: the attribute is set before the fit."""
    x = reals(2, gap=1.0)
    usual = quietly(face(2, tol=1e-6, **ONE).fit, x).monitor_
    assert usual.iter > 4
    model = face(2, tol=1e-6, **ONE)
    mine = Patient(model.monitor_.tol, model.monitor_.n_iter, False)
    model.monitor_ = mine
    quietly(model.fit, x)
    assert model.monitor_ is mine
    assert mine.iter == len(mine.history) == 3
    assert np.diff(mine.history).min() > -1e-3
    assert mine.history[-1] < max(usual.history)


def test_a_monitor_derived_from_the_usual_one():
    x = reals(2, gap=1.0)
    model = GaussianHMM(2, tol=1e-6, **ONE)

    class Early(type(model.monitor_)):
        @property
        def converged(self):
            return self.iter >= 3

    model.monitor_ = Early(model.monitor_.tol, model.monitor_.n_iter, model.monitor_.verbose)
    quietly(model.fit, x)
    assert isinstance(model.monitor_, Early) and model.monitor_.iter == 3 and model.monitor_.converged


def test_hmmlearns_own_monitor():
    base = pytest.importorskip("hmmlearn.base")
    model = GaussianHMM(2, tol=1e-6, **ONE)
    model.monitor_ = base.ConvergenceMonitor(tol=1e-6, n_iter=4, verbose=False)
    quietly(model.fit, reals(2, gap=1.0))
    assert model.monitor_.iter == 4 and model.monitor_.converged


# --- the rest of the face -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", FACES)
def test_the_stationary_distribution_needs_the_transition_matrix_only(face):
    model = face(2)
    with pytest.raises(NotFittedError):
        model.get_stationary_distribution()
    model.transmat_ = MATRIX
    np.testing.assert_allclose(model.get_stationary_distribution(), [2 / 3, 1 / 3], rtol=1e-9)
    model.transmat_ = [[0.5, 0.5], [0.25, 0.75]]
    np.testing.assert_allclose(model.get_stationary_distribution(), [1 / 3, 2 / 3], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_the_stationary_distribution_follows_the_attribute(name):
    model, _ = fitted(name)
    pi = model.get_stationary_distribution()
    np.testing.assert_allclose(pi @ model.transmat_, pi, atol=1e-9)
    model.transmat_ = MATRIX
    np.testing.assert_allclose(model.get_stationary_distribution(), [2 / 3, 1 / 3], rtol=1e-9)


@pytest.mark.parametrize("face", [GaussianHMM, GMMHMM, PoissonHMM, MultinomialHMM])
def test_the_number_of_features(face):
    """Columns; for CategoricalHMM it is a parameter, the number of symbols."""
    name = next(name for name in NAMES if name.startswith(face.__name__))
    assert getattr(face(2), "n_features", None) is None
    model, x = fitted(name)
    assert model.n_features == x.shape[1] == model.n_features_in_
    assert "n_features" not in model.get_params()


def test_the_number_of_features_of_a_model_set_by_hand():
    gaussian = chain(GaussianHMM(2), means_=np.zeros((2, 3)), covars_=np.ones((2, 3)))
    gaussian.score(reals(3))
    assert gaussian.n_features == 3
    poisson = chain(PoissonHMM(2), lambdas_=[[1.0], [2.0]])
    poisson.score([[1], [2]])
    assert poisson.n_features == 1


@pytest.mark.parametrize("name", NAMES[:4])
def test_the_number_of_features_may_be_set_by_hand(name):
    """Some scripts for hmmlearn do so before they sample."""
    x = MODELS[name][1]()
    model = quietly(MODELS[name][0]().fit, x)
    before = model.score(x)
    model.n_features = x.shape[1]
    assert model.score(x) == before


@pytest.mark.parametrize("name", NAMES)
def test_criteria_and_samples_of_models_set_by_hand(name):
    """Attributes of a fitted model, given to one that is not."""
    model, x = fitted(name)
    twin = clone(model)
    for attribute in (
        "startprob_",
        "transmat_",
        *{"P": ["lambdas_"], "C": ["emissionprob_"], "M": ["emissionprob_"]}.get(name[0], ["means_", "covars_"]),
    ):
        setattr(twin, attribute, getattr(model, attribute))
    if name.startswith("GMM"):
        twin.weights_ = model.weights_
    assert twin.score(x) == pytest.approx(model.score(x), rel=1e-12)
    np.testing.assert_array_equal(twin.predict(x), model.predict(x))
    assert twin.bic(x) - twin.aic(x) == pytest.approx((model.bic(x) - model.aic(x)), rel=1e-9)
    np.testing.assert_array_equal(twin.sample(6)[0], model.sample(6)[0])
