"""VariationalCategoricalHMM and VariationalGaussianHMM as estimators: what they fit, show, keep, predict and refuse."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from small_models import LENGTHS, ONE, quietly, reals, sequence_log_likelihood, state, symbols

from emkit import CollapseError, DataError, ParameterError, VariationalCategoricalHMM, VariationalGaussianHMM, load
from emkit.estimators.hmmlearn_monitor import ConvergenceMonitor

KINDS = ("full", "tied", "diag", "spherical")
MAKE = {
    **{kind: (lambda kind=kind, **how: VariationalGaussianHMM(2, kind, **{**ONE, **how}), reals) for kind in KINDS},
    "symbols": (lambda **how: VariationalCategoricalHMM(2, **{**ONE, **how}), symbols),
}
POSTERIORS = {
    **{kind: ["startprob", "transmat", "means", "beta", "dof", "scale"] for kind in KINDS},
    "symbols": ["startprob", "transmat", "emissionprob"],
}
FORMS = {"full": (2, 2, 2), "tied": (2, 2), "diag": (2, 2), "spherical": (2,)}


def fitted(name, **how):
    make, data = MAKE[name]
    x = data()
    return quietly(make(**how).fit, x, LENGTHS), x


def posteriors(name, model):
    return {f"{part}_posterior_": np.array(getattr(model, f"{part}_posterior_")) for part in POSTERIORS[name]}


# --- attributes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_of_gaussians(kind):
    model, x = fitted(kind)
    shapes = {"startprob": (2,), "transmat": (2, 2), "means": (2, 2), "beta": (2,), "scale": FORMS[kind]}
    shapes["dof"] = () if kind == "tied" else (2,)
    for part, shape in shapes.items():
        assert np.shape(getattr(model, f"{part}_posterior_")) == np.shape(getattr(model, f"{part}_prior_")) == shape, part
    dof = np.reshape(model.dof_posterior_, np.shape(model.dof_posterior_) + (1,) * (model.scale_posterior_.ndim - (kind != "tied")))
    np.testing.assert_allclose(model.covariances_, model.scale_posterior_ / dof)
    np.testing.assert_array_equal(model.means_, model.means_posterior_)
    assert model.covars_.shape == (2, 2, 2)
    np.testing.assert_allclose(model.transmat_, model.transmat_posterior_ / model.transmat_posterior_.sum(axis=1, keepdims=True))
    assert model.startprob_.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(model.startprob_posterior_.sum(), 1.0 + len(LENGTHS))
    np.testing.assert_allclose(np.sum(model.beta_posterior_), 2.0 + len(x))


def test_attributes_of_symbols():
    model, x = fitted("symbols")
    assert model.emissionprob_.shape == model.emissionprob_prior_.shape == (2, 3)
    np.testing.assert_allclose(model.emissionprob_.sum(axis=1), 1.0)
    np.testing.assert_allclose(model.emissionprob_posterior_.sum(), 2.0 + len(x))
    np.testing.assert_allclose(model.emissionprob_prior_, 1.0 / 3.0)


def test_default_priors_follow_the_units_of_the_columns():
    """hmmlearn's scale is 0.001 in whatever units the data come."""
    x, units = reals(), np.array([1e-4, 1e3])
    plain, other = (VariationalGaussianHMM(2, random_state=0).fit(data, LENGTHS) for data in (x, x * units))
    one, two = (np.sort(means, axis=0) for means in (other.means_, plain.means_))  # which of two equal starts wins is rounding's
    np.testing.assert_allclose(one, two * units, rtol=1e-5)
    np.testing.assert_allclose(other.scale_prior_, plain.scale_prior_ * np.outer(units, units), rtol=1e-9)
    assert other.lower_bound_ == pytest.approx(plain.lower_bound_ - len(x) * np.log(units).sum(), abs=1e-4)


@pytest.mark.parametrize("name", MAKE)
def test_points_cannot_be_set_since_they_follow_from_posteriors(name):
    model, _ = fitted(name)
    with pytest.raises(AttributeError, match="transmat_"):
        model.transmat_ = np.eye(2)


