"""A network as a whole: what it learns, what rows and units of measurement do to it, and bad input."""

import warnings

import numpy as np
import pytest

from emkit.models.rbf.network import fit_network, predict
from emkit.models.rbf.search import Wanted
from emkit.models.rbf.user_units import described


def data(n=120, d=2, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, size=(n, d))
    return x, np.sin(2 * x[:, 0]) + 0.3 * x[:, -1] + noise * rng.normal(size=n)


def fit(x, y, weights=None, **settings):
    own = {name: settings.pop(name) for name in ("readout", "noise", "inputs") if name in settings}
    return fit_network(x, y, weights, Wanted(seed=int(np.random.default_rng(1).integers(2**62)), **settings), **own)


def test_learns_a_wave_and_says_how_sure_it_is():
    x, y = data(200)
    fresh, answer = data(2000, seed=1)
    mean, std = predict(fit(x, y), fresh, return_std=True)
    assert np.mean((mean[:, 0] - answer) ** 2) < 0.015
    covered = np.mean(np.abs(answer - mean[:, 0]) < 1.645 * std[:, 0])
    assert 0.84 < covered < 0.95


@pytest.mark.parametrize("kind", ["plain", "normalised"])
def test_a_weight_of_two_is_the_row_twice_in_any_order(kind):
    x, y = data(60)
    weights = np.where(np.arange(60) % 3 == 0, 2.0, 1.0)
    order = np.random.default_rng(0).permutation(80)
    doubled = np.concatenate([np.arange(60), np.flatnonzero(weights == 2)])[order]
    one = predict(fit(x, y, weights, n_units=6, units=kind), x, return_std=True)
    other = predict(fit(x[doubled], y[doubled], n_units=6, units=kind), x, return_std=True)
    np.testing.assert_allclose(one[0], other[0], atol=1e-8)
    np.testing.assert_allclose(one[1], other[1], atol=1e-8)


