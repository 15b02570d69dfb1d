"""Data that are hard but fair: the right answer is still found."""

import numpy as np
import pytest

from emkit import HMM, CollapseError, GaussianMixture, NormalInverseWishart, StopReason
from support.compiled import worth_compiling

TYPES = ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"]
BY_COLUMN = ["full", "tied", "diag", "tied-diag"]  # those that know each column's scale
START = {"means_init": [[1.0, 1.0], [5.0, 5.0]], "weights_init": [0.5, 0.5]}


def sorted_means(gm):
    """In float64, whatever the width of the data and of ``means_``."""
    means = gm.result_.params.components.means
    return means[np.argsort(means[:, 0])]


@pytest.mark.parametrize("covariance_type", BY_COLUMN)
@pytest.mark.parametrize("prior", ["weak", None])
def test_badly_scaled_columns(rows, covariance_type, prior):
    """1e-12 beside 1e12: the model is the same in any units, its density changes by the units' logs and nothing else."""
    units = np.array([1e-12, 1e12])
    settings = {"covariance_type": covariance_type, "prior": prior, "random_state": 0}
    plain, scaled = GaussianMixture(2, **settings).fit(rows), GaussianMixture(2, **settings).fit(rows * units)
    np.testing.assert_allclose(sorted_means(scaled) / units, sorted_means(plain), atol=1e-6)
    assert scaled.converged_
    expected = plain.result_.log_likelihood - len(rows) * np.log(units).sum()
    assert scaled.result_.log_likelihood == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_very_small_and_very_large_units(rows, covariance_type, unit):
    settings = {"covariance_type": covariance_type, "random_state": 0}
    plain, scaled = GaussianMixture(2, **settings).fit(rows), GaussianMixture(2, **settings).fit(rows * unit)
    np.testing.assert_allclose(sorted_means(scaled) / unit, sorted_means(plain), atol=1e-6)