@pytest.mark.parametrize("name", MAKE)
def test_posteriors_set_by_hand_are_a_model(name):
    model, x = fitted(name)
    twin = MAKE[name][0]()
    for attribute, value in posteriors(name, model).items():
        with pytest.raises(NotFittedError):
            twin.score(x)
        setattr(twin, attribute, value)
    assert twin.score(x, LENGTHS) == pytest.approx(model.score(x, LENGTHS), rel=1e-12)
    np.testing.assert_allclose(twin.predict_proba(x, LENGTHS), model.predict_proba(x, LENGTHS), atol=1e-9)
    np.testing.assert_array_equal(twin.predict(x, LENGTHS), model.predict(x, LENGTHS))
    twin.transmat_posterior_ = [[1.0, 3.0], [2.0, 2.0]]
    np.testing.assert_allclose(twin.transmat_, [[0.25, 0.75], [0.5, 0.5]])


@pytest.mark.parametrize("name", MAKE)
def test_nothing_is_known_before_the_fit(name):
    model = MAKE[name][0]()
    for attribute in ("startprob_", "transmat_", "startprob_prior_", "startprob_posterior_", "lower_bound_"):
        assert not hasattr(model, attribute)
    with pytest.raises(NotFittedError):
        model.predict(MAKE[name][1]())


@pytest.mark.parametrize("name", MAKE)
def test_a_prior_set_as_an_attribute_is_the_setting(name):
    model, x = fitted(name)
    model.transmat_prior_ = [[5.0, 1.0], [1.0, 5.0]]
    np.testing.assert_array_equal(model.transmat_prior_, [[5.0, 1.0], [1.0, 5.0]])
    quietly(model.fit, x, LENGTHS)
    np.testing.assert_array_equal(model.transmat_prior_, [[5.0, 1.0], [1.0, 5.0]])
    twin, _ = fitted(name, transmat_prior=[[5.0, 1.0], [1.0, 5.0]])
    np.testing.assert_array_equal(twin.transmat_posterior_, model.transmat_posterior_)


# --- fitting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKE)
def test_the_monitor_follows_the_lower_bound(name):
    model, _ = fitted(name)
    history = np.array(model.monitor_.history)
    assert (np.diff(history) >= -1e-9 * np.abs(history[1:])).all()
    assert history[-1] == pytest.approx(model.lower_bound_)
    assert model.monitor_.converged and model.monitor_.iter == model.n_iter_


def test_a_monitor_of_ones_own_ends_the_fit():
    class Three(ConvergenceMonitor):
        @property
        def converged(self):
            return self.iter == 3

    model = MAKE["full"][0]()
    model.monitor_ = Three(0.0, 100)
    quietly(model.fit, reals(gap=1.0))
    assert len(model.monitor_.history) == 3


@pytest.mark.parametrize("name", MAKE)
def test_a_sparse_prior_empties_states_that_are_not_needed(name):
    """Six states for data of two: the others keep their priors. They start alike, so that none has rows of its own to keep."""
    rng, long = np.random.default_rng(1), np.repeat(np.arange(40) % 2, 10)
    x = rng.normal(4.0 * long[:, None], size=(400, 2))
    if name == "symbols":
        x = np.where(rng.random(400) < 0.8, 3 * long, rng.integers(4, size=400))[:, None]
    kind = {} if name == "symbols" else {"covariance_type": name, "scale_prior": 1.0}
    face = VariationalCategoricalHMM if name == "symbols" else VariationalGaussianHMM
    settings = {"startprob_prior": 1e-3, "transmat_prior": 1e-3, "init_params": "random", "random_state": 0, "n_init": 4}
    model = quietly(face(6, **settings, **kind).fit, x)
    counted = model.transmat_posterior_.sum(axis=1) - 6e-3
    assert (counted > 1.0).sum() == 2
    assert np.sort(counted)[:4] == pytest.approx(0.0, abs=0.05)
    np.testing.assert_array_equal(np.unique(model.predict(x)), np.flatnonzero(counted > 1.0))


def test_more_states_than_needed_lower_the_bound():
    x = reals()
    bounds = [VariationalGaussianHMM(k, random_state=0, n_init=4).fit(x).lower_bound_ for k in (1, 2, 3, 4)]
    assert np.argmax(bounds) == 1


