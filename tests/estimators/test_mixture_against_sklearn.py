"""Side by side with scikit-learn: the same start and the same number of iterations give the same numbers."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture as Sklearn

from emkit import GaussianMixture
from emkit.core.compiled import compiling

K, D, ITERATIONS = 3, 3, 7
SIZES = {"numpy": 600, "compiled": 70_000}  # rows, a block and more than one
TYPES = ["full", "tied", "diag", "spherical"]


def draw(n):
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 2.0, -2.0]])
    mix = rng.normal(size=(D, D)) + 2 * np.eye(D)
    return centres[rng.integers(K, size=n)] + rng.normal(size=(n, D)) @ mix * 0.5 + 10.0


def start(covariance_type):
    """The same start for both, far enough from the optimum that seven iterations change everything."""
    rng = np.random.default_rng(1)
    matrices = np.stack([np.eye(D) * 0.4 + 0.05 * np.ones((D, D)) * k for k in range(K)])
    precisions = {
        "full": matrices,
        "tied": matrices[1],
        "diag": rng.uniform(0.2, 0.8, (K, D)),
        "spherical": rng.uniform(0.2, 0.8, K),
    }[covariance_type]
    return {"weights_init": [0.2, 0.3, 0.5], "means_init": 10.0 + rng.normal(size=(K, D)), "precisions_init": precisions}


def theirs(x, covariance_type):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # tol=0 is meant
        settings = {"covariance_type": covariance_type, "tol": 0, "reg_covar": 0, "max_iter": ITERATIONS}
        return Sklearn(K, **settings, **start(covariance_type)).fit(x)


def ours(x, covariance_type, sample_weight=None):
    settings = {"covariance_type": covariance_type, "tol": 0, "prior": None, "max_iter": ITERATIONS}
    return GaussianMixture(K, **settings, **start(covariance_type)).fit(x, sample_weight=sample_weight)


def assert_same_parameters(a, b):
    assert a.n_iter_ == b.n_iter_ == ITERATIONS
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        one, other = getattr(a, name), getattr(b, name)
        assert one.shape == other.shape, name
        np.testing.assert_allclose(one, other, rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.fixture(autouse=True)
def chosen_road(request):
    """Compiled code for the larger size, NumPy for the smaller."""
    with compiling(request.node.callspec.params.get("road", "numpy") == "compiled" if hasattr(request.node, "callspec") else None):
        yield


@pytest.mark.parametrize("road", SIZES)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_same_parameters_after_the_same_iterations(covariance_type, road):
    x = draw(SIZES[road])
    assert_same_parameters(ours(x, covariance_type), theirs(x, covariance_type))


@pytest.mark.parametrize("road", SIZES)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_weights_are_repeated_rows(covariance_type, road):
    """scikit-learn has no weights for mixtures: it gets row i repeated weight[i] times."""
    x = draw(SIZES[road])
    weight = np.random.default_rng(2).integers(0, 4, len(x))
    assert (weight == 0).any()
    weighted = ours(x, covariance_type, weight)
    assert_same_parameters(weighted, theirs(np.repeat(x, weight, axis=0), covariance_type))
    assert weighted.result_.total_weight == weight.sum()


@pytest.mark.parametrize("road", SIZES)
@pytest.mark.parametrize("covariance_type", TYPES)
def test_same_predictions_and_criteria(covariance_type, road):
    x = draw(SIZES[road])
    a, b = ours(x, covariance_type), theirs(x, covariance_type)
    new = draw(SIZES[road] + 500)[-500:]
    for rows in (x, new):
        np.testing.assert_allclose(a.score_samples(rows), b.score_samples(rows), rtol=1e-8)
        np.testing.assert_allclose(a.predict_proba(rows), b.predict_proba(rows), atol=1e-8)
        np.testing.assert_array_equal(a.predict(rows), b.predict(rows))
        assert a.score(rows) == pytest.approx(b.score(rows), rel=1e-10)
        assert a.bic(rows) == pytest.approx(b.bic(rows), rel=1e-10)
        assert a.aic(rows) == pytest.approx(b.aic(rows), rel=1e-10)
    assert a.bic() == pytest.approx(b.bic(x), rel=1e-10)


def test_both_give_labels_alike_from_their_own_defaults():
    """Default settings, well-separated groups: nothing to disagree about but the numbering."""
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(c, 1.0, (200, 2)) for c in (-10.0, 0.0, 10.0)])
    a, b = GaussianMixture(3, random_state=0).fit_predict(x), Sklearn(3, random_state=0, n_init=5).fit_predict(x)
    assert len({*zip(a.tolist(), b.tolist(), strict=True)}) == 3  # the pairing is one to one


def test_attribute_shapes_are_scikit_learns(blobs):
    for covariance_type in TYPES:
        a = GaussianMixture(2, covariance_type=covariance_type, random_state=0).fit(blobs)
        b = Sklearn(2, covariance_type=covariance_type, random_state=0).fit(blobs)
        for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
            assert getattr(a, name).shape == getattr(b, name).shape
        for name in ("converged_", "n_iter_", "lower_bound_", "n_features_in_"):
            assert isinstance(getattr(a, name), type(getattr(b, name))) or np.isscalar(getattr(a, name))


def test_reg_covar_plays_scikit_learns_part():
    """It adds about as much to each variance, so that both settle on the same sd."""
    x = np.random.default_rng(4).normal(0, 1e-3, (500, 1))
    a = GaussianMixture(1, reg_covar=1e-2, prior=None).fit(x)
    b = Sklearn(1, reg_covar=1e-2).fit(x)
    np.testing.assert_allclose(a.covariances_, b.covariances_, rtol=1e-3)
