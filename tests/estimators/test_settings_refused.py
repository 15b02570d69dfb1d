"""Settings that cannot be used: the message names the parameter as the user wrote it, and what was expected."""

import numpy as np
import pytest

from emkit import EmkitError, GaussianMixture, NormalInverseWishart, ParameterError

EYE = np.eye(2)
PAIR = np.stack([EYE, EYE])
INDEFINITE = np.array([[1.0, 2.0], [2.0, 1.0]])
SKEW = np.array([[1.0, 2.0], [0.0, 1.0]])


def refuse(rows, message, **settings):
    settings = {"n_components": 2, "random_state": 0, **settings}
    with pytest.raises(ParameterError, match=message) as caught:
        GaussianMixture(**settings).fit(rows)
    assert isinstance(caught.value, EmkitError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("k", [0, -1, 1.5, "two", None, True])
def test_number_of_components(rows, k):
    refuse(rows, f"n_components={k!r}: give an integer of at least 1", n_components=k)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tol", -1e-3), ("tol", np.nan), ("tol", np.inf), ("tol", "small"),
        ("max_iter", -1), ("max_iter", 1.5), ("max_iter", "many"), ("max_iter", True),
        ("n_init", 0), ("n_init", 1.5), ("n_init", "many"), ("n_init", True), ("n_init", [1]), ("n_init", None),
        ("n_jobs", 0), ("n_jobs", 1.5),
        ("covariance_type", "round"), ("init_params", "guess"),
        ("reg_covar", -1e-6), ("reg_covar", np.nan), ("reg_covar", "small"),
        ("prior", "strong"), ("prior", 3),
        ("weights_prior", -1.0), ("weights_prior", 0), ("weights_prior", "flat"),
        ("random_state", -1), ("random_state", "seed"),
        ("fixed", "weights"), ("fixed", ["weights"]),
    ],
)  # fmt: skip
def test_settings_are_named_with_what_was_found(rows, name, value):
    refuse(rows, rf"{name}={value!r}".replace("[", r"\["), **{name: value})


def test_what_can_be_chosen_is_listed(rows):
    refuse(rows, "choose one of 'full', 'tied', 'diag', 'spherical', 'tied-diag', 'tied-spherical'", covariance_type="VVW")
    refuse(
        rows, r"choose one of 'auto', 'kmeans', 'k-means\+\+', 'random_from_data', 'hierarchical', 'random'", init_params="k-means"
    )
    refuse(rows, r"\['sds'\].*the parameters are 'weights', 'means', 'covariances'", fixed={"sds": 1.0})


BAD_WEIGHTS = [
    ([0.5, 0.5, 0.0], r"shape \(3,\), expected \(2,\)"),
    ([[0.5, 0.5]], r"shape \(1, 2\), expected \(2,\)"),
    ([0.5, 0.6], r"must add up to 1, it adds up to 1\.1"),
    ([-0.5, 1.5], "must be finite and nonnegative"),
    ([np.inf, 0.0], "NaN or inf"),
    ("equal", "not numeric"),
]
BAD_MEANS = [
    ([[0.0, 0.0]], r"shape \(1, 2\), expected \(2, 2\)"),
    ([[0.0], [1.0]], r"shape \(2, 1\), expected \(2, 2\)"),
    ([0.0, 1.0], r"shape \(2,\), expected \(2, 2\)"),
    ([[0.0, np.inf], [1.0, 1.0]], "NaN or inf"),
    ([["a", "b"], ["c", "d"]], "not numeric"),
    ([[0.0, 1.0], [2.0]], "not numeric"),
]
# covariance_type, value, message
BAD_COVARIANCES = [
    ("full", EYE, r"shape \(2, 2\), expected \(2, 2, 2\)"),
    ("full", np.stack([np.eye(3)] * 2), r"shape \(2, 3, 3\), expected \(2, 2, 2\)"),
    ("full", [EYE, INDEFINITE], "matrix 1 is not positive definite"),
    ("full", [EYE, SKEW], "matrix 1 is not symmetric"),
    ("full", [EYE, 0 * EYE], "matrix 1 is not positive definite"),
    ("full", [EYE, np.ones((2, 2))], "matrix 1 is not positive definite"),
    ("full", [EYE, -EYE], "matrix 1 is not positive definite"),
    ("full", 0.0, "not positive definite"),
    ("full", [EYE, np.inf * np.ones((2, 2))], "NaN or inf"),
    ("full", "round", "not numeric"),
    ("tied", PAIR, r"shape \(2, 2, 2\), expected \(2, 2\)"),
    ("tied", INDEFINITE, "matrix 0 is not positive definite"),
    ("diag", [[1.0, -1.0], [1.0, 1.0]], "every (variance|precision) must be positive, found -1"),
    ("diag", [1.0, 2.0, 3.0], r"shape \(3,\), expected \(2, 2\)"),
    ("spherical", [1.0, 0.0], "every (variance|precision) must be positive, found 0"),
    ("spherical", [1.0], r"shape \(1,\), expected \(2,\)"),
    ("tied-diag", [1.0, np.inf], "NaN or inf"),
    ("tied-spherical", [1.0, 2.0], r"shape \(2,\), expected \(\)"),
    ("tied-spherical", -1.0, "every (variance|precision) must be positive, found -1"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "message"), BAD_WEIGHTS)
