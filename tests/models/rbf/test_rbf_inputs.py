"""Inputs that are missing: their points against integrals, and what fits and predictions make of them."""

import numpy as np
import pytest
from scipy.stats import norm

from emkit import RBFRegressor
from emkit.models.rbf.features import Units, exponents, values
from emkit.models.rbf.inputs import POINTS, Inputs
from emkit.models.rbf.passes import piece_of
from emkit.models.rbf.scaling import Scaling

MIXTURE = Inputs(
    np.array([0.4, 0.6]), np.array([[0.0, 1.0], [2.0, -1.0]]), np.array([[[1.0, 0.6], [0.6, 1.0]], [[0.5, -0.2], [-0.2, 0.8]]])
)


def conditional(x0):
    """Weights, means and variances of the second column given the first."""
    c, m = MIXTURE.covariances, MIXTURE.means
    weights = MIXTURE.weights * norm.pdf(x0, m[:, 0], np.sqrt(c[:, 0, 0]))
    slope = c[:, 0, 1] / c[:, 0, 0]
    return weights / weights.sum(), m[:, 1] + slope * (x0 - m[:, 0]), c[:, 1, 1] - slope * c[:, 0, 1]


def test_holes_are_filled_with_conditional_means():
    weights, means, _ = conditional(0.7)
    filled = MIXTURE.fill(np.array([[0.7, np.nan], [0.3, 0.4], [np.nan, np.nan]]))
    np.testing.assert_allclose(filled[0], [0.7, weights @ means], rtol=1e-12)
    np.testing.assert_array_equal(filled[1], [0.3, 0.4])
    np.testing.assert_allclose(filled[2], MIXTURE.weights @ MIXTURE.means, rtol=1e-12)


def test_points_keep_what_is_observed_and_have_the_conditional_moments():
    points = MIXTURE.points(np.array([[0.7, np.nan]]))[0]
    assert points.shape == (POINTS, 2) and (points[:, 0] == 0.7).all()
    weights, means, variances = conditional(0.7)
    mean = weights @ means
    assert points[:, 1].mean() == pytest.approx(mean, abs=0.03)
    assert points[:, 1].var() == pytest.approx(weights @ (variances + (means - mean) ** 2), rel=0.1)


@pytest.mark.parametrize("normalised", [False, True])
def test_expected_features_are_integrals(normalised):
    units = Units(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]]), np.log([1.0, 2.0]), np.zeros(3), normalised)
    grid = np.linspace(-8, 8, 4001)
    weights, means, variances = conditional(0.7)
    density = (weights * norm.pdf(grid[:, None], means, np.sqrt(variances))).sum(axis=1) * (grid[1] - grid[0])
    phi = values(exponents(np.column_stack([np.full_like(grid, 0.7), grid]), units), normalised)
    w = np.array([[0.0], [1.0], [-2.0], [0.5], [0.3], [0.2]])
    piece = piece_of(np.array([[0.7, np.nan], [0.7, 0.2]]), Scaling(np.zeros(2), np.ones(2), np.arange(2)), units, MIXTURE)
    np.testing.assert_allclose(piece.psi[0, 1:4], density @ phi, atol=0.02)
    line = np.column_stack([np.ones_like(grid), phi, np.full_like(grid, 0.7), grid]) @ w[:, 0]
    mean = density @ line
    spread = piece.spread(w)
    assert spread[0, 0] == pytest.approx(density @ (line - mean) ** 2, rel=0.08) and spread[1, 0] == 0.0


def wave(n, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.multivariate_normal([0, 0, 0], [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], n)
    return x, np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=n)


def with_holes(x, share=0.2, seed=1):
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


@pytest.fixture(scope="module")
def fitted():
    x, y = wave(300)
    return RBFRegressor(10, units="plain", random_state=0).fit(with_holes(x), y)


def test_intervals_are_wide_where_the_column_that_matters_is_missing(fitted):
    x, y = wave(2000, 5)
    holes = with_holes(x, 0.3, 6)
    mean, std = fitted.predict(holes, return_std=True)
    low, high = fitted.predict_interval(holes, 0.9)
    assert 0.85 < ((low <= y) & (y <= high)).mean() < 0.96
    gone = np.isnan(holes[:, 0])
    assert std[gone].mean() > 2 * std[~gone].mean()
    assert ((mean - y)[~gone] ** 2).mean() < 0.05


def test_nothing_observed_says_the_mean_and_the_spread_of_the_target(fitted):
    _, y = wave(300)
    mean, std = fitted.predict(np.full((1, 3), np.nan), return_std=True)
    assert abs(mean[0] - y.mean()) < 0.2 and 0.7 * y.std() < std[0] < 1.4 * y.std()


def test_rows_do_not_depend_on_each_other_and_weight_two_is_the_row_twice():
    x, y = wave(120)
    x = with_holes(x)
    how = {"n_units": 4, "units": "plain", "random_state": 0}
    twice = RBFRegressor(**how).fit(np.r_[x, x[:60]], np.r_[y, y[:60]])
    weighted = RBFRegressor(**how).fit(x, y, np.r_[np.full(60, 2.0), np.ones(60)])
    np.testing.assert_allclose(weighted.predict(x), twice.predict(x), atol=1e-5)
    np.testing.assert_allclose(weighted.predict(x[3:4]), weighted.predict(x)[3:4], rtol=1e-12)


def test_a_constant_column_and_one_that_is_nearly_all_missing(fitted):
    x, y = wave(100)
    x = np.column_stack([with_holes(x), np.where(np.arange(100) < 98, np.nan, 1.0), np.full(100, 3.0)])
    model = RBFRegressor(4, random_state=0).fit(x, y)
    assert np.isfinite(model.predict(x)).all() and model.relevance_[4] == 0


def test_units_and_order_of_columns_do_not_matter_where_cells_are_missing_either():
    x, y = wave(150)
    x = with_holes(x, 0.1)
    how = {"n_units": 10, "units": "plain", "random_state": 0}
    changed = x[:, [2, 0, 1]] * [1e6, 1e-6, 1.0]
    plain, other = RBFRegressor(**how).fit(x, y), RBFRegressor(**how).fit(changed, y)
    np.testing.assert_allclose(other.predict(changed), plain.predict(x), atol=1e-9)


def test_noise_is_learnt_all_through_rows_with_holes():
    """Of many rows only some tell of it, and rows are sorted."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(15_000, 2))
    y = np.sin(6 * x[:, 0]) + (0.5 - 0.45 * np.abs(2 * x[:, 0] - 1)) * rng.normal(size=len(x))
    model = RBFRegressor(10, units="normalised", random_state=0).fit(np.where(rng.random(x.shape) < 0.01, np.nan, x), y)
    low, high = model.predict_interval(x)
    middle = np.abs(x[:, 0] - 0.5) < 0.1
    assert 0.8 < np.mean((low <= y)[middle] & (y <= high)[middle]) < 0.96