def test_zeros_of_priors_are_structural():
    x = reals(gap=8.0)[:24]
    left_right = VariationalGaussianHMM(3, "diag", startprob_prior=[1.0, 0.0, 0.0], transmat_prior=np.triu(np.ones((3, 3))), **ONE)
    quietly(left_right.fit, x)
    np.testing.assert_array_equal(left_right.transmat_[np.tril_indices(3, -1)], 0.0)
    np.testing.assert_array_equal(left_right.startprob_, [1.0, 0.0, 0.0])
    assert (np.diff(left_right.predict(x)) >= 0).all()
    emissions = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    never = quietly(VariationalCategoricalHMM(2, emissionprob_prior=emissions, **ONE).fit, symbols())
    assert never.emissionprob_[0, 2] == 0.0 < never.emissionprob_[1, 2]
    assert (never.predict(symbols())[symbols()[:, 0] == 2] == 1).all()


@pytest.mark.parametrize("name", MAKE)
def test_fixed_posteriors_stay(name):
    held = [[30.0, 10.0], [5.0, 15.0]]
    model, x = fitted(name, fixed={"transmat_posterior": held})
    np.testing.assert_array_equal(model.transmat_posterior_, held)
    quietly(model.set_params(params="t", fixed=None, init_params="").fit, x)
    assert (model.transmat_posterior_ != held).all()


@pytest.mark.parametrize("name", MAKE)
def test_a_weight_of_two_is_the_sequence_twice(name):
    make, data = MAKE[name]
    x = data()
    start = posteriors(name, fitted(name, n_iter=2, tol=0.0)[0])
    priors = {f"{part}_prior": getattr(fitted(name)[0], f"{part}_prior_") for part in POSTERIORS[name]}
    bounds = []
    for rows, how in (
        (x, {"lengths": LENGTHS, "sample_weight": [2.0, 1.0]}),
        (x[[*range(24), *range(40)]], {"lengths": [24, 24, 16]}),
    ):
        model = make(n_iter=3, tol=0.0, init_params="", **priors)
        for attribute, value in start.items():
            setattr(model, attribute, value)
        bounds.append(list(quietly(model.fit, rows, **how).monitor_.history))
    np.testing.assert_allclose(bounds[0], bounds[1], rtol=1e-12)


def test_missing_cells_and_steps():
    x = reals()
    x[3, 0] = x[10] = np.nan
    for kind in KINDS:
        model = quietly(VariationalGaussianHMM(2, kind, **ONE).fit, x, LENGTHS)
        assert np.isfinite(model.lower_bound_) and np.isfinite(model.score(x, LENGTHS))
        assert np.sum(model.beta_posterior_) == pytest.approx(2.0 + len(x) - 1)  # a step without cells is no row
    y = symbols().astype(float)
    y[5] = np.nan
    model = quietly(VariationalCategoricalHMM(2, **ONE).fit, y)
    assert model.emissionprob_posterior_.sum() == pytest.approx(2.0 + len(y) - 1)


def test_known_states():
    known = np.where(np.arange(40) % 5 == 0, 1 - state(), -1)
    model = quietly(VariationalGaussianHMM(2, **ONE).fit, reals(), states=known)
    np.testing.assert_array_equal(model.predict(reals()), 1 - state())


# --- using --------------------------------------------------------------------------------------------------------------


