"""scikit-learn's own estimator checks, and the habits its users rely on."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from emkit import GaussianMixture


@parametrize_with_checks([GaussianMixture(), GaussianMixture(2, covariance_type="diag", n_init=24)])
def test_estimator_check(estimator, check):
    """Every check of scikit-learn, none of them expected to fail."""
    check(estimator)


SETTINGS = {
    "n_components": 3, "covariance_type": "tied", "tol": 1e-4, "reg_covar": 1e-6, "max_iter": 50, "n_init": 2,
    "algorithm": "auto",
    "init_params": "kmeans",
    "weights_init": [0.2, 0.3, 0.5], "means_init": np.zeros((3, 2)), "precisions_init": None, "covariances_init": np.eye(2),
    "fixed": {"weights": [0.2, 0.3, 0.5]}, "prior": None, "weights_prior": 2.0, "random_state": 4, "warm_start": True, "n_jobs": 1,
    "executor": None,
    "verbose": 0, "verbose_interval": 5, "monitors": [], "checkpoint": None, "init": {}, "order_by": None, "noise": False,
}  # fmt: skip


def test_get_params_gives_back_the_very_objects():
    gm = GaussianMixture(**SETTINGS)
    params = gm.get_params()
    assert params.keys() == SETTINGS.keys()  # a new parameter must be added above
    assert all(params[name] is value for name, value in SETTINGS.items())
    assert GaussianMixture().set_params(**SETTINGS).get_params() == params


def test_fit_leaves_the_parameters_as_the_user_gave_them(blobs):
    given = {
        "n_components": 3,
        "weights_init": [0.2, 0.3, 0.5],
        "means_init": [[0, 0], [4, 0], [0, 5]],
        "precisions_init": np.stack([np.eye(2)] * 3),
        "fixed": {"weights": [0.2, 0.3, 0.5]},
        "prior": "weak",
    }
    kept = copy.deepcopy(given)
    gm = GaussianMixture(**given).fit(blobs)
    for name, value in gm.get_params().items():
        if name in given:
            assert value is given[name]
            np.testing.assert_equal(value, kept[name])


def test_clone_is_unfitted_and_fits_alike(blobs):
    gm = GaussianMixture(3, random_state=0).fit(blobs)
    twin = clone(gm)
    assert not hasattr(twin, "means_")
    np.testing.assert_array_equal(twin.fit(blobs).means_, gm.means_)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda gm: pickle.loads(pickle.dumps(gm))])
def test_fitted_models_can_be_copied_and_pickled(blobs, duplicate):
    gm = GaussianMixture(3, random_state=0).fit(blobs)
    twin = duplicate(gm)
    np.testing.assert_array_equal(twin.predict_proba(blobs), gm.predict_proba(blobs))
    assert twin.summary() == gm.summary()
    assert twin.result_.trace == gm.result_.trace


def test_repr_shows_what_was_changed():
    assert repr(GaussianMixture(3, prior=None)) == "GaussianMixture(n_components=3, prior=None)"


def test_in_a_pipeline(blobs):
    pipe = make_pipeline(StandardScaler(), GaussianMixture(3, random_state=0)).fit(blobs)
    labels = pipe.predict(blobs)
    assert sorted(np.bincount(labels).tolist()) == pytest.approx([400, 400, 400], abs=60)
    # A Gaussian mixture is the same model in any units: scaling costs the log of the scales and no more.
    plain = GaussianMixture(3, random_state=0).fit(blobs)
    assert pipe.score(blobs) - np.log(blobs.std(axis=0)).sum() == pytest.approx(plain.score(blobs), abs=1e-4)


def test_grid_search_by_held_out_likelihood(blobs):
    shuffled = np.random.default_rng(0).permutation(blobs)
    grid = {"n_components": [1, 3], "covariance_type": ["full", "spherical"]}
    search = GridSearchCV(GaussianMixture(n_init=2, random_state=0), grid, cv=3).fit(shuffled)
    assert search.best_params_ == {"n_components": 3, "covariance_type": "full"}
    assert search.best_score_ == pytest.approx(search.best_estimator_.score(shuffled), abs=0.05)


def test_y_is_ignored(blobs):
    with_y = GaussianMixture(3, random_state=0).fit(blobs, np.zeros(len(blobs)))
    np.testing.assert_array_equal(with_y.means_, GaussianMixture(3, random_state=0).fit(blobs).means_)


def test_fit_predict_is_fit_then_predict(blobs):
    labels = GaussianMixture(3, random_state=0).fit_predict(blobs)
    np.testing.assert_array_equal(labels, GaussianMixture(3, random_state=0).fit(blobs).predict(blobs))
