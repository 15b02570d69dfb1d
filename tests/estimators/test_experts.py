"""Mixtures of experts: published numbers, missing inputs, predictive distributions, odd data, and what bad input gets."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

import emkit
from emkit import (
    DataError,
    GaussianMixture,
    MixtureOfExpertsClassifier,
    MixtureOfExpertsRegressor,
    Monitor,
    NormalInverseWishart,
    ParameterError,
)
from emkit.core.result import StopReason
from support.datasets import FOLDER

REFERENCE = json.loads((FOLDER / "experts.json").read_text())
SHAPES = ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"]


def expected_failures(estimator):
    found = {}
    if isinstance(estimator, MixtureOfExpertsRegressor):
        found["check_regressors_no_decision_function"] = "predict_proba gives the probabilities of the experts"
    if estimator.n_experts > 1:
        shuffled = "check_sample_weight_equivalence_on_dense_data"
        found[shuffled] = "rows are shuffled, and starts are drawn from them: another optimum of 15 rows"
    return found


@parametrize_with_checks(
    [
        MixtureOfExpertsRegressor(1), MixtureOfExpertsRegressor(2, n_init=1, random_state=0),
        MixtureOfExpertsClassifier(1), MixtureOfExpertsClassifier(3, expert="constant", n_init=1, random_state=0),
    ],
    expected_failed_checks=expected_failures,
)  # fmt: skip
def test_scikit_learn_contract(estimator, check):
    check(estimator)


# --- at known parameters ---------------------------------------------------------------------------------------------


def constant_experts():
    given = REFERENCE["constant_experts"]
    model = MixtureOfExpertsRegressor(3, expert="constant", covariance_type="diag")
    model.weights_, model.gate_means_, model.gate_covariances_ = given["weights"], given["centres"], given["variances"]
    model.expert_intercepts_, model.expert_coefficients_ = given["heights"], np.zeros((3, 0))
    model.expert_variances_ = given["noise_variances"]
    return model, given


def test_constant_experts_are_a_normalised_rbf_network():
    model, given = constant_experts()
    x = np.array(given["x"])
    phi = np.exp(-0.5 * (((x[:, None] - model.gate_means_) ** 2) / model.gate_covariances_).sum(axis=2))
    phi *= model.weights_ / np.sqrt(model.gate_covariances_.prod(axis=1))
    network = phi @ np.array(given["heights"]) / phi.sum(axis=1)
    assert_allclose(model.predict(x), network, rtol=1e-12)
    found = model.predict_dist(x)
    assert_allclose(found.mean, given["mean"], atol=1e-10)
    assert_allclose(found.std, given["std"], atol=1e-10)
    x[:, 1] = np.nan
    assert_allclose(model.predict(x), given["mean_when_x1_is_missing"], atol=1e-10)


def test_linear_experts_with_a_missing_input():
    given = REFERENCE["linear_experts_x1_missing"]
    model, sds, lines = MixtureOfExpertsRegressor(2, covariance_type="full"), np.array(given["sds"]), given["coefficients_1_x0_x1"]
    correlation = np.array([[[1.0, r], [r, 1.0]] for r in given["correlation"]])
    model.weights_, model.gate_means_ = given["weights"], given["centres"]
    model.gate_covariances_ = correlation * sds[:, :, None] * sds[:, None, :]
    model.expert_intercepts_, model.expert_coefficients_ = np.array(lines)[:, 0], np.array(lines)[:, 1:]
    model.expert_variances_ = given["noise_variances"]
    x = np.column_stack([given["x0"], np.full(3, np.nan)])
    found = model.predict_dist(x)
    assert_allclose(found.mean, given["mean"], atol=1e-10)
    assert_allclose(found.variance, given["variance"], atol=1e-10)
    assert_allclose(model.gate(x), given["gates"], atol=1e-10)
    assert_allclose(model.predict_proba(x), given["gates"], atol=1e-10)


def test_the_predictive_distribution_is_one():
    model, given = constant_experts()
    found = model.predict_dist(given["x"])
    grid = np.tile(np.linspace(-9, 9, 4001), (4, 1))
    density = found.density(grid)
    step = grid[0, 1] - grid[0, 0]
    assert_allclose(density.sum(axis=1) * step, 1.0, rtol=1e-9)
    assert_allclose((density * grid).sum(axis=1) * step, found.mean, rtol=1e-9)
    assert_allclose((density * grid**2).sum(axis=1) * step - found.mean**2, found.variance, rtol=1e-8)
    q = found.quantiles([0.05, 0.5, 0.95])
    assert_allclose(found.cdf(q), np.tile([0.05, 0.5, 0.95], (4, 1)), rtol=1e-12)
    assert_allclose(found.quantiles(0.5), q[:, 1])
    assert_allclose(found.log_density(0.3), np.log(found.density(np.full(4, 0.3))))
    low, high = model.predict_interval(given["x"], 0.9)
    assert_allclose([low, high], q[:, [0, 2]].T)
    drawn = found.sample(20_000, random_state=0)
    assert_allclose(drawn.mean(axis=1), found.mean, atol=0.02)
    assert_allclose(drawn.std(axis=1), found.std, atol=0.02)
    for bad in (0.0, 1.0, True, "much"):
        with pytest.raises(ParameterError, match="level"):
            model.predict_interval(given["x"], bad)
    with pytest.raises(ParameterError, match="probabilities between 0 and 1"):
        found.quantiles([0.5, 1.5])


# --- fits ------------------------------------------------------------------------------------------------------------


def bent(seed=0, n=300, holes=0.0):
    """The target is |x0| + x1; x1 depends on x0, so that it can be guessed where it is missing."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (n, 2))
    x[:, 1] = 0.8 * x[:, 0] + 0.5 * rng.normal(size=n)
    y = np.abs(x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=n)
    whole = x.copy()
    x[rng.random((n, 2)) < holes] = np.nan
    return x, y, whole


