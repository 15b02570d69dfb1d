"""scikit-learn's tags say what the estimators take, and its checks of estimators pass but for a listed few."""

import numpy as np
import pytest
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from small_models import bits, counts, outcomes, quietly, reals, symbols

from emkit import (
    GMMHMM,
    HMM,
    AutoClass,
    BayesianNetwork,
    CategoricalHMM,
    DataError,
    GaussianHMM,
    GaussianMixture,
    LatentClass,
    MultinomialHMM,
    Poisson,
    PoissonHMM,
    VariationalCategoricalHMM,
    VariationalGaussianHMM,
)

ONE = {"n_init": 1, "random_state": 0}

# estimator, its data, whether it refuses negative values
TAKES = {
    "GaussianMixture": (GaussianMixture(2, **ONE), reals(), False),
    "LatentClass": (LatentClass(2, **ONE), symbols(), False),
    "AutoClass": (AutoClass(max_tries=1, random_state=0), reals(), False),
    "BayesianNetwork": (BayesianNetwork("h->x0", latent={"h": 2}, **ONE), symbols(), False),
    "HMM": (HMM(2, **ONE), reals(), False),
    "HMM of mixtures": (HMM(2, n_mix=2, max_iter=5, **ONE), reals(), False),
    "HMM poisson": (HMM(2, "poisson", **ONE), counts(), True),
    "HMM of mixtures of Poisson": (HMM(2, "poisson", n_mix=2, max_iter=5, **ONE), counts(), True),
    "HMM Poisson()": (HMM(2, Poisson(), **ONE), counts(), True),
    "HMM categorical": (HMM(2, "categorical", **ONE), symbols(), True),
    "HMM bernoulli": (HMM(2, "bernoulli", **ONE), bits(), True),
    "GaussianHMM": (GaussianHMM(2, **ONE), reals(), False),
    "GMMHMM": (GMMHMM(2, 2, n_iter=5, **ONE), reals(), False),
    "HMM multinomial": (HMM(2, "multinomial", **ONE), outcomes(), True),
    "PoissonHMM": (PoissonHMM(2, **ONE), counts(), True),
    "MultinomialHMM": (MultinomialHMM(2, 12, **ONE), outcomes(), True),
    "CategoricalHMM": (CategoricalHMM(2, **ONE), symbols(), True),
    "VariationalGaussianHMM": (VariationalGaussianHMM(2, **ONE), reals(), False),
    "VariationalCategoricalHMM": (VariationalCategoricalHMM(2, **ONE), symbols(), True),
}


@pytest.mark.parametrize("name", TAKES)
def test_missing_cells_are_taken_and_the_tag_says_so(name):
    model, x, _ = TAKES[name]
    x = x.astype(float)
    x[5, 0] = np.nan
    assert np.isfinite(quietly(model.fit, x).score(x))
    assert get_tags(model).input_tags.allow_nan


@pytest.mark.parametrize("name", TAKES)
def test_the_tag_says_whether_negative_values_are_refused(name):
    model, x, positive_only = TAKES[name]
    assert get_tags(model).input_tags.positive_only == positive_only
    x = x.astype(float)
    x[5, 0] = -1.0
    if positive_only:
        with pytest.raises(DataError):
            model.fit(x)
    else:
        assert np.isfinite(quietly(model.fit, x).score(x))


def test_tags_follow_the_settings():
    model = HMM(2)
    assert not get_tags(model).input_tags.positive_only
    assert get_tags(model.set_params(emission="poisson")).input_tags.positive_only


@pytest.mark.parametrize("bad", ["weibull", None, 3])
def test_tags_of_settings_that_make_no_sense_do_not_break(bad):
    """Whoever prints or clones an estimator asks for its tags; the settings are refused by `fit`."""
    assert get_tags(HMM(2, bad)).input_tags.allow_nan
    with pytest.raises(ValueError, match="emission"):
        HMM(2, bad).fit(reals())


# The one habit of scikit-learn's that a chain cannot have, in seven checks: a weight belongs to a sequence, not to a row.
WEIGHTS = dict.fromkeys(
    (
        "check_sample_weights_pandas_series",
        "check_sample_weights_not_an_array",
        "check_sample_weights_list",
        "check_all_zero_sample_weights_error",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
        "check_sample_weight_equivalence_on_dense_data",
    ),
    "sample_weight has one entry for each sequence",
)
ROWS = {
    "check_methods_sample_order_invariance": "steps of a sequence depend on their neighbours",
    "check_methods_subset_invariance": "steps of a sequence depend on their neighbours",
}
POSITION = {"check_fit_score_takes_y": "hmmlearn's second argument is lengths"}
ONE_ROW = {"check_fit2d_1sample": "the message says what one step lacks, in its own words"}
COUNTS = {"check_positive_only_tag_during_fit": "the message names the cell instead of saying 'Negative values in data'"}
FRACTIONS = dict.fromkeys(
    ("check_positive_only_tag_during_fit", "check_sample_weight_equivalence_on_dense_data"),
    "the data have fractions, which are no categories",
)
DICTS = dict.fromkeys(
    (
        "check_estimators_pickle",
        "check_fit_idempotent",
        "check_methods_sample_order_invariance",
        "check_methods_subset_invariance",
    ),
    "predict_proba gives an array for each node, as nodes differ in how many states they have",
)

EXPECTED = {
    "GaussianMixture": (GaussianMixture(n_init=1), {}),
    "LatentClass": (LatentClass(n_init=1), FRACTIONS),
    "AutoClass": (AutoClass(max_tries=1), {}),
    "BayesianNetwork": (BayesianNetwork(n_init=1), {**FRACTIONS, **DICTS}),
    "HMM": (HMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW}),
    "GaussianHMM": (GaussianHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION}),
    "GMMHMM": (GMMHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION}),
    "PoissonHMM": (PoissonHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION, **COUNTS}),
    "MultinomialHMM": (MultinomialHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION, **COUNTS}),
    "CategoricalHMM": (CategoricalHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION, **COUNTS}),
    "VariationalGaussianHMM": (VariationalGaussianHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION}),
    "VariationalCategoricalHMM": (VariationalCategoricalHMM(n_init=1), {**WEIGHTS, **ROWS, **ONE_ROW, **POSITION, **COUNTS}),
}


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.filterwarnings("ignore")
def test_estimator_checks(name):
    """All of scikit-learn's checks; at most six exceptions besides weights, each with its reason."""
    estimator, expected = EXPECTED[name]
    results = check_estimator(estimator, expected_failed_checks=expected, on_skip=None, on_fail=None)
    failed = {result["check_name"]: str(result["exception"])[:300] for result in results if result["status"] == "failed"}
    assert failed == {}
    assert sum(result["status"] == "passed" for result in results) >= 33  # the estimator does not opt out of being checked
