"""RBFRegressor: accuracy and intervals on known functions, odd data, and what bad input gets."""

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from emkit import DataError, MixtureOfExpertsRegressor, ParameterError, RBFRegressor, TimeLimit


def friedman(seed, n=400):
    rng = np.random.default_rng(1000 + seed)
    x = rng.uniform(size=(n + 1000, 10))
    f = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    y = f + rng.normal(size=len(f))
    return x[:n], y[:n], x[n:], y[n:], f[n:]


def wave(seed, n=100):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 1))
    return x, np.sin(4 * np.pi * x[:, 0]) + 0.3 * rng.normal(size=n)


@pytest.fixture(scope="module")
def fitted():
    data = friedman(0)
    return RBFRegressor(random_state=0).fit(data[0], data[1]), data


@parametrize_with_checks([RBFRegressor(5, units="plain", random_state=0)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_friedmans_function(fitted):
    model, (_, _, new, seen, true) = fitted
    assert r2_score(true, model.predict(new)) > 0.99
    low, high = model.predict_interval(new, 0.9)
    assert 0.85 < np.mean((seen > low) & (seen < high)) < 0.95
    assert model.relevance_[:5].sum() > 0.99 and model.relevance_[3] > 10 * model.relevance_[5:].max()
    assert_allclose(model.relevance_.sum(), 1.0)


def test_noise_that_differs_from_place_to_place():
    held = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x = rng.uniform(0, 1, (1200, 1))
        noise = 0.05 + 0.5 * x[:, 0] ** 2
        y = np.sin(4 * np.pi * x[:, 0]) + noise * rng.normal(size=len(x))
        model = RBFRegressor(random_state=0).fit(x[:200], y[:200])
        low, high = model.predict_interval(x[200:], 0.9)
        held.append(np.mean((y[200:] > low) & (y[200:] < high)))
        std = model.predict([[0.05], [0.95]], return_std=True)[1]
        assert 3 < std[1] / std[0] < 16  # the noise is 0.051 here and 0.5 there
    assert 0.86 < np.mean(held) < 0.94


def test_attributes_say_what_predict_does(fitted):
    model, (_, _, new, _, _) = fitted
    assert model.units_ == "normalised" and model.centers_.shape == (model.n_units_, 10)
    phi = np.exp(-0.5 * (((new[:, None] - model.centers_[None]) / model.widths_) ** 2).sum(axis=2))
    phi /= phi.sum(axis=1, keepdims=True)
    assert_allclose(model.intercept_ + phi @ model.weights_ + new @ model.linear_, model.predict(new), rtol=1e-6)
    assert model.log_evidence_ > max(one["log_evidence"] for one in model.candidates_) - 1e-6
    assert len(model.candidates_) == 8 and f"{model.n_units_} normalised units" in model.summary()
    assert np.all(model.noise_std_ > 0.5) and np.all(model.noise_std_ < 2)


def test_the_same_bits_again_and_in_any_order_of_rows(fitted):
    model, (x, y, new, _, _) = fitted
    order = np.random.default_rng(3).permutation(len(x))
    again = RBFRegressor(random_state=0, n_units=model.n_units_).fit(x[order], y[order])
    first = RBFRegressor(random_state=0, n_units=model.n_units_).fit(x, y)
    assert np.array_equal(again.predict(new), first.predict(new))


def test_several_outputs_share_units():
    x, y = wave(0)
    both = RBFRegressor(random_state=0).fit(x, np.column_stack([y, 3 * y + 1]))
    mean, std = both.predict(x, return_std=True)
    assert mean.shape == std.shape == (100, 2)
    assert_allclose(mean[:, 1], 3 * mean[:, 0] + 1, rtol=1e-8)
    assert_allclose(std[:, 1], 3 * std[:, 0], rtol=1e-6)
    assert both.weights_.shape == (both.n_units_, 2) and both.intercept_.shape == (2,)


def test_settings_are_what_they_say():
    x, y = wave(0)
    assert RBFRegressor(7, units="plain", random_state=0).fit(x, y).n_units_ == 7
    given = np.linspace(0, 1, 9)[:, None]
    assert_allclose(RBFRegressor(centers=given, random_state=0).fit(x, y).centers_, given, atol=1e-6)
    own = RBFRegressor(10, widths="units", units="normalised", random_state=0).fit(x, y)
    assert own.widths_.shape == (10, 1) and np.ptp(own.widths_) > 0
    constant = RBFRegressor(10, noise="constant", random_state=0).fit(x, y)
    assert np.ptp(constant.noise_std_) == 0
    for centers in ("input", "joint"):
        assert r2_score(np.sin(4 * np.pi * x[:, 0]), RBFRegressor(centers=centers, random_state=0).fit(x, y).predict(x)) > 0.9
    many = RBFRegressor(60, random_state=0).fit(x, y)
    assert "60 units are more than a quarter" in many.summary()


def test_odd_data_are_no_trouble():
    x, y = wave(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flat = RBFRegressor(random_state=0).fit(x, np.full(100, 4.0))
        mean, std = flat.predict([[0.3]], return_std=True)
        assert mean == 4.0 and std == 0.0 and "a constant target" in flat.summary()
        assert "nan" not in flat.summary() and "inf" not in flat.summary()
        few = RBFRegressor(random_state=0).fit(x[:6], 2 * x[:6, 0] + 1)
        assert few.units_ == "linear" and "fewer than 8 rows" in few.summary()
        assert_allclose(few.predict([[0.5]]), 2.0, atol=0.02)
        odd = RBFRegressor(random_state=0).fit(np.column_stack([x, np.ones(100), x]), y)
        assert_allclose(odd.relevance_, [1, 0, 0])
        assert list(np.isinf(odd.widths_)) == [False, True, True]
        assert_allclose(odd.predict(np.column_stack([x, np.ones(100), x])), RBFRegressor(random_state=0).fit(x, y).predict(x))
        assert RBFRegressor().fit(np.ones((20, 2)), y[:20]).units_ == "linear"


def test_frames_are_read_by_name():
    x, y = friedman(1)[:2]
    frame = pd.DataFrame(x, columns=list("abcdefghij"))
    model = RBFRegressor(10, units="plain", random_state=0).fit(frame, y)
    assert list(model.feature_names_in_) == list("abcdefghij")
    assert_allclose(model.predict(frame[list("jihgfedcba")]), model.predict(frame))
    with pytest.raises(DataError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


def test_a_time_limit_keeps_the_best_so_far():
    x, y = friedman(2)[:2]
    model = RBFRegressor(random_state=0, monitors=[TimeLimit(0.0)]).fit(x, y)
    assert len(model.candidates_) == 1 and np.isfinite(model.predict(x)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_units": 0}, "n_units"),
        ({"n_units": "many"}, "n_units"),
        ({"units": "round"}, "units"),
        ({"widths": "rows"}, "widths"),
        ({"noise": "loud"}, "noise"),
        ({"centers": "target"}, "centers"),
        ({"centers": [[1.0, 2.0]]}, "centers"),
        ({"centers": [[0.5]], "n_units": 3}, "there are 1 centers"),
    ],
)
def test_wrong_settings_are_named(change, message):
    x, y = wave(0)
    with pytest.raises(ParameterError, match=message):
        RBFRegressor(**change).fit(x, y)


def test_bad_cells_are_named():
    x, y = wave(0)
    for bad in (np.nan, np.inf):
        wrong = y.copy()
        wrong[17] = bad
        with pytest.raises(DataError, match=r"target y is .* in row 17"):
            RBFRegressor().fit(x, wrong)
    with pytest.raises(DataError, match=r"target y is missing .* in row 4"):  # what a mask hides is no target
        RBFRegressor().fit(x, np.ma.masked_array(y, np.arange(len(y)) == 4))
    hole = pd.DataFrame({"a": x[:, 0], "b": x[:, 0]})
    hole.loc[5, "b"] = np.nan
    with pytest.raises(DataError, match="'b' row 5 is missing"):  # where nothing was missing in the fit
        RBFRegressor(4, random_state=0).fit(hole.fillna(0.0), y).predict(hole)
    with pytest.raises(DataError, match="one row for each of X"):
        RBFRegressor().fit(x, y[:50])
    with pytest.raises(ParameterError, match="level"):
        RBFRegressor(4, random_state=0).fit(x, y).predict_interval(x, 1.0)


@pytest.mark.parametrize(("n", "d"), [(3, 1), (5, 3), (8, 1), (10, 3), (60, 20)])
def test_intervals_of_few_rows_hold_too(n, d):
    held = []
    for seed in range(8):
        rng = np.random.default_rng([seed, n])
        x, new = rng.normal(size=(n, d)), rng.normal(size=(300, d))
        y, seen = (0.5 * rows[:, 0] + rng.normal(size=len(rows)) for rows in (x, new))
        low, high = RBFRegressor(n_units=4, units="plain", random_state=0).fit(x, y).predict_interval(new, 0.9)
        held.append(((low <= seen) & (seen <= high)).mean())
    assert np.mean(held) > 0.75


def test_two_rows_do_not_make_a_line_sure():
    _, std = RBFRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).predict([[5.0]], return_std=True)
    assert std[0] > 0.4


def test_experts_with_one_noise_hold():
    rng = np.random.default_rng(0)
    x, new = rng.uniform(-2, 2, (400, 2)), rng.uniform(-2, 2, (2000, 2))
    y, seen = (np.sin(2 * r[:, 0]) + 0.3 * r[:, 1] ** 2 + 0.2 * rng.normal(size=len(r)) for r in (x, new))
    low, high = RBFRegressor(10, readout="em", noise="constant", random_state=0).fit(x, y).predict_interval(new)
    assert 0.84 < ((low <= seen) & (seen <= high)).mean() < 0.96


@pytest.mark.parametrize("kind", [RBFRegressor, MixtureOfExpertsRegressor])
def test_targets_that_are_no_column_of_numbers_are_refused(kind):
    x, _ = wave(0)
    ragged = [[1.0, 2.0]] * (len(x) - 1) + [[1.0]]
    for target, words in ((ragged, "no array"), (pd.date_range("2020", periods=len(x)), "dates"), (np.empty((len(x), 0)), "shape")):
        with pytest.raises(DataError, match=words):
            kind().fit(x, target)


def test_texts_and_complex_targets_are_refused():
    x, y = wave(0)
    frame = pd.DataFrame({"a": x[:, 0], "colour": np.where(x[:, 0] > 0, "red", "blue")})
    with pytest.raises(DataError, match="'colour' holds texts"):
        RBFRegressor().fit(frame, y)
    with pytest.raises(DataError, match="complex"):
        RBFRegressor().fit(x, y * 1j)