def test_a_row_of_weight_zero_is_no_row():
    x, y = data(60)
    weights = np.where(np.arange(60) < 50, 1.0, 0.0)
    y[50:] = 1e3
    x[50:] *= 30
    one, other = fit(x, y, weights, n_units=5), fit(x[:50], y[:50], n_units=5)
    for a, b in zip(predict(one, x, return_std=True), predict(other, x, return_std=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)


@pytest.mark.parametrize("factors", [(1e-6, 1e6), (1e6, 1e-3), (3.7, 1 / 3)])
def test_units_of_measurement_change_no_prediction(factors):
    x, y = data(100)
    one = predict(fit(x, y), x, return_std=True)
    other = predict(fit(x * factors + 1.0, y), x * factors + 1.0, return_std=True)
    np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(one[1], other[1], rtol=0, atol=1e-9)


def test_units_of_measurement_and_order_of_rows_and_columns_change_nothing_after_a_long_search_either():
    """Ten columns, where a search makes rounding into another answer unless it sees the same bits."""
    rng = np.random.default_rng(3)
    x = rng.uniform(size=(150, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + rng.normal(size=150)
    one = predict(fit(x, y, n_units=30), x, return_std=True)
    order, columns = rng.permutation(150), rng.permutation(10)
    changed = x[:, columns] * 10.0 ** rng.uniform(-6, 6, 10)
    other = predict(fit(changed[order], y[order], n_units=30), changed, return_std=True)
    np.testing.assert_allclose(one[0], other[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(one[1], other[1], rtol=0, atol=1e-9)


def test_a_constant_target_is_predicted_without_doubt():
    x, _ = data(30)
    params = fit(x, np.full(30, 4.2))
    mean, std = predict(params, x * 5, return_std=True)
    np.testing.assert_array_equal(mean, np.full((30, 1), 4.2))
    np.testing.assert_array_equal(std, 0.0)
    assert "constant" in params.notes[0]


def test_one_constant_output_beside_one_that_varies():
    x, y = data(60)
    params = fit(x, np.column_stack([np.full(60, -1.0), y]), n_units=5)
    mean, std = predict(params, x, return_std=True)
    alone = predict(fit(x, y, n_units=5), x, return_std=True)
    np.testing.assert_array_equal(mean[:, 0], -1.0)
    np.testing.assert_array_equal(std[:, 0], 0.0)
    np.testing.assert_allclose(mean[:, 1], alone[0][:, 0], atol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
def test_fewer_than_eight_rows_get_a_linear_model(n):
    x, y = data(n)
    params = fit(x, y)
    mean, std = predict(params, x, return_std=True)
    assert params.units.count == 0 and params.notes
    assert np.isfinite(mean).all() and np.isfinite(std).all()


def test_constant_and_repeated_columns_play_no_part_and_raise_no_warnings():
    x, y = data(80)
    wide = np.column_stack([np.full(80, 7.7), x, 2 * x[:, 0] - 1, np.full(80, 1e300)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        params = fit(wide, y, n_units=6)
        mean = predict(params, wide)[0]
        all_constant = fit(wide[:, :1], y)
    np.testing.assert_allclose(mean, predict(fit(x, y, n_units=6), x)[0], atol=1e-9)
    np.testing.assert_array_equal(params.relevance[[0, 3, 4]], 0.0)
    np.testing.assert_allclose(params.relevance.sum(), 1.0)
    np.testing.assert_allclose(predict(all_constant, wide[:3, :1])[0], y.mean(), atol=1e-2)


def test_relevance_finds_the_column_that_matters():
    x, y = data(200, d=5)
    share = fit(x, y, n_units=25).relevance
    assert share[0] > 0.8 and share[-1] > 0.005 and share[1:4].sum() < 0.05


@pytest.mark.parametrize("kind", ["plain", "normalised"])
def test_far_away_the_std_grows(kind):
    x, y = data(150)
    params = fit(x, y, n_units=10, units=kind)
    far = np.array([[0.0, 0.0], [10 * x[:, 0].std(), 0.0], [0.0, -10 * x[:, 1].std()]])
    mean, std = predict(params, far, return_std=True)
    assert (std[1:] > 1.5 * std[0]).all() and np.isfinite(mean).all()


def test_far_away_plain_units_leave_the_linear_part():
    x, y = data(150)
    params = fit(x, y, n_units=25, units="plain")
    told, far = described(params), np.array([[40.0, 30.0]])
    np.testing.assert_allclose(predict(params, far)[0][0], told.intercept + far[0] @ told.linear, rtol=1e-9)


def test_description_in_the_users_units_gives_the_same_predictions():
    x, y = data(100)
    x = x * [100.0, 0.01] + 5
    params = fit(x, y, n_units=8, units="plain")
    told = described(params)
    phi = np.exp(-0.5 * (((x[:, None, :] - told.centers) / told.widths) ** 2).sum(2))
    np.testing.assert_allclose(told.intercept + phi @ told.weights + x @ told.linear, predict(params, x)[0], atol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": "units"}, {"centers": "input"}, {"centers": "joint"}, {"readout": "ridge"}, {"readout": "em"},
        {"noise": "constant"}, {"centers": np.array([[-1.0, 0], [0, 0], [1, 0], [1.5, 1], [-1.5, -1]])},
    ],
)  # fmt: skip
def test_every_setting_learns(settings):
    x, y = data(100)
    params = fit(x, y, **({} if "centers" in settings else {"n_units": 10}) | settings)
    mean, std = predict(params, x, return_std=True)
    assert 1 - np.mean((mean[:, 0] - y) ** 2) / y.var() > (0.3 if settings.get("readout") == "em" else 0.8)
    assert (std > 0).all()


def test_the_table_is_reported_and_a_stop_keeps_the_best():
    x, y = data(100)
    told = []
    params = fit(x, y, report=told.append, halted=lambda: len(told) >= 3)
    assert tuple(told) == params.table and len(told) == 3
    assert "stopped" in params.notes[-1]
    best = max(told, key=lambda line: line.log_evidence)
    assert params.units.count == best.n_units and params.log_evidence >= best.log_evidence - 1e-6


def test_more_rows_than_the_sample_are_all_read():
    x, y = data(9000)
    params = fit(x, y, n_units=6, units="plain")
    assert params.readout.rows == 9000
    again = fit(np.concatenate([x, x]), np.concatenate([y, y]), n_units=6, units="plain")
    np.testing.assert_allclose(predict(params, x[:50])[0], predict(again, x[:50])[0], atol=0.02)


def test_more_units_than_a_quarter_of_the_rows_are_allowed_and_said():
    x, y = data(20)
    params = fit(x, y, n_units=15)
    assert params.units.count == 15 and "quarter" in params.notes[0]


def test_the_same_rng_gives_the_same_bits():
    x, y = data(60)
    one, other = fit(x, y), fit(x, y)
    np.testing.assert_array_equal(one.readout.mean, other.readout.mean)
