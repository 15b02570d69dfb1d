"""Parts of a mixture of Gaussians, and regression by them: exact numbers, quadrature, what users do."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import emkit
from emkit import DataError, GaussianMixture, GaussianMixtureRegressor, ParameterError

DATA = Path(__file__).parents[1] / "support" / "data"
TYPES = ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical", "VEV", "VEI"]


@pytest.fixture(scope="module")
def exact():
    return json.loads((DATA / "conditional.json").read_text())


@pytest.fixture(scope="module")
def known(exact):
    found = GaussianMixture(2)
    found.weights_, found.means_, found.covariances_ = exact["weights"], exact["means"], exact["covariances"]
    return found


def rows(n=200, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + 3 * rng.integers(2, size=n)[:, None]


@pytest.fixture(scope="module", params=TYPES)
def fitted(request):
    return GaussianMixture(2, covariance_type=request.param, random_state=0, n_init=2).fit(rows())


@pytest.fixture(scope="module")
def corner():
    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.uniform(-3, 3, (400, 2)), columns=["a", "b"])
    return x, pd.Series(np.abs(x["a"]) + rng.normal(0, 0.1, 400), name="height")


@pytest.fixture(scope="module")
def regressor(corner):
    return GaussianMixtureRegressor(2, random_state=0).fit(*corner)


def test_the_conditional_has_the_exact_numbers(known, exact):
    left = known.conditional({0: 1.514, 2: 2.024})
    np.testing.assert_allclose(left.weights_, exact["component_weights"], rtol=1e-10)
    np.testing.assert_allclose(left.means_.ravel(), exact["component_means"], rtol=1e-10)
    np.testing.assert_allclose(left.covariances_.ravel(), exact["component_variances"], rtol=1e-10)
    np.testing.assert_allclose(np.exp(left.score_samples([[0.0]])), exact["density_at_0"], rtol=1e-10)
    np.testing.assert_allclose(known.marginal([0, 2]).score_samples([[1.514, 2.024]]), exact["log_density_of_given"], rtol=1e-10)


def test_the_regressor_has_the_exact_numbers(exact):
    model = GaussianMixtureRegressor(2).fit(rows(), None)
    model.weights_, model.means_, model.covariances_ = exact["weights"], exact["means"], exact["covariances"]
    filled, std = model.complete([[1.514, np.nan, 2.024]], return_std=True)
    np.testing.assert_allclose([filled[0, 1], std[0, 1] ** 2], [exact["mean"], exact["variance"]], rtol=1e-10)


def test_quantiles_have_the_exact_numbers(exact):
    order = [0, 2, 1]
    model = GaussianMixtureRegressor(2, order_by=None).fit(rows()[:, :2], rows()[:, 2])
    model.weights_, model.means_ = exact["weights"], np.array(exact["means"])[:, order]
    model.covariances_ = np.array(exact["covariances"])[:, order][:, :, order]
    found = model.predict_dist([[1.514, 2.024]])
    np.testing.assert_allclose(found.quantiles([0.05, 0.5, 0.95])[0], list(exact["quantiles"].values()), rtol=1e-9)
    np.testing.assert_allclose(found.cdf(found.quantiles(0.3)), 0.3, rtol=1e-12)


def test_joint_is_marginal_times_conditional(fitted):
    x = rows(5, seed=1)
    x[:, 1] = 0.3
    apart = fitted.conditional({1: 0.3}).score_samples(x[:, [0, 2]]) + fitted.marginal([1]).score_samples(x[:, [1]])
    np.testing.assert_allclose(apart, fitted.score_samples(x), rtol=1e-12)


def test_the_conditional_mean_is_quadrature(fitted):
    grid = np.linspace(-40, 40, 20001)
    x = np.full((len(grid), 3), 0.5)
    x[:, 1], x[:, 2] = grid, -1.0
    density = np.exp(fitted.score_samples(x))
    left = fitted.conditional({0: 0.5, 2: -1.0})
    mean = (density * grid).sum() / density.sum()
    np.testing.assert_allclose(left.weights_ @ left.means_.ravel(), mean, rtol=1e-8)
    np.testing.assert_allclose(fitted.impute(x[:1] * [1, np.nan, 1])[0, 1], mean, rtol=1e-8)


def test_a_marginal_is_the_integral_over_the_other_columns(fitted):
    grid = np.linspace(-40, 40, 20001)
    x = np.full((len(grid), 3), 0.5)
    x[:, 2] = grid
    total = np.exp(fitted.score_samples(x)).sum() * (grid[1] - grid[0])
    np.testing.assert_allclose(np.exp(fitted.marginal([1, 0]).score_samples([[0.5, 0.5]])), total, rtol=1e-8)


def test_what_components_share_stays_shared(fitted):
    kinds = {"VEV": "full", "VEI": "diag"}
    assert fitted.marginal([2]).covariance_type == kinds.get(fitted.covariance_type, fitted.covariance_type)
    assert fitted.conditional({0: 1.0}).covariance_type == kinds.get(fitted.covariance_type, fitted.covariance_type)


def test_parts_keep_names_and_can_be_saved(tmp_path):
    frame = pd.DataFrame(rows(), columns=["a", "b", "c"])
    left = GaussianMixture(2, random_state=0).fit(frame).conditional({"b": 1.0})
    assert list(left.feature_names_in_) == ["a", "c"]
    left.save(tmp_path / "left.safetensors")
    np.testing.assert_array_equal(
        emkit.load(tmp_path / "left.safetensors").score_samples(frame[["a", "c"]]), left.score_samples(frame[["a", "c"]])
    )
    assert left.sample(3)[0].shape == (3, 2)
    for given in ([np.nan, 1.0, np.nan], pd.Series({"c": np.nan, "b": 1.0})):
        np.testing.assert_array_equal(left.means_, GaussianMixture(2, random_state=0).fit(frame).conditional(given).means_)


def test_parts_that_cannot_be_are_refused(known):
    for given, error, words in [
        ({"a": 1.0}, ParameterError, "no column 'a'"), ({}, ParameterError, "no column is given"), ({3: 1.0}, ParameterError, "3"),
        ({0: 1.0, 1: 1.0, 2: 1.0}, ParameterError, "no column is left"), ({0: np.nan}, DataError, "column 0"),
        ({0: "x"}, DataError, "'x'"), ([1.0], ParameterError, "shape"),
    ]:  # fmt: skip
        with pytest.raises(error, match=words):
            known.conditional(given)
    named = GaussianMixture(1, random_state=0).fit(pd.DataFrame(rows(), columns=["a", "b", "c"]))
    with pytest.raises(ParameterError, match="twice"):
        named.conditional({"a": 1.0, 0: 2.0})
    for columns in ([], [0, 0], [7], ["a"], True):
        with pytest.raises(ParameterError):
            known.marginal(columns)
    with pytest.raises(ParameterError, match="noise"):
        GaussianMixture(1, noise=True, random_state=0).fit(rows()).marginal([0])


# --- the regressor ----------------------------------------------------------------------------------------------------


def test_a_corner_is_two_lines(regressor, corner):
    x, y = corner
    assert regressor.score(x, y) > 0.98
    low, high = regressor.predict_interval(x, 0.9)
    assert 0.85 < ((low <= y) & (y <= high)).mean() < 0.95
    mean, std = regressor.predict(x, return_std=True)
    np.testing.assert_allclose(mean, regressor.predict_dist(x).mean, rtol=1e-12)
    np.testing.assert_allclose(std, regressor.predict_dist(x).std, rtol=1e-9)
    assert list(regressor.feature_names_in_) == ["a", "b"] and regressor.columns_.names == ("a", "b", "height")


def test_rows_with_other_holes_are_as_one_by_one(regressor, corner):
    x = corner[0].to_numpy().copy()[:40]
    x[np.random.default_rng(0).random(x.shape) < 0.4] = np.nan
    frame = pd.DataFrame(x, columns=["a", "b"])
    mean, std = regressor.predict(frame, return_std=True)
    for i in range(40):
        one, sd = regressor.predict(frame.iloc[[i]], return_std=True)
        np.testing.assert_allclose([mean[i], std[i]], [one[0], sd[0]], rtol=1e-12)
    blank = regressor.predict(pd.DataFrame({"a": [np.nan], "b": [np.nan]}))
    np.testing.assert_allclose(blank, regressor.weights_ @ regressor.means_[:, 2], rtol=1e-12)


def test_any_column_given_any_others(regressor, corner):
    x, y = corner
    table = x.assign(height=y).iloc[:5].copy()
    table.loc[0, ["a", "height"]], table.loc[1, "height"] = [np.nan, 2.0], np.nan
    filled, std = regressor.complete(table, return_std=True)
    np.testing.assert_allclose(filled[1, 2], regressor.predict(x.iloc[[1]])[0], rtol=1e-12)
    assert std[0, 0] > 1.0 and (std[2:] == 0).all()  # two answers for a
    np.testing.assert_array_equal(filled[2:], table.to_numpy()[2:])
    np.testing.assert_allclose(filled, regressor.mixture_.impute(table).to_numpy(), rtol=1e-12)


def test_several_targets_and_their_covariance():
    x = rows(300, 2)
    y = np.column_stack([x.sum(axis=1), x[:, 0]]) + 0.3 * np.random.default_rng(0).normal(size=(300, 2)) @ [[1, 1], [0, 1]]
    model = GaussianMixtureRegressor(2, random_state=0).fit(x, y)
    mean, covariance = model.predict(x[:2]), model.predict_covariance(x[:2])
    drawn = model.sample(x[:2], 20000)
    np.testing.assert_allclose(drawn.mean(axis=1), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(drawn[0].T), covariance[0], atol=0.01)
    np.testing.assert_allclose(model.predict_dist(x[:2], 1).mean, mean[:, 1], rtol=1e-12)
    assert model.predict_interval(x[:2])[0].shape == (2, 2) and set(model.table(x[:2])) >= {"x2_mean", "x3_high"}
    apart = model.predict_dist(x[:2], 0).log_density(y[:2, 0])
    with_first = GaussianMixture(2)
    with_first.weights_, with_first.means_, with_first.covariances_ = model.weights_, model.means_, model.covariances_
    second = [with_first.conditional([*x[i], y[i, 0], np.nan]).score_samples(y[i : i + 1, 1:])[0] for i in range(2)]
    np.testing.assert_allclose(model.log_density(x[:2], y[:2]), apart + second, rtol=1e-10)
    with pytest.raises(ParameterError, match="2 targets"):
        model.predict_dist(x)
    with pytest.raises(DataError, match="2 targets"):
        model.log_density(x, y[:, 0])


def test_without_targets_any_column_has_a_distribution(regressor, corner):
    table = corner[0].assign(height=corner[1])
    model = GaussianMixtureRegressor(2, random_state=0).fit(table)
    for target in ("height", 2):
        found = model.predict_dist(table, target)
        np.testing.assert_allclose(found.mean, regressor.predict(corner[0]), rtol=1e-10)
    density = found.log_density(corner[1])
    np.testing.assert_allclose(density, regressor.log_density(*corner), rtol=1e-9, atol=1e-9)
    with pytest.raises(ParameterError, match=r"3 columns.*say which"):
        model.predict_dist(table)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"])
def test_missing_inputs_are_integrated_out(corner, kind):
    x, y = corner[0].to_numpy(), corner[1].to_numpy()
    model = GaussianMixtureRegressor(2, covariance_type=kind, random_state=0, n_init=2).fit(x, y)
    grid = np.linspace(-40, 40, 8001)
    rows = np.column_stack([np.full(len(grid), 0.7), grid])
    weights = np.exp(model.mixture_.marginal([0, 1]).score_samples(rows))
    weights /= weights.sum()
    mean, std = model.predict(rows, return_std=True)
    expected = weights @ mean
    found, spread = model.predict([[0.7, np.nan]], return_std=True)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(spread**2, weights @ (std**2 + (mean - expected) ** 2), rtol=1e-9)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "tied-diag", "spherical", "tied-spherical"])
def test_units_of_columns_do_not_matter(corner, kind):
    """The spherical types have one variance for all columns, so there the units of all change together."""
    x, y = corner[0].to_numpy(), corner[1].to_numpy()
    inputs, target = (1e6, 1e6) if "spherical" in kind else ([1e6, 1e-6], 1e3)
    plain = GaussianMixtureRegressor(2, covariance_type=kind, random_state=0, n_init=2).fit(x, y)
    scaled = GaussianMixtureRegressor(2, covariance_type=kind, random_state=0, n_init=2).fit(x * inputs, y * target)
    for part, expected in zip(scaled.predict(x * inputs, return_std=True), plain.predict(x, return_std=True), strict=True):
        np.testing.assert_allclose(part / target, expected, rtol=1e-9)


def test_weight_two_is_the_row_twice(corner):
    x, y = corner[0].to_numpy()[:80], corner[1].to_numpy()[:80]
    start = {"means": [[-1.5, 0, 1.5], [1.5, 0, 1.5]], "weights": [0.5, 0.5], "covariances": 1.0}
    how = {"random_state": 0, "n_init": 1, "tol": 1e-9, "init": start}
    weighted = GaussianMixtureRegressor(2, **how).fit(x, y, np.r_[np.full(40, 2), np.ones(40)])
    twice = GaussianMixtureRegressor(2, **how).fit(np.r_[x, x[:40]], np.r_[y, y[:40]])
    np.testing.assert_allclose(weighted.predict(x), twice.predict(x), rtol=1e-9)
    plain = GaussianMixtureRegressor(2, **how).fit(x, y)
    assert np.abs(weighted.predict(x) - plain.predict(x)).max() > 1e-4


def test_threads_change_no_bit(corner):
    fits = [GaussianMixtureRegressor(2, random_state=0, n_jobs=n).fit(*corner).predict(corner[0]) for n in (1, 2)]
    np.testing.assert_array_equal(*fits)


def test_the_number_of_components_is_found_by_bic(corner):
    found = GaussianMixtureRegressor(random_state=0, n_init=4).fit(*corner)
    others = [GaussianMixtureRegressor(k, random_state=0, n_init=4).fit(*corner).bic() for k in (1, 2)]
    assert found.n_components_ >= 2 and found.bic() <= min(others) + 0.1


def test_saved_is_loaded_with_the_same_bits(regressor, corner, tmp_path):
    regressor.save(tmp_path / "m.safetensors")
    again = emkit.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(corner[0]), regressor.predict(corner[0]))
    assert list(again.feature_names_in_) == ["a", "b"] and again.n_features_in_ == 2
    assert "target: height" in again.summary()


def test_bad_input_is_refused(regressor, corner):
    x, y = corner
    with pytest.raises(DataError, match="row 3"):
        GaussianMixtureRegressor(2).fit(x, y.where(np.arange(400) != 3))
    with pytest.raises(ParameterError, match="complete"):
        GaussianMixtureRegressor(1).fit(x).predict(x)
    with pytest.raises(ParameterError, match="level"):
        regressor.predict_interval(x, 90)
    with pytest.raises(DataError, match="the target: column 'y' is constant") as caught:
        GaussianMixtureRegressor(1).fit(x, np.ones(400))
    assert caught.value.column == "y"
    with pytest.raises(DataError, match=r"^column 1 is constant"):
        GaussianMixtureRegressor(1).fit(x.to_numpy() * [1, 0], y)
    with pytest.warns(UserWarning, match="feature names"), pytest.raises(DataError, match="features"):
        regressor.predict(x.to_numpy()[:, :1])
    for y_of, words in ([[1, 2], [3]] * 200, "different lengths"), (pd.DataFrame(index=range(400)), "no column"):
        with pytest.raises(DataError, match=words):
            GaussianMixtureRegressor(1).fit(x, y_of)
    with pytest.raises(ParameterError, match="below 1"):
        regressor.predict_dist(x, 3)
    with pytest.raises(ParameterError, match="below 1"):
        GaussianMixtureRegressor(1).fit(x.to_numpy(), y).predict_dist(x.to_numpy(), "height")
    with pytest.raises(ParameterError, match="no column 'z'"):
        regressor.predict_dist(x, "z")


@parametrize_with_checks([GaussianMixtureRegressor(2, covariance_type="tied", n_init=24, tol=1e-9), GaussianMixtureRegressor(1)])
def test_estimator_check(estimator, check):
    check(estimator)