def test_a_bent_line_is_found_also_where_inputs_are_missing():
    x, y, _ = bent()
    model = MixtureOfExpertsRegressor(2, random_state=0).fit(x, y)
    assert_allclose(model.expert_coefficients_, [[-1, 1], [1, 1]], atol=0.05)
    assert_allclose(model.expert_variances_, 0.01, atol=0.003)
    holed, seen, _ = bent(1, 600, holes=0.25)
    some = MixtureOfExpertsRegressor(2, covariance_type="full", random_state=0).fit(holed, seen)
    assert_allclose(some.expert_coefficients_, [[-1, 1], [1, 1]], atol=0.1)
    new, target, whole = bent(2, 1000, holes=0.25)
    filled = np.where(np.isnan(new), np.nanmean(new, axis=0), new)
    assert r2_score(target, some.predict(new)) > r2_score(target, some.predict(filled)) + 0.05
    assert r2_score(target, some.predict(whole)) > 0.99
    low, high = some.predict_interval(new, 0.9)
    assert 0.86 < np.mean((target > low) & (target < high)) < 0.94


def test_several_answers_at_one_input():
    rng = np.random.default_rng(0)
    x, up = rng.normal(size=(400, 1)), rng.random(400) < 0.5
    y = np.where(up, 2.0, -2.0) + x[:, 0] + 0.1 * rng.normal(size=400)
    model = MixtureOfExpertsRegressor(2, random_state=0).fit(x, y)
    found = model.predict_dist([[0.0]])
    assert found.density(0.0)[0] < 1e-6 < 0.5 < min(found.density(2.0)[0], found.density(-2.0)[0])
    assert_allclose(model.responsibilities([[0.0], [0.0]], [2.0, -2.0]).max(axis=1), 1.0, atol=1e-6)
    assert model.gate([[0.0]]).max() < 0.6
    auto = MixtureOfExpertsRegressor(random_state=0).fit(x, y)
    assert auto.n_experts_ == 2
    assert auto.bic() < MixtureOfExpertsRegressor(1).fit(x, y).bic()


def three_regions(seed=0, n=500):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-3, 3, (n, 2))
    kind = np.where(np.abs(x[:, 0]) > 1.5, np.where(x[:, 1] > 0, "up", "down"), "inside")
    return x, kind


@pytest.mark.parametrize("expert", ["linear", "constant"])
def test_classes_that_no_single_logit_tells_apart(expert):
    x, kind = three_regions()
    new, true = three_regions(1)
    k = 2 if expert == "linear" else 6
    model = MixtureOfExpertsClassifier(k, expert=expert, covariance_type="diag", random_state=0).fit(x, kind)
    single = MixtureOfExpertsClassifier(1).fit(x, kind)
    assert model.score(new, true) > single.score(new, true) + 0.15
    p = model.predict_proba(new)
    assert_allclose(p.sum(axis=1), 1.0)
    assert list(model.classes_) == ["down", "inside", "up"]
    assert np.array_equal(model.predict(new), model.classes_[p.argmax(axis=1)])
    assert_allclose(np.exp(model.predict_log_proba(new)), p)
    new[:, 1] = np.nan  # above or below is not known any more
    p = model.predict_proba(new[np.abs(new[:, 0]) > 2.5])
    assert np.all(p[:, 1] < 0.35) and np.all(np.abs(p[:, 0] - p[:, 2]) < 0.35)