def test_weights(rows, value, message):
    refuse(rows, rf"weights_init.* {message}", weights_init=value)
    refuse(rows, rf"fixed\['weights'\].* {message}", fixed={"weights": value})


@pytest.mark.parametrize(("value", "message"), BAD_MEANS)
def test_means(rows, value, message):
    refuse(rows, rf"means_init.* {message}", means_init=value)
    refuse(rows, rf"fixed\['means'\].* {message}", fixed={"means": value})


@pytest.mark.parametrize(("covariance_type", "value", "message"), BAD_COVARIANCES)
def test_covariances_and_precisions(rows, covariance_type, value, message):
    refuse(rows, rf"covariances_init.* {message}", covariance_type=covariance_type, covariances_init=value)
    refuse(rows, rf"fixed\['covariances'\].* {message}", covariance_type=covariance_type, fixed={"covariances": value})
    refuse(rows, rf"^precisions_init.* {message}", covariance_type=covariance_type, precisions_init=value)


@pytest.mark.parametrize(
    ("name", "value"), [("weights", [np.nan, 1.0]), ("means", [[0.0, np.nan], [1.0, 1.0]]), ("covariances", [EYE, np.nan * EYE])]
)
def test_starting_values_are_given_whole(rows, name, value):
    """NaN is for fixed values, where it marks what stays free; a matrix is held whole or not at all."""
    refuse(rows, f"{name}_init.*NaN or inf", **{f"{name}_init": value})
    if name == "covariances":
        refuse(rows, "^precisions_init.*NaN or inf", precisions_init=value)
        refuse(
            rows, "matrix 0 holds some NaN; a covariance matrix is given whole", fixed={name: [[[1.0, np.nan], [np.nan, 1.0]], EYE]}
        )
    held = ~np.isnan(value)
    gm = GaussianMixture(2, random_state=0, fixed={name: value}).fit(rows)
    np.testing.assert_array_equal(getattr(gm, f"{name}_")[held], np.asarray(value)[held])
    assert np.isfinite(gm.means_).all()


def test_covariances_and_precisions_exclude_each_other(rows):
    refuse(rows, "covariances_init or precisions_init, not both", covariances_init=PAIR, precisions_init=PAIR)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (NormalInverseWishart(1.0, 1.0), r"df=1.* must exceed d - 1 = 1"),
        (NormalInverseWishart(4.0, -1.0), "scale must be a positive-definite"),
        (NormalInverseWishart(4.0, np.nan), "scale must be a positive-definite"),
        (NormalInverseWishart(4.0, INDEFINITE), "scale must be a positive-definite"),
        (NormalInverseWishart(4.0, 1.0, mean=[0.0, 0.0, 0.0]), r"mean has shape \(3,\), expected \(2,\)"),
        (NormalInverseWishart(4.0, 1.0, mean_mass=-1.0), "mean_mass=-1.0 must not be negative"),
    ],
)
def test_priors_that_do_not_fit(rows, prior, message):
    refuse(rows, message, prior=prior)


def test_concentrations_of_the_wrong_number(rows):
    refuse(rows, r"weights_prior has shape \(3,\); give one concentration, or an array \(2,\)", weights_prior=[1.0, 2.0, 3.0])


def test_settings_are_checked_at_fit_not_before():
    """scikit-learn's convention: a wrong setting may be put right before it is used."""
    gm = GaussianMixture(0, covariance_type="round", tol=-1)
    gm.set_params(n_components=1, covariance_type="full", tol=1e-3).fit(np.array([[0.0], [1.0], [2.0]]))
    assert gm.converged_


def test_a_failed_fit_keeps_the_earlier_one(rows):
    gm = GaussianMixture(2, random_state=0).fit(rows)
    before = gm.means_.copy()
    with pytest.raises(ParameterError):
        gm.set_params(means_init=[[0.0]]).fit(rows)
    np.testing.assert_array_equal(gm.means_, before)
    assert gm.predict(rows[:1]).shape == (1,)