def test_predictions_are_those_of_the_point_estimates():
    model, x = fitted("symbols")
    log_b = np.log(model.emissionprob_[:, x[:, 0]].T)
    first, second = log_b[:24], log_b[24:]
    expected = sum(sequence_log_likelihood(model.startprob_, model.transmat_, part) for part in (first, second))
    assert model.score(x, LENGTHS) == pytest.approx(expected, rel=1e-10)
    value, probabilities = model.score_samples(x, LENGTHS)
    assert value == pytest.approx(expected, rel=1e-10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", MAKE)
def test_everything_after_the_fit(name):
    model, x = fitted(name)
    np.testing.assert_array_equal(np.unique(model.predict(x, LENGTHS)), [0, 1])
    assert model.decode(x, LENGTHS)[0] <= model.score(x, LENGTHS)
    rows, states = model.sample(50)
    assert rows.shape == (50, x.shape[1]) and rows.dtype == x.dtype and set(states) <= {0, 1}
    again, _ = model.sample(50)
    np.testing.assert_array_equal(rows, again)
    assert model.filter(x, LENGTHS).shape == (40, 2)
    assert model.forecast(x[:24], 3).states.shape == (3, 2)
    assert model.forecast_table(x[:24], 3)[1]["p0"].shape == (3,)
    assert set(model.table(x, LENGTHS)) == {"state", "p0", "p1"}
    assert (model.simulate([5, 7])[2] == [5, 7]).all() and model.sample_paths(x, LENGTHS, 2).shape == (2, 40)
    assert model.occupancy(x, LENGTHS).sum() == pytest.approx(40.0) and model.expected_time().shape == (2,)
    assert model.sequence_scores(x, LENGTHS).sum() == pytest.approx(model.score(x, LENGTHS))
    assert model.k_best(x[:24], 2)[0].shape == (2, 24)
    assert model.get_stationary_distribution().sum() == pytest.approx(1.0)
    assert model.stream().update(x[0]).sum() == pytest.approx(1.0)
    assert "lower bound of the log evidence" in model.summary() and "Dirichlet of transmat" in model.summary()
    assert model.criteria() == {"lower_bound": model.lower_bound_}


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_criteria_of_maximum_likelihood_are_refused(name, criterion):
    with pytest.raises(ParameterError, match="lower_bound_"):
        getattr(fitted(name)[0], criterion)()


@pytest.mark.parametrize("name", MAKE)
def test_saved_is_loaded(name, tmp_path):
    model, x = fitted(name)
    model.save(tmp_path / "model.safetensors")
    for twin in (load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model)
        assert twin.lower_bound_ == model.lower_bound_
        np.testing.assert_array_equal(twin.predict_proba(x, LENGTHS), model.predict_proba(x, LENGTHS))
        for attribute in (*posteriors(name, model), "transmat_prior_"):
            np.testing.assert_array_equal(getattr(twin, attribute), getattr(model, attribute))


@pytest.mark.parametrize("name", MAKE)
def test_clones_have_the_settings_and_no_fit(name):
    model, x = fitted(name, transmat_prior=0.3)
    twin = clone(model)
    assert repr(twin.get_params()) == repr(model.get_params())
    assert not hasattr(twin, "transmat_")
    np.testing.assert_array_equal(quietly(twin.fit, x, LENGTHS).transmat_posterior_, model.transmat_posterior_)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_in_float32_out(kind):
    narrow = quietly(VariationalGaussianHMM(2, kind, **ONE).fit, reals(dtype=np.float32))
    wide = quietly(VariationalGaussianHMM(2, kind, **ONE).fit, reals())
    names = ["startprob_", "transmat_", "means_", "covars_", "covariances_", *posteriors(kind, wide)]
    for name in names:
        assert np.asarray(getattr(narrow, name)).dtype == np.float32, name
        np.testing.assert_allclose(getattr(narrow, name), getattr(wide, name), rtol=1e-2, atol=1e-2)
    assert narrow.predict_proba(reals(dtype=np.float32)).dtype == np.float32


def test_starts_are_numbered_by_the_order_that_one_asks_for():
    model = VariationalGaussianHMM(2, order_by="auto", means_prior=[[6.0, 6.0], [0.0, 0.0]], random_state=0).fit(reals())
    assert model.means_[0, 0] < model.means_[1, 0]
    twin = VariationalGaussianHMM(2, means_prior=[[6.0, 6.0], [0.0, 0.0]], random_state=0).fit(reals())
    assert twin.lower_bound_ == pytest.approx(model.lower_bound_)


# --- what is refused ----------------------------------------------------------------------------------------------------

GAUSSIAN = {
    "a covariance that has no posterior here": ({"covariance_type": "tied-diag"}, "covariance_type"),
    "no states": ({"n_components": 0}, "n_components"),
    "a negative concentration": ({"startprob_prior": -1.0}, "startprob_prior"),
    "concentrations that are all zero": ({"transmat_prior": [[0.0, 0.0], [1.0, 1.0]]}, "transmat_prior"),
    "too many concentrations": ({"transmat_prior": np.ones((3, 2))}, "transmat_prior"),
    "concentrations as text": ({"transmat_prior": "many"}, "transmat_prior"),
    "NaN": ({"startprob_prior": [np.nan, 1.0]}, "startprob_prior"),
    "means of another number of columns": ({"means_prior": np.zeros((2, 3))}, "means_prior"),
    "no weight of a mean": ({"beta_prior": 0.0}, "beta_prior"),
    "too few degrees of freedom": ({"dof_prior": 1.0}, "dof_prior"),
    "a scale that is not positive definite": ({"scale_prior": [[[1.0, 2.0], [2.0, 1.0]]] * 2}, "scale_prior"),
    "a scale of another shape": ({"scale_prior": np.ones(3)}, "scale_prior"),
    "a part of a distribution held": ({"fixed": {"transmat_posterior": [[1.0, np.nan], [1.0, 2.0]]}}, "transmat_posterior"),
    "a part of a mean held": ({"fixed": {"means_posterior": [[1.0, np.nan], [1.0, 2.0]]}}, "means_posterior"),
    "a scale held alone": ({"fixed": {"scale_posterior": np.array([np.eye(2)] * 2)}}, "scale_posterior"),
    "zeros where the prior has none": ({"fixed": {"transmat_posterior": [[1.0, 0.0], [1.0, 2.0]]}}, "transmat_posterior"),
    "an unknown parameter": ({"fixed": {"means": np.zeros((2, 2))}}, "means"),
    "an unknown letter": ({"params": "stx"}, "params"),
}


@pytest.mark.parametrize("case", GAUSSIAN)
def test_settings_refused(case):
    settings, name = GAUSSIAN[case]
    with pytest.raises(ParameterError, match=name):
        VariationalGaussianHMM(**{"n_components": 2, **ONE, **settings}).fit(reals())


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"emissionprob_prior": -1.0}, "emissionprob_prior"), ({"emissionprob_prior": np.ones((2, 2))}, "emissionprob_prior"),
     ({"n_features": 0}, "n_categories"), ({"emissionprob_prior": [[0.0] * 3, [1.0] * 3]}, "emissionprob_prior")],
)  # fmt: skip
def test_settings_of_symbols_refused(settings, name):
    with pytest.raises(ParameterError, match=name):
        VariationalCategoricalHMM(2, **ONE, **settings).fit(symbols())