@pytest.mark.parametrize("far", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_an_outlier_gets_a_component_of_its_own(rows, covariance_type, far):
    """One value a million times the spread of the others. Two components: the rows, and the outlier."""
    x = np.concatenate([rows, [[far, far]]])
    gm = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(x)
    labels = gm.predict(x)
    assert (labels[:-1] == labels[0]).all()
    assert labels[-1] != labels[0]
    np.testing.assert_allclose(gm.means_[labels[0]], rows.mean(axis=0), atol=1e-6 * far)
    np.testing.assert_allclose(gm.means_[labels[-1]], far)
    assert np.isfinite(gm.score_samples(x)).all()


@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("covariance_type", TYPES)
@pytest.mark.parametrize("n", [60, 600])
def test_what_overflows_is_no_warning_of_numpy_s(covariance_type, n):
    """Near 1e153 the square of a column's sum no longer is a number, nor are slopes much earlier."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 1, (n // 2, 2)), rng.normal(5, 1, (n // 2, 2))])
    for estimator in (GaussianMixture(2, covariance_type=covariance_type, random_state=0), HMM(2, covariance_type=covariance_type)):
        estimator.fit(1e150 * x)
        assert np.isfinite(estimator.score(1e150 * x))
        far = x.copy()
        far[n // 3, 0] = 1e153
        estimator.fit(far)
        assert np.isfinite(estimator.result_.objective)
        estimator.predict_proba(far)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("far", [1e12, 1e15, 1e20])
def test_an_outlier_so_far_that_variances_cancel_in_first_guesses(rows, far):
    gm = GaussianMixture(2, random_state=0).fit(np.concatenate([rows, [[far, far]]]))
    assert gm.converged_ and gm.predict([[far, far]]) != gm.predict(rows[:1])


def test_starts_that_cannot_be_evaluated_do_not_hide_those_that_can():
    """A value so far out that a tied matrix is singular to the last digit at some starts, and fits at others."""
    rng = np.random.default_rng(0)
    x = rng.normal(rng.integers(0, 3, 300)[:, None] * 4.0, 1.0, (300, 2))
    x[3, 1] = 1e50
    gm = GaussianMixture(3, covariance_type="tied", random_state=0).fit(x)
    assert gm.converged_ and np.isfinite(gm.result_.objective)
    assert any(start.reason is StopReason.COLLAPSED for start in gm.result_.starts)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_starts_that_cannot_be_evaluated_are_no_answer(covariance_type):
    rng = np.random.default_rng(0)
    x = rng.normal(rng.integers(0, 3, 300)[:, None] * 4.0, 1.0, (300, 2))
    x[3, 1], x[5, 0] = 1e30, -1e30 / 3
    with pytest.raises(CollapseError):
        GaussianMixture(3, covariance_type=covariance_type, max_iter=0, random_state=0).fit(x)


def test_an_outlier_does_not_blur_the_others_under_a_prior_of_ones_own(rows):
    """Three components: both groups and the outlier, as without it."""
    x = np.concatenate([rows, [[1e6, 1e6]]])
    prior = NormalInverseWishart(4.0, 1.0)
    gm = GaussianMixture(3, prior=prior, n_init=16, random_state=0).fit(x)
    alone = GaussianMixture(2, prior=prior, random_state=0).fit(rows)
    np.testing.assert_allclose(sorted_means(gm)[:2], sorted_means(alone), atol=1e-6)
    np.testing.assert_allclose(np.sort(gm.weights_), [1 / 601, 300 / 601, 300 / 601], atol=1e-3)


def test_an_outlier_does_not_blur_the_others_by_default(rows):
    x = np.concatenate([rows, [[1e6, 1e6]]])
    gm = GaussianMixture(3, n_init=16, random_state=0).fit(x)
    np.testing.assert_allclose(sorted_means(gm)[:2], sorted_means(GaussianMixture(2, random_state=0).fit(rows)), atol=0.01)


@pytest.mark.parametrize("n", [600, 400_000])  # NumPy below the threshold, compiled code above
@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_float32_far_from_the_origin(n, covariance_type):
    """Mean 1e6, sd 1: float32 holds such values to 1/16, and squares of them not at all."""
    assert worth_compiling(n, 2, 2) == (n > 600)
    rng = np.random.default_rng(1)
    near = np.concatenate([rng.normal(-3, 1, (n // 2, 2)), rng.normal(3, 1, (n // 2, 2))])
    x = (near + 1e6).astype(np.float32)
    gm = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(x)
    assert gm.converged_
    error = 1.0 / np.sqrt(n / 2)
    np.testing.assert_allclose(sorted_means(gm) - 1e6, [[-3, -3], [3, 3]], atol=5 * error)
    # Rounding to 1/16 adds a variance of 1/16^2/12 = 3e-4.
    variances = np.diagonal(gm.covariances_, axis1=-2, axis2=-1) if covariance_type in ("full", "tied") else gm.covariances_
    np.testing.assert_allclose(variances, 1.0, atol=8 * error)
    # And the same as in float64, up to float32's rounding of differences.
    wide = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(x.astype(np.float64))
    np.testing.assert_allclose(sorted_means(gm), sorted_means(wide), rtol=0, atol=1e-4)


@pytest.mark.parametrize("apart", [1e3, 1e5, 1e8])
@pytest.mark.parametrize("covariance_type", TYPES)
def test_separated_groups_whose_densities_underflow(rows, covariance_type, apart):
    """exp(-apart^2 / 2) is zero in any float: each row must still belong to its own group, with a finite log-likelihood."""
    x = np.concatenate([rows[:300], rows[:300] + apart])
    gm = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(x)
    assert gm.converged_
    np.testing.assert_allclose(np.sort(gm.means_[:, 0]), rows[:300, 0].mean() + np.array([0, apart]), rtol=1e-9)
    resp = gm.predict_proba(x)
    np.testing.assert_array_equal(np.sort(resp, axis=1), np.tile([0.0, 1.0], (600, 1)))
    assert np.isfinite(gm.score_samples(x)).all()


def test_a_start_from_which_every_density_underflows(rows):
    """Both starting means far from all rows: the nearer one is still told from the other, and EM finds its way."""
    far = {"means_init": [[1e5, 1e5], [2e5, 2e5]], "weights_init": [0.5, 0.5], "covariances_init": 1.0}
    gm = GaussianMixture(2, tol=0, max_iter=3, **far).fit(rows)
    assert np.isfinite(gm.result_.trace).all()
    np.testing.assert_allclose(gm.means_[0], rows.mean(axis=0))  # it took all the rows
    np.testing.assert_array_equal(gm.means_[1], [2e5, 2e5])  # nothing belonged to it, so it stayed where it was
    assert gm.weights_.tolist() == [1.0, 0.0]


def test_duplicate_rows_are_weights(rows):
    few = rows[::6]
    settings = {"covariances_init": 1.0, "tol": 0, "max_iter": 10, "prior": None, **START}
    repeated = GaussianMixture(2, **settings).fit(np.repeat(few, 20, axis=0))
    once = GaussianMixture(2, **settings).fit(few)
    np.testing.assert_allclose(repeated.means_, once.means_, rtol=1e-10)
    np.testing.assert_allclose(repeated.covariances_, once.covariances_, rtol=1e-10)
    assert repeated.result_.log_likelihood == pytest.approx(20 * once.result_.log_likelihood)


def test_as_many_components_as_distinct_rows():
    """Every component on a value of its own: the default prior keeps the likelihood bounded."""
    values = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    gm = GaussianMixture(4, random_state=0).fit(np.repeat(values, 25, axis=0))
    assert gm.converged_
    assert sorted(map(tuple, gm.means_.round(6).tolist())) == sorted(map(tuple, values.tolist()))
    np.testing.assert_allclose(gm.weights_, 0.25)


@pytest.mark.parametrize("covariance_type", TYPES)
def test_columns_that_say_the_same_and_more_columns_than_rows(covariance_type):
    """Singular sample covariances: the default prior bounds them."""
    rng = np.random.default_rng(0)
    column = np.concatenate([rng.normal(0, 1, 50), rng.normal(9, 1, 50)])
    twice = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(np.column_stack([column, 2 * column]))
    np.testing.assert_allclose(np.sort(twice.means_[:, 0]), [column[:50].mean(), column[50:].mean()], atol=0.05)
    wide = rng.normal(size=(5, 20))
    gm = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(wide)
    assert np.isfinite(gm.score_samples(wide)).all()
    assert np.isfinite(gm.score_samples(rng.normal(size=(5, 20)))).all()


def test_two_rows(rows):
    gm = GaussianMixture(1).fit(rows[:2])
    np.testing.assert_allclose(gm.means_[0], rows[:2].mean(axis=0))
    assert np.isfinite(gm.score_samples(rows)).all()


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_maximum_likelihood_does_not_depend_on_the_scale_of_the_weights(rows, scale):
    settings = {"covariances_init": 1.0, "tol": 0, "max_iter": 10, "prior": None, **START}
    weighted = GaussianMixture(2, **settings).fit(rows, sample_weight=np.full(len(rows), scale))
    plain = GaussianMixture(2, **settings).fit(rows)
    np.testing.assert_allclose(weighted.means_, plain.means_, rtol=1e-9)


def test_weights_of_zero_leave_rows_out_entirely(rows):
    """Even where what they hold would upset everything."""
    x = np.concatenate([rows, [[1e12, -1e12]]])
    weight = np.append(np.ones(len(rows)), 0.0)
    one, other = GaussianMixture(2, random_state=0).fit(x, sample_weight=weight), GaussianMixture(2, random_state=0).fit(rows)
    np.testing.assert_allclose(sorted_means(one), sorted_means(other), rtol=1e-9)
    assert one.result_.log_likelihood == pytest.approx(other.result_.log_likelihood)
