"""Missing cells are marginalised: no row is dropped, none is imputed."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from emkit import GaussianMixture

MEANS = np.array([[0.0, 0.0, 0.0], [5.0, 0.0, 2.0], [0.0, 6.0, -2.0]])
WEIGHTS = np.array([0.5, 0.3, 0.2])
COVARIANCE = np.array([[1.0, 0.6, 0.0], [0.6, 2.0, 0.3], [0.0, 0.3, 1.5]])


def draw(n, missing, seed=0):
    rng = np.random.default_rng(seed)
    x = MEANS[rng.choice(3, n, p=WEIGHTS)] + rng.multivariate_normal(np.zeros(3), COVARIANCE, n)
    x[rng.random(x.shape) < missing] = np.nan
    return x


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_thirty_percent_missing_at_random_still_gives_the_means(covariance_type):
    n = 6000
    x = draw(n, 0.3)
    gm = GaussianMixture(3, covariance_type=covariance_type, random_state=0).fit(x)
    order = np.argsort(-gm.weights_)
    # Standard error of a mean over the observed cells of its own component; uncertain labels cost a little more.
    error = np.sqrt(np.diag(COVARIANCE) / (0.7 * n * WEIGHTS[:, None]))
    assert (np.abs(gm.means_[order] - MEANS) / error).max() < 4
    np.testing.assert_allclose(gm.weights_[order], WEIGHTS, atol=4 * np.sqrt(0.25 / n))
    covariances = gm.covariances_[order] if covariance_type == "full" else gm.covariances_[None]
    np.testing.assert_allclose(covariances, np.broadcast_to(COVARIANCE, covariances.shape), atol=0.3)


def test_complete_rows_alone_would_do_worse():
    """Only one row in three is complete; the others hold most of what is known. One group, so that nothing else is uncertain."""
    wide, narrow = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = rng.multivariate_normal(np.zeros(3), COVARIANCE, 300)
        x[rng.random(x.shape) < 0.3] = np.nan
        complete = x[~np.isnan(x).any(axis=1)]
        wide.append(GaussianMixture(1).fit(x).means_)
        narrow.append(GaussianMixture(1).fit(complete).means_)
    assert np.square(wide).mean() < 0.75 * np.square(narrow).mean()


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical", "tied-diag", "tied-spherical"])
def test_densities_are_those_of_the_observed_cells(covariance_type):
    """Against scipy's normal density of each row's observed columns."""
    x = draw(300, 0.3)
    gm = GaussianMixture(3, covariance_type=covariance_type, random_state=0, n_init=2).fit(x)
    eye = np.eye(3)
    matrices = {
        "full": lambda c: c, "tied": lambda c: [c] * 3, "diag": lambda c: [np.diag(v) for v in c],
        "spherical": lambda c: [v * eye for v in c], "tied-diag": lambda c: [np.diag(c)] * 3,
        "tied-spherical": lambda c: [c * eye] * 3,
    }[covariance_type](gm.covariances_)  # fmt: skip
    joint = np.tile(np.log(gm.weights_), (len(x), 1))
    for i, row in enumerate(x):
        o = np.flatnonzero(~np.isnan(row))
        if len(o):
            joint[i] += [
                multivariate_normal.logpdf(row[o], m[o], np.asarray(c)[np.ix_(o, o)])
                for m, c in zip(gm.means_, matrices, strict=True)
            ]
    rows = logsumexp(joint, axis=1)
    np.testing.assert_allclose(gm.score_samples(x), rows, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(gm.predict_proba(x), np.exp(joint - rows[:, None]), atol=1e-9)
    np.testing.assert_array_equal(gm.predict(x), joint.argmax(axis=1))


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_a_row_with_nothing_observed_gets_the_weights(covariance_type):
    x = draw(500, 0.2)
    x[7] = np.nan
    gm = GaussianMixture(3, covariance_type=covariance_type, prior=None, tol=1e-6, random_state=0).fit(x)
    np.testing.assert_allclose(gm.predict_proba(x)[7], gm.weights_, rtol=1e-12)
    assert gm.score_samples(x)[7] == pytest.approx(0.0, abs=1e-12)  # the density of nothing is 1
    # Such rows tell nothing: without it the estimates are the same.
    held = {
        "means_init": gm.means_,
        "weights_init": gm.weights_,
        "covariances_init": gm.covariances_,
        "tol": 0,
        "max_iter": 5,
        "prior": None,
    }
    with_it = GaussianMixture(3, covariance_type=covariance_type, **held).fit(x)
    without = GaussianMixture(3, covariance_type=covariance_type, **held).fit(np.delete(x, 7, axis=0))
    np.testing.assert_allclose(with_it.means_, without.means_, rtol=1e-4)
    assert with_it.result_.log_likelihood == pytest.approx(without.result_.log_likelihood, abs=1e-6)


def test_a_single_incomplete_row_can_be_predicted():
    """New rows may lack a column altogether; only fitting needs every column."""
    gm = GaussianMixture(3, random_state=0).fit(draw(2000, 0.0))
    group = int(np.argmin(gm.means_[:, 1]))  # any, as long as column 0 or 1 tells it
    row = gm.means_[[group]].copy()
    row[0, 2] = np.nan
    assert gm.predict(row).tolist() == [group]
    nothing = np.full((2, 3), np.nan)
    np.testing.assert_allclose(gm.predict_proba(nothing), np.tile(gm.weights_, (2, 1)))
    assert gm.predict(nothing).tolist() == [int(gm.weights_.argmax())] * 2
    assert gm.score(nothing) == pytest.approx(0.0, abs=1e-12)


def test_weights_are_repeated_rows_with_missing_cells_too():
    x = draw(400, 0.3)
    weight = np.random.default_rng(3).integers(0, 3, len(x))
    start = {"means_init": MEANS + 0.5, "weights_init": WEIGHTS, "covariances_init": 1.0, "tol": 0, "max_iter": 6, "prior": None}
    weighted = GaussianMixture(3, **start).fit(x, sample_weight=weight)
    repeated = GaussianMixture(3, **start).fit(np.repeat(x, weight, axis=0))
    np.testing.assert_allclose(weighted.means_, repeated.means_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(weighted.covariances_, repeated.covariances_, rtol=1e-9, atol=1e-10)


def test_a_column_that_is_the_sum_of_others_does_not_end_a_fit_early():
    """The prior leaves it a share of 1e-8 of its variance; rounding in rows that miss several cells must not pass for a fall."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 3))
    x = np.column_stack([x, x.sum(axis=1)])
    x[rng.random(x.shape) < 0.15] = np.nan
    gm = GaussianMixture(1).fit(x)
    assert gm.converged_
    s = np.eye(4)
    s[3, :3] = s[:3, 3] = 1.0
    s[3, 3] = 3.0
    np.testing.assert_allclose(gm.covariances_[0], s, atol=0.05)