def test_data_refused():
    with pytest.raises(DataError, match=r"constant.*drop the column, or give scale_prior$"):
        VariationalGaussianHMM(2, **ONE).fit(np.column_stack([reals()[:, 0], np.ones(40)]))
    quietly(VariationalGaussianHMM(2, "diag", scale_prior=1.0, **ONE).fit, np.column_stack([reals()[:, 0], np.ones(40)]))
    with pytest.raises(DataError, match="category"):
        VariationalCategoricalHMM(2, **ONE).fit(symbols() + 0.5)
    with pytest.raises(DataError, match="n_categories"):
        VariationalCategoricalHMM(2, n_features=2, **ONE).fit(symbols())
    with pytest.raises(DataError, match="n_states"):
        VariationalGaussianHMM(3, **ONE).fit(reals()[:2])


@pytest.mark.parametrize("name", MAKE)
def test_values_set_by_hand_are_checked_when_they_are_used(name):
    model, x = fitted(name)
    model.transmat_posterior_ = [[1.0, -1.0], [1.0, 1.0]]
    with pytest.raises(ParameterError, match="transmat_posterior_"):
        model.score(x)
    model.transmat_posterior_ = np.ones((3, 3))
    with pytest.raises(ParameterError, match="transmat_posterior_"):
        model.predict(x)
    if name != "symbols":
        model, x = fitted(name)
        model.dof_posterior_ = np.full_like(model.dof_posterior_, 0.5 if name in ("full", "tied") else -1.0)
        with pytest.raises(ParameterError, match="dof_posterior_"):
            model.score(x)


@pytest.mark.parametrize("name", MAKE)
def test_a_refused_fit_leaves_the_earlier_one(name):
    model, x = fitted(name)
    before = posteriors(name, model)
    with pytest.raises(ParameterError):
        model.set_params(transmat_prior=-1.0).fit(x)
    model.set_params(transmat_prior=None)
    for attribute, value in before.items():
        np.testing.assert_array_equal(getattr(model, attribute), value)


def test_outliers_beyond_the_last_digit_are_named():
    """Beside 1e12 rows of size 1 leave nothing in a matrix of float64; without correlations they do."""
    x = reals()
    x[5] = 1e12
    with pytest.raises(CollapseError, match="scale_prior"):
        VariationalGaussianHMM(2, "full", **ONE).fit(x)
    assert np.isfinite(quietly(VariationalGaussianHMM(2, "diag", **ONE).fit, x).lower_bound_)


def test_a_family_without_a_posterior():
    from emkit import Poisson, VariationalHMM

    with pytest.raises(ParameterError, match="variational family"):
        VariationalHMM(Poisson(), 2)