def test_one_logit_expert_is_ridge_logistic_regression():
    """With one expert the gate says nothing: the maximum of the penalised likelihood, by another's optimiser."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(3)
    x = rng.normal(size=(80, 2)) * [1, 50]
    y = (x @ [1.0, 0.02] + rng.logistic(size=80) > 0).astype(int)
    model = MixtureOfExpertsClassifier(1, class_prior=0.0, tol=1e-10).fit(x, y)
    z = (x - x.mean(axis=0)) / x.std(axis=0)

    def loss(b):
        eta = b[0] + z @ b[1:]
        return np.logaddexp(0, eta).sum() - eta[y == 1].sum() + 0.25 * (b[1:] ** 2).sum() / 2

    best = minimize(loss, np.zeros(3), tol=1e-12).x
    assert_allclose(model.expert_coefficients_[0, 0] * x.std(axis=0), best[1:], rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_objective_never_falls(shape):
    """Random data, a third of the inputs missing; 50 iterations without a stop rule."""
    for seed in range(4):
        rng = np.random.default_rng([seed, len(shape)])
        n, d, k = int(rng.integers(15, 80)), int(rng.integers(1, 4)), int(rng.integers(1, 4))
        x = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 5
        y = np.sin(x[:, 0]) + 0.3 * rng.normal(size=n)
        x[1:][rng.random((n - 1, d)) < 0.3] = np.nan
        settings = {"covariance_type": shape, "n_init": 1, "tol": 0, "max_iter": 50, "algorithm": "em", "random_state": seed}
        settings["expert"] = ["linear", "constant"][seed % 2]
        fits = [MixtureOfExpertsRegressor(k, **settings).fit(x, y)]
        fits.append(MixtureOfExpertsClassifier(min(k, 2), **settings).fit(x, y > np.median(y)))
        for fit in fits:
            trace = np.array(fit.result_.trace)
            assert np.diff(trace, prepend=trace[0]).min() > -1e-9 * np.abs(trace).max()
            assert fit.result_.reason is not StopReason.DECREASED


@pytest.mark.parametrize("estimator", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
def test_a_weight_of_two_is_the_row_twice(estimator):
    x, y, _ = bent(4, 60, holes=0.2)
    y = y if estimator is MixtureOfExpertsRegressor else y > 1
    weights = np.random.default_rng(0).integers(1, 4, 60)
    start = {"random_state": 0, "n_init": 1, "tol": 1e-9}
    a = estimator(2, **start).fit(x, y, sample_weight=weights)
    twice = np.repeat(np.arange(60), weights)
    b = estimator(2, init=a.parameters(), tol=1e-9).fit(x[twice], y[twice])
    assert a.result_.log_likelihood == pytest.approx(b.result_.log_likelihood, abs=1e-6)
    assert_allclose(a.predict_proba(x), b.predict_proba(x), atol=1e-4)


@pytest.mark.parametrize("estimator", [MixtureOfExpertsRegressor, MixtureOfExpertsClassifier])
@pytest.mark.parametrize("shape", ["full", "tied-diag"])
def test_units_of_columns_do_not_matter(estimator, shape):
    x, y, _ = bent(5, 200, holes=0.1)
    y = y if estimator is MixtureOfExpertsRegressor else y > 1
    by = np.array([1e-6, 1e6])
    settings = {"covariance_type": shape, "random_state": 0, "n_init": 1, "tol": 0, "max_iter": 30}
    a, b = estimator(2, **settings).fit(x, y), estimator(2, **settings).fit(x * by, y)
    found, scaled = (a.predict(x), b.predict(x * by)) if y.dtype == float else (a.predict_proba(x), b.predict_proba(x * by))
    assert_allclose(found, scaled, atol=1e-9 * np.abs(found).max())


def test_the_same_bits_for_any_number_of_threads():
    x, y, _ = bent(6, 20_000, holes=0.1)
    one, two = (MixtureOfExpertsRegressor(2, n_init=1, max_iter=5, tol=0, random_state=0, n_jobs=n).fit(x, y) for n in (1, 3))
    assert np.array_equal(one.predict(x), two.predict(x))


# --- files, tables, interruptions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [[0, 1], ["no", "yes"], [False, True], [-1.0, 1.0], [3, 7, 11]])
def test_a_classifier_is_saved_and_loaded(tmp_path, classes):
    x, y, _ = bent(7, 120, holes=0.1)
    labels = np.array(classes)[np.digitize(y, np.quantile(y, np.arange(1, len(classes)) / len(classes)))]
    model = MixtureOfExpertsClassifier(2, n_init=1, random_state=0).fit(x, labels)
    model.save(tmp_path / "model.safetensors")
    again = emkit.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert np.array_equal(again.predict(x), model.predict(x)) and again.classes_.dtype == labels.dtype
    assert again.summary() == model.summary()


def test_a_regressor_is_saved_and_loaded(tmp_path):
    x, y, _ = bent(8, 120, holes=0.1)
    table = pd.DataFrame(x, columns=["a", "y"]).assign(same=3.0)
    model = MixtureOfExpertsRegressor(2, n_init=1, random_state=0).fit(table, pd.Series(y, name="y"))
    model.save(tmp_path / "model.safetensors")
    again = emkit.load(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict(table), model.predict(table))
    assert list(again.feature_names_in_) == ["a", "y", "same"] and again.n_features_in_ == 3
    assert again.columns_.names == ("a", "y", "same", "y_") and "left out: same" in again.summary()
    with pytest.raises(DataError, match="feature names should match"):
        again.predict(table[["y", "a", "same"]])


def test_tables_of_other_kinds():
    x, y, _ = bent(9, 80)
    model = MixtureOfExpertsRegressor(2, n_init=1, random_state=0).fit(pd.DataFrame(x, columns=["a", "b"]), y)
    columns = {"a": x[:, 0], "b": x[:, 1]}
    for table, target in (
        (pl.DataFrame(columns), pl.Series("t", y)),
        (pa.table(columns), pa.chunked_array([y])),
        (pa.table(columns), pa.table({"t": y})),
        (pd.DataFrame(columns), pd.DataFrame({"t": y})),
    ):
        again = MixtureOfExpertsRegressor(2, n_init=1, random_state=0).fit(table, target)
        assert_allclose(again.predict(table), model.predict(pd.DataFrame(columns)), rtol=1e-12)


class _Stop(Monitor):
    def step(self, step):
        if step.iteration == 3:
            raise KeyboardInterrupt


def test_an_interrupted_fit_keeps_the_best_so_far():
    x, y, _ = bent(10, 200)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = MixtureOfExpertsRegressor(3, tol=0, max_iter=50, n_init=1, random_state=0, monitors=[_Stop()]).fit(x, y)
    assert model.result_.reason is StopReason.INTERRUPTED and np.isfinite(model.predict(x)).all()


def test_values_can_be_held():
    x, y, _ = bent(11, 200)
    held = {"expert_coefficients": [[-1.0, np.nan], [np.nan, np.nan]], "expert_variances": [0.01, 0.01]}
    model = MixtureOfExpertsRegressor(2, fixed=held, random_state=0).fit(x, y)
    assert model.expert_coefficients_[0, 0] == -1.0 and np.all(model.expert_variances_ == 0.01)
    assert "  fixed: expert_coefficients, expert_variances" in model.summary()


# --- odd data and bad input ------------------------------------------------------------------------------------------


def test_odd_data_are_no_trouble():
    x, y, _ = bent(12, 60)
    with pytest.warns(UserWarning, match="the target has one value"):
        flat = MixtureOfExpertsRegressor(3, random_state=0).fit(x, np.full(60, 4.0))
    found = flat.predict_dist(x)
    assert np.all(found.mean == 4.0) and np.all(found.std == 0.0) and "the target has one value" in flat.summary()
    assert np.all(found.quantiles(0.3) == 4.0) and np.all(found.cdf(3.9) == 0.0) and np.allclose(found.cdf(4.0), 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        odd = MixtureOfExpertsRegressor(2, n_init=1, random_state=0).fit(np.column_stack([x, np.ones(60), x[:, 0]]), y)
        far = odd.predict(np.array([[1e6, -1e6, 1.0, 1e6], [1e200, 0.0, 1.0, 0.0]]))
    assert np.isfinite(far).all() and np.isfinite(odd.predict(np.full((1, 4), np.nan))).all()


@pytest.mark.parametrize("shape", ["full", "tied-diag", "spherical"])
def test_inputs_of_one_value_each_leave_weights_alone(shape):
    """A mixture of what the target is, whatever the inputs of new rows are."""
    _, y, _ = bent(12, 60)
    x = np.tile([7.0, -1e8], (60, 1))
    model = MixtureOfExpertsRegressor(2, covariance_type=shape, random_state=0).fit(x, y)
    alone = GaussianMixture(2, random_state=0).fit(y[:, None])
    assert model.result_.log_likelihood == pytest.approx(alone.result_.log_likelihood, abs=1e-3)
    assert model.result_.n_free == alone.result_.n_free and model.expert_coefficients_.shape == (2, 0)
    np.testing.assert_allclose(model.gate([[7.0, -1e8], [0.0, 0.0], [np.nan, 1e300]]), np.tile(model.weights_, (3, 1)), rtol=1e-12)
    assert "inputs have one value each, which tells nothing: x0, x1" in model.summary()
    classifier = MixtureOfExpertsClassifier(2, covariance_type=shape, random_state=0).fit(x, y > 1)
    np.testing.assert_allclose(classifier.predict_proba(x[:1])[0, 1], np.mean(y > 1), atol=0.01)
    with pytest.raises(DataError, match="every input has one value"):
        MixtureOfExpertsRegressor(2, fixed={"expert_variances": [1.0, 1.0]}).fit(x, y)


def test_separate_classes_have_finite_logits_and_probabilities():
    x = np.concatenate([np.linspace(-3, -1, 30), np.linspace(1, 3, 30)])[:, None]
    for expert in ("linear", "constant"):
        model = MixtureOfExpertsClassifier(2, expert=expert, random_state=0).fit(x, x[:, 0] > 0)
        assert np.isfinite(model.expert_intercepts_).all() and np.isfinite(model.expert_coefficients_).all()
        p = model.predict_proba(x)
        assert np.all(p > 0) and model.score(x, x[:, 0] > 0) == 1.0


def test_bad_input_is_named():
    x, y, _ = bent(13, 40)
    with pytest.raises(ParameterError, match="the target has one class, 'a'"):
        MixtureOfExpertsClassifier(1).fit(x, ["a"] * 40)
    with pytest.raises(ParameterError, match="one class where weights are above 0"):
        MixtureOfExpertsClassifier(1).fit(x, y > 1, sample_weight=(y > 1).astype(float))
    bad = y.copy()
    bad[7] = np.nan
    with pytest.raises(DataError, match=r"target y is missing \(NaN\) in row 7") as caught:
        MixtureOfExpertsRegressor(1).fit(x, bad)
    assert caught.value.row == 7
    bad[7] = np.inf
    with pytest.raises(DataError, match="infinity in row 7"):
        MixtureOfExpertsRegressor(1).fit(x, bad)
    with pytest.raises(DataError, match=r"missing \(NaN\) in row 1"):
        MixtureOfExpertsClassifier(1).fit(x[:3], ["a", None, "b"])
    with pytest.raises(DataError, match="inconsistent numbers of samples"):
        MixtureOfExpertsRegressor(1).fit(x, y[:-1])
    with pytest.raises(ParameterError, match="y is None"):
        MixtureOfExpertsRegressor(1).fit(x, None)
    with pytest.raises(DataError, match="n_experts=50 is more than the 40 row"):
        MixtureOfExpertsRegressor(50).fit(x, y)
    for wrong in ({"expert": "cubic"}, {"covariance_type": "round"}, {"prior": "strong"}, {"n_experts": 0}, {"ridge": -1}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            MixtureOfExpertsRegressor(**wrong).fit(x, y)
    with pytest.raises(DataError, match="column 1 has no observed value"):
        MixtureOfExpertsRegressor(1).fit(np.column_stack([x[:, 0], np.full(40, np.nan)]), y)
    model = MixtureOfExpertsClassifier(1).fit(x, y > 1)
    with pytest.raises(DataError, match="X has 1 features"):
        model.predict(x[:, :1])
    with pytest.raises(DataError, match="which was not there in the fit"):
        model.responsibilities(x[:2], ["no", "yes"])


def test_a_prior_of_the_gate():
    x, y, _ = bent(14, 100)
    wide = MixtureOfExpertsRegressor(2, prior=NormalInverseWishart(50.0, 400.0), n_init=1, random_state=0).fit(x, y)
    plain = MixtureOfExpertsRegressor(2, n_init=1, random_state=0).fit(x, y)
    assert np.all(wide.gate_covariances_ > plain.gate_covariances_)
    free = MixtureOfExpertsRegressor(2, prior=None, ridge=0, n_init=1, random_state=0).fit(x, y)
    assert free.result_.log_prior == 0.0 and "none (maximum likelihood)" in free.summary()
