"""Fitted attributes are the model: what is set by hand is checked, used everywhere, and saved; a refused fit changes nothing."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from scipy.stats import multinomial
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from small_models import (
    KINDS,
    MODELS,
    ONE,
    ONE_OF_EACH,
    covariance,
    fitted,
    gaussian_log_b,
    parameters,
    poisson_log_b,
    quietly,
    reals,
    sequence_log_likelihood,
)

from emkit import (
    GMMHMM,
    HMM,
    CategoricalHMM,
    DataError,
    EmkitError,
    GaussianHMM,
    GaussianMixture,
    Monitor,
    MultinomialHMM,
    ParameterError,
    PoissonHMM,
    load,
)

CHAIN = {"startprob_": [0.5, 0.5], "transmat_": [[0.9, 0.1], [0.2, 0.8]]}
GAUSSIAN = {**CHAIN, "means_": [[0.0], [4.0]], "covars_": [[1.0], [1.0]]}
PAIR = {**CHAIN, "means_": [[0.0, 0.0], [4.0, 4.0]], "covars_": [np.eye(2), np.eye(2)]}
TIED = {**PAIR, "covars_": np.eye(2)}
PARTS = {**CHAIN, "weights_": [[0.5, 0.5]] * 2, "means_": [[[0.0], [1.0]], [[4.0], [5.0]]], "covars_": np.ones((2, 2, 1))}
POISSON = {**CHAIN, "lambdas_": [[1.0], [5.0]]}
CATEGORICAL = {**CHAIN, "emissionprob_": [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]}
MULTINOMIAL = {**CHAIN, "emissionprob_": [[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]}
MIXTURE = {"weights_": [0.5, 0.5], "means_": [[0.0, 0.0], [4.0, 4.0]], "covariances_": [np.eye(2), np.eye(2)]}
X1 = np.array([[0.0], [4.0], [0.5], [3.5]])
X2 = np.array([[0.0, 0.2], [4.0, 3.0], [0.5, 0.1], [3.5, 4.5]])
SYMBOLS = np.array([[0], [2], [1], [2]])
TRIALS = np.array([[1, 0, 2], [3, 0, 0], [1, 1, 1], [0, 0, 3]])

BY_HAND = {
    "GaussianHMM diag": (lambda: GaussianHMM(2), GAUSSIAN, X1),
    "GaussianHMM full": (lambda: GaussianHMM(2, "full"), PAIR, X2),
    "GaussianHMM tied": (lambda: GaussianHMM(2, "tied"), TIED, X2),
    "GMMHMM": (lambda: GMMHMM(2, 2), PARTS, X1),
    "PoissonHMM": (lambda: PoissonHMM(2), POISSON, X1.astype(int)),
    "CategoricalHMM": (lambda: CategoricalHMM(2), CATEGORICAL, SYMBOLS),
    "MultinomialHMM": (lambda: MultinomialHMM(2), MULTINOMIAL, TRIALS),
    "GaussianMixture": (lambda: GaussianMixture(2), MIXTURE, X2),
}


def by_hand(name, **changes):
    """A model that was never fitted, its attributes set one after the other; and data for it."""
    make, values, x = BY_HAND[name]
    model = make()
    for attribute, value in {**values, **changes}.items():
        setattr(model, attribute, np.asarray(value))
    return model, x


def changed_and_used(model, attribute, value, use):
    """Both, so that a value may be refused when it is set or when it is used."""
    setattr(model, attribute, value)
    return use()


# --- what is set is used ------------------------------------------------------------------------------------------------


def test_a_gaussian_chain_set_by_hand_has_the_right_likelihood():
    model, x = by_hand("GaussianHMM diag")
    assert model.score(x) == pytest.approx(-10.7215, abs=5e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_gaussian_chains_agree_with_the_textbook(kind, d):
    """Also where the attributes are lists, and set in another order."""
    rng = np.random.default_rng(d)
    start, matrix, means = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(2), size=2), rng.normal(size=(2, d))
    value, matrices = covariance(rng, kind, d, (2,))
    x = rng.normal(size=(7, d))
    model = GaussianHMM(2, kind)
    model.means_, model.covars_ = means.tolist(), value.tolist()
    model.transmat_, model.startprob_ = matrix.tolist(), start.tolist()
    assert model.score(x) == pytest.approx(sequence_log_likelihood(start, matrix, gaussian_log_b(x, means, matrices)), rel=1e-9)


def test_a_poisson_chain_agrees_with_the_textbook():
    model, x = by_hand("PoissonHMM")
    expected = sequence_log_likelihood(*CHAIN.values(), poisson_log_b(x, POISSON["lambdas_"]))
    assert model.score(x) == pytest.approx(expected, rel=1e-9)


def test_a_categorical_chain_agrees_with_the_textbook():
    model, x = by_hand("CategoricalHMM")
    log_b = np.log(np.array(CATEGORICAL["emissionprob_"])[:, x[:, 0]].T)
    assert model.score(x) == pytest.approx(sequence_log_likelihood(*CHAIN.values(), log_b), rel=1e-9)


def test_a_multinomial_chain_agrees_with_the_textbook():
    model, x = by_hand("MultinomialHMM")
    log_b = np.stack([multinomial(3, p).logpmf(x) for p in MULTINOMIAL["emissionprob_"]], axis=1)
    assert model.score(x) == pytest.approx(sequence_log_likelihood(*CHAIN.values(), log_b), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_set_by_hand_predicts_scores_and_samples(kind):
    rng = np.random.default_rng(3)
    weights, means = np.array([0.3, 0.7]), np.array([[0.0, 0.0], [9.0, 9.0]])
    value, matrices = covariance(rng, kind, 2, (2,))
    gm = GaussianMixture(2, covariance_type=kind, random_state=0)
    gm.means_, gm.covariances_, gm.weights_ = means, value, weights
    joint = gaussian_log_b(X2, means, matrices) + np.log(weights)
    np.testing.assert_allclose(gm.score_samples(X2), np.logaddexp.reduce(joint, axis=1), rtol=1e-9)
    np.testing.assert_array_equal(gm.predict(X2), joint.argmax(axis=1))
    rows, labels = gm.sample(50)
    assert rows.shape == (50, 2) and set(labels) == {0, 1}
    np.testing.assert_array_equal(labels, (rows.mean(axis=1) > 4.5).astype(int))


def test_a_hidden_markov_model_set_by_hand():
    """The general estimator agrees with its hmmlearn-style face, or says that it is not fitted."""
    model = HMM(2)
    for name, value in {**CHAIN, "means_": [[0.0], [4.0]], "covariances_": [[1.0], [1.0]]}.items():
        setattr(model, name, np.array(value))
    try:
        found = model.score(X1)
    except NotFittedError:
        return
    assert found == pytest.approx(-10.7215, abs=5e-5)


@pytest.mark.parametrize("name", BY_HAND)
def test_attributes_that_are_still_to_come_are_asked_for(name):
    """Each attribute may be set alone; a model that lacks some is not fitted."""
    make, values, x = BY_HAND[name]
    for attribute, value in values.items():
        model = make()
        setattr(model, attribute, np.asarray(value))
        with pytest.raises((NotFittedError, ParameterError)):
            model.score(x)


# --- what is set is checked ---------------------------------------------------------------------------------------------

BAD_CHAINS = [
    ("transmat_", [[0.9, 0.3], [0.2, 0.8]], "transmat"),
    ("transmat_", [[9.0, 1.0], [2.0, 8.0]], "transmat"),
    ("transmat_", [[0.0, 0.0], [0.2, 0.8]], "transmat"),
    ("transmat_", [[1.1, -0.1], [0.2, 0.8]], "transmat"),
    ("transmat_", [[np.nan, 0.1], [0.2, 0.8]], "transmat"),
    ("transmat_", [0.5, 0.5], "transmat"),
    ("transmat_", np.full((3, 3), 1 / 3), "transmat"),
    ("startprob_", [0.5, 0.6], "startprob"),
    ("startprob_", [3.0, 1.0], "startprob"),
    ("startprob_", [0.0, 0.0], "startprob"),
    ("startprob_", [1.5, -0.5], "startprob"),
    ("startprob_", [np.inf, 0.5], "startprob"),
    ("startprob_", [0.2, 0.3, 0.5], "startprob"),
]
MEANS, COVARIANCES = "means", "covar"
BAD = [
    *[(name, *bad) for name in ("GaussianHMM diag", "GMMHMM", "PoissonHMM", "CategoricalHMM") for bad in BAD_CHAINS],
    *[("MultinomialHMM", *bad) for bad in BAD_CHAINS],
    ("GaussianHMM diag", "means_", [[0.0], [np.nan]], MEANS),
    ("GaussianHMM diag", "means_", [[0.0], [4.0], [8.0]], MEANS),
    ("GaussianHMM diag", "covars_", [[1.0], [0.0]], COVARIANCES),
    ("GaussianHMM diag", "covars_", [[-1.0], [1.0]], COVARIANCES),
    ("GaussianHMM diag", "covars_", [[np.nan], [1.0]], COVARIANCES),
    ("GaussianHMM diag", "covars_", [[1.0], [1.0], [1.0]], COVARIANCES),
    ("GaussianHMM diag", "covars_", "wide", COVARIANCES),
    ("GaussianHMM full", "covars_", [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]], COVARIANCES),
    ("GaussianHMM full", "covars_", [np.eye(2), [[1.0, 0.5], [0.0, 1.0]]], COVARIANCES),
    ("GaussianHMM full", "covars_", [np.eye(2), 0 * np.eye(2)], COVARIANCES),
    ("GaussianHMM full", "covars_", [np.eye(3), np.eye(3)], COVARIANCES),
    ("GaussianHMM tied", "covars_", [[1.0, 2.0], [2.0, 1.0]], COVARIANCES),
    ("GaussianHMM tied", "covars_", [[1.0, 0.5], [0.0, 1.0]], COVARIANCES),
    ("GaussianHMM tied", "covars_", -np.eye(2), COVARIANCES),
    ("GMMHMM", "weights_", [[0.5, 0.6]] * 2, "weights"),
    ("GMMHMM", "weights_", [[3.0, 1.0]] * 2, "weights"),
    ("GMMHMM", "weights_", [[1.5, -0.5]] * 2, "weights"),
    ("GMMHMM", "weights_", [[0.2, 0.3, 0.5]] * 2, "weights"),
    ("GMMHMM", "covars_", np.zeros((2, 2, 1)), COVARIANCES),
    ("GMMHMM", "means_", np.full((2, 2, 1), np.inf), MEANS),
    ("PoissonHMM", "lambdas_", [[-1.0], [5.0]], "lambdas|rates"),
    ("PoissonHMM", "lambdas_", [[np.nan], [5.0]], "lambdas|rates"),
    ("PoissonHMM", "lambdas_", [[1.0], [5.0], [9.0]], "lambdas|rates"),
    ("CategoricalHMM", "emissionprob_", [[0.5, 0.25, 0.5], [0.1, 0.1, 0.8]], "prob"),
    ("CategoricalHMM", "emissionprob_", [[5.0, 3.0, 2.0], [1.0, 1.0, 8.0]], "prob"),
    ("CategoricalHMM", "emissionprob_", [[0.0, 0.0, 0.0], [0.1, 0.1, 0.8]], "prob"),
    ("CategoricalHMM", "emissionprob_", [[1.2, -0.2, 0.0], [0.1, 0.1, 0.8]], "prob"),
    ("MultinomialHMM", "emissionprob_", [[0.5, 0.25, 0.5], [0.1, 0.1, 0.8]], "prob"),
    ("MultinomialHMM", "emissionprob_", [[1.2, -0.2, 0.0], [0.1, 0.1, 0.8]], "prob"),
    ("MultinomialHMM", "emissionprob_", [[0.5, np.nan, 0.5], [0.1, 0.1, 0.8]], "prob"),
    ("MultinomialHMM", "emissionprob_", [[1.0, 0.0, 0.0]], "prob"),
    ("GaussianMixture", "weights_", [0.5, 0.6], "weights"),
    ("GaussianMixture", "weights_", [3.0, 1.0], "weights"),
    ("GaussianMixture", "weights_", [1.5, -0.5], "weights"),
    ("GaussianMixture", "weights_", [0.2, 0.3, 0.5], "weights"),
    ("GaussianMixture", "means_", [[0.0, 0.0], [np.nan, 4.0]], MEANS),
    ("GaussianMixture", "means_", [[0.0, 0.0]], MEANS),
    ("GaussianMixture", "covariances_", [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]], COVARIANCES),
    ("GaussianMixture", "covariances_", [np.eye(2), [[1.0, 0.5], [0.0, 1.0]]], COVARIANCES),
    ("GaussianMixture", "covariances_", [np.eye(2), 0 * np.eye(2)], COVARIANCES),
    ("GaussianMixture", "covariances_", [np.eye(2), -np.eye(2)], COVARIANCES),
]  # fmt: skip


@pytest.mark.parametrize(("name", "attribute", "value", "word"), BAD)
def test_a_value_that_is_no_parameter_is_refused(name, attribute, value, word):
    model, x = by_hand(name)
    with pytest.raises(ParameterError, match=word):
        changed_and_used(model, attribute, value, lambda: model.score(x))


def test_a_transition_matrix_is_told_that_its_rows_must_add_up_to_1():
    model, x = by_hand("GaussianHMM diag")
    with pytest.raises(ParameterError, match=r"transmat.*add up to 1"):
        changed_and_used(model, "transmat_", [[0.9, 0.3], [0.2, 0.8]], lambda: model.score(x))


@pytest.mark.parametrize(
    "use", ["predict", "predict_proba", "decode", "score_samples", "aic", "bic", "filter", "forecast", "sample", "fit"]
)
def test_every_use_of_a_bad_chain_is_refused(use):
    model, x = by_hand("GaussianHMM diag")
    model.set_params(init_params="", n_init=1)
    with pytest.raises(ParameterError, match="transmat"):
        changed_and_used(
            model, "transmat_", [[0.9, 0.3], [0.2, 0.8]], lambda: model.sample(3) if use == "sample" else getattr(model, use)(x)
        )


@pytest.mark.parametrize("use", ["predict", "predict_proba", "score_samples", "aic", "bic", "sample", "save"])
def test_every_use_of_a_bad_mixture_is_refused(use, tmp_path):
    gm, x = fitted("GaussianMixture full")
    calls = {"sample": lambda: gm.sample(3), "save": lambda: gm.save(tmp_path / "gm.safetensors")}
    with pytest.raises(ParameterError, match="weights"):
        changed_and_used(gm, "weights_", [0.9, 0.3], calls.get(use, lambda: getattr(gm, use)(x)))


@pytest.mark.parametrize("name", ["HMM full", "HMM poisson", "HMM categorical", "HMM bernoulli", "GaussianMixture diag"])
def test_a_fitted_model_refuses_them_too(name):
    for attribute, value in parameters(fitted(name)[0]).items():
        model, x = fitted(name)
        with pytest.raises(ParameterError, match=attribute.rstrip("_")):
            changed_and_used(model, attribute, np.full_like(value, np.nan), lambda model=model, x=x: model.score(x))


@pytest.mark.parametrize(
    "model", [GaussianHMM(3), GMMHMM(3, 2), PoissonHMM(3), CategoricalHMM(1), MultinomialHMM(3), GaussianMixture(3), GMMHMM(2, 3)]
)
def test_attributes_of_another_number_of_components_are_refused(model):
    _, values, x = next(entry for name, entry in BY_HAND.items() if name.split()[0] == type(model).__name__)

    def set_and_score():
        for attribute, value in values.items():
            setattr(model, attribute, np.asarray(value))
        model.score(x)

    with pytest.raises(ParameterError):
        set_and_score()


@pytest.mark.parametrize("bad", ["bad", "Full", None, 3])
@pytest.mark.parametrize("face", [GaussianHMM, GMMHMM, GaussianMixture])
def test_a_covariance_type_that_does_not_exist_is_named(face, bad):
    """Also where the attributes are set by hand, so that no fit looked at it."""
    settings = {"n_mix": 2} if face is GMMHMM else {}
    _, values, x = next(entry for name, entry in BY_HAND.items() if name.split()[0] == face.__name__)

    def set_and_score():
        model = face(2, covariance_type=bad, **settings)
        for attribute, value in values.items():
            setattr(model, attribute, np.asarray(value))
        model.score(x)

    with pytest.raises(ParameterError, match="covariance_type"):
        set_and_score()


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag", "GaussianHMM diag", "GMMHMM diag"])
@pytest.mark.parametrize("other", ["bad", "tied"])
def test_a_covariance_type_changed_after_the_fit(name, other):
    """The fitted model goes on as it was, or says what does not match; it does not break."""
    model, x = fitted(name)
    before = model.score(x)
    model.set_params(covariance_type=other)
    try:
        after = model.score(x)
    except ParameterError:
        return
    assert after == before


# --- round trips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_an_attribute_set_to_itself_changes_nothing(name):
    model, x = fitted(name)
    before, values = model.score(x), parameters(model)
    for attribute in values:
        setattr(model, attribute, getattr(model, attribute))
        assert model.score(x) == pytest.approx(before, rel=1e-12), attribute
    for attribute, value in values.items():
        np.testing.assert_allclose(getattr(model, attribute), value, rtol=1e-12, err_msg=attribute)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_covariances_read_and_set_again_whatever_the_shape(kind, d, k):
    """hmmlearn's `covars_` are matrices for every type; what was read can be set, whichever numbers coincide."""
    rng = np.random.default_rng(0)
    value, matrices = covariance(rng, kind, d, (k,))
    model = GaussianHMM(k, kind)
    model.startprob_, model.transmat_, model.means_ = np.full(k, 1 / k), np.full((k, k), 1 / k), rng.normal(size=(k, d))
    model.covars_ = value
    x = rng.normal(size=(5, d))
    before = model.score(x)
    np.testing.assert_allclose(model.covars_, matrices, rtol=1e-12)
    model.covars_ = model.covars_
    assert model.score(x) == pytest.approx(before, rel=1e-12)
    np.testing.assert_allclose(model.covars_, matrices, rtol=1e-12)


# --- changed after a fit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_uses_its_components_in_their_new_order(kind):
    gm, x = fitted(f"GaussianMixture {kind}")
    labels, proba, rows = gm.predict(x), gm.predict_proba(x), gm.score_samples(x)
    gm.weights_, gm.means_ = gm.weights_[::-1], gm.means_[::-1]
    if not kind.startswith("tied"):
        gm.covariances_ = gm.covariances_[::-1]
    np.testing.assert_array_equal(gm.predict(x), 1 - labels)
    np.testing.assert_allclose(gm.predict_proba(x), proba[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(gm.score_samples(x), rows, rtol=1e-10)


@pytest.mark.parametrize("name", ["HMM diag", "HMM poisson", "HMM categorical", "HMM bernoulli", "GaussianHMM full", "GMMHMM diag"])
def test_a_chain_uses_its_states_in_their_new_order(name):
    model, x = fitted(name)
    before, path, proba = model.score(x), model.predict(x), model.predict_proba(x)
    for attribute, value in parameters(model).items():
        setattr(model, attribute, value[::-1, ::-1] if attribute == "transmat_" else value[::-1])
    assert model.score(x) == pytest.approx(before, rel=1e-10)
    np.testing.assert_array_equal(model.predict(x), 1 - path)
    np.testing.assert_allclose(model.predict_proba(x), proba[:, ::-1], atol=1e-9)


@pytest.mark.parametrize("name", [name for name, (_, data) in MODELS.items() if data is reals])
def test_shifted_means_fit_shifted_data(name):
    """Every use agrees: scores, labels, criteria, and simulated data."""
    model, x = fitted(name)
    score, labels, bic = model.score(x), model.predict(x), model.bic(x)
    model.means_ = model.means_ + 100.0
    assert model.score(x + 100.0) == pytest.approx(score, rel=1e-9)
    np.testing.assert_array_equal(model.predict(x + 100.0), labels)
    assert model.bic(x + 100.0) == pytest.approx(bic, rel=1e-9)
    assert model.sample(20)[0].min() > 80.0
    assert model.score(x) < score - 1000.0


def test_a_changed_chain_is_used_by_what_looks_ahead():
    model, x = fitted("HMM diag")
    model.transmat_ = np.array([[0.5, 0.5], [0.25, 0.75]])
    np.testing.assert_allclose(model.stationary_, [1 / 3, 2 / 3], rtol=1e-9)
    np.testing.assert_allclose(model.expected_time(), [2.0, 4.0], rtol=1e-9)
    last = model.filter(x)[-1]
    np.testing.assert_allclose(model.forecast(x, 1).states[0], last @ model.transmat_, rtol=1e-9)
    stream = model.stream()
    for row in x:
        state = stream.update(row)
    np.testing.assert_allclose(state, last, atol=1e-12)
    assert stream.log_likelihood == pytest.approx(model.score(x), rel=1e-9)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_change_in_place_is_used_or_refused(name):
    """`model.means_[...] = new`: an error where the array is read-only; else it counts, as when the attribute is set anew."""
    for attribute, value in parameters(fitted(name)[0]).items():
        if attribute not in ("means_", "rates_", "startprob_", "weights_"):
            continue
        new = value * 2.0 + 1.0 if attribute in ("means_", "rates_") else np.broadcast_to([0.99, 0.01], value.shape)
        expected, x = fitted(name)
        setattr(expected, attribute, new)
        model, x = fitted(name)
        try:
            getattr(model, attribute)[...] = new
        except ValueError:
            continue
        assert model.score(x) == pytest.approx(expected.score(x), rel=1e-12), attribute


@pytest.mark.parametrize("attribute", ["precisions_", "precisions_cholesky_"])
@pytest.mark.parametrize("kind", KINDS)
def test_precisions_and_covariances_do_not_contradict_each_other(kind, attribute):
    """They follow from the covariances; setting them by hand counts too, or is refused."""
    gm, x = fitted(f"GaussianMixture {kind}")
    old = getattr(gm, attribute)
    gm.covariances_ = gm.covariances_ * 4.0
    np.testing.assert_allclose(getattr(gm, attribute), old / (4.0 if attribute == "precisions_" else 2.0), rtol=1e-9)
    wide = gm.score(x)
    try:
        setattr(gm, attribute, old)
    except (AttributeError, ValueError):
        return
    assert gm.score(x) > wide + 0.1
    assert gm.score(x) == pytest.approx(fitted(f"GaussianMixture {kind}")[0].score(x), rel=1e-9)


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_hold_what_was_set(name, duplicate):
    model, x = fitted(name)
    change(model)
    assert duplicate(model).score(x) == model.score(x)


def change(model):
    """Swap the components of one attribute, which changes the likelihood."""
    attribute = next(name for name in ("means_", "rates_", "probs_") if hasattr(model, name))
    setattr(model, attribute, getattr(model, attribute)[::-1] + (100.0 if attribute == "means_" else 0.0))
    return attribute


# --- saved, and the criteria --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_what_was_set_is_saved(name, tmp_path):
    model, x = fitted(name)
    before = model.score(x)
    attribute = change(model)
    model.save(tmp_path / "model.safetensors")
    twin = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(getattr(twin, attribute), getattr(model, attribute))
    assert twin.score(x) == model.score(x) != before


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_criteria_of_the_fit_do_not_outlive_it(name, criterion):
    """Once an attribute is changed the fit's log-likelihood is no longer the model's: without data there is nothing to report."""
    model, x = fitted(name)
    before, penalty = getattr(model, criterion)(), getattr(model, criterion)(x) + 2 * total_score(model, x)
    assert before == pytest.approx(getattr(model, criterion)(x), rel=1e-9)
    change(model)
    with pytest.raises((EmkitError, NotFittedError)):
        getattr(model, criterion)()
    assert getattr(model, criterion)(x) == pytest.approx(penalty - 2 * total_score(model, x), rel=1e-9)


def total_score(model, x):
    """A mixture's score is a mean over rows."""
    return model.score(x) * (len(x) if isinstance(model, GaussianMixture) else 1)


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag", "GaussianHMM diag"])
def test_a_summary_shows_what_was_set_or_refuses(name):
    model, _ = fitted(name)
    model.means_ = model.means_ + 54321.0
    try:
        text = model.summary()
    except (EmkitError, NotFittedError):
        return
    assert "5.43" in text


# --- a refused fit ------------------------------------------------------------------------------------------------------


class Interruption(Monitor):
    def step(self, step):
        raise RuntimeError("stopped by the test")


REFUSALS = {
    "fewer columns and rows": (lambda model, x: model.fit(x[:1, :1]), {}),
    "inf": (lambda model, x: model.fit(np.where(np.arange(len(x))[:, None] == 3, np.inf, x)), {}),
    "text": (lambda model, x: model.fit(np.full(x.shape, "a")), {}),
    "one dimension": (lambda model, x: model.fit(x[:, 0]), {}),
    "weights": (lambda model, x: model.fit(x, sample_weight=[-1.0] * 3), {}),
    "random_state": (lambda model, x: model.fit(x), {"random_state": "seed"}),
    "prior": (lambda model, x: model.fit(x), {"prior": "strong"}),
    "tol": (lambda model, x: model.fit(x), {"tol": -1.0}),
    "fixed": (lambda model, x: model.fit(x), {"fixed": {"nonsense": 1.0}}),
}


# Texts are symbols to a CategoricalHMM.
REFUSED = [(refusal, name) for refusal in REFUSALS for name in ONE_OF_EACH if (refusal, name) != ("text", "CategoricalHMM")]


@pytest.mark.parametrize(("refusal", "name"), REFUSED)
def test_a_refused_fit_leaves_the_earlier_fit_as_it_was(name, refusal):
    model, x = fitted(name)
    action, settings = REFUSALS[refusal]
    before = {
        "score": model.score(x),
        "labels": model.predict(x),
        "n": model.n_features_in_,
        "aic": model.aic(),
        **parameters(model),
    }
    old = model.get_params(deep=False)
    model.set_params(**settings)
    with pytest.raises((EmkitError, ValueError)):
        action(model, x.astype(float))
    model.set_params(**old)
    after = {
        "score": model.score(x),
        "labels": model.predict(x),
        "n": model.n_features_in_,
        "aic": model.aic(),
        **parameters(model),
    }
    np.testing.assert_equal(after, before)


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag"])
def test_an_interrupted_fit_leaves_the_earlier_fit_as_it_was(name):
    model, x = fitted(name)
    before = {"score": model.score(x), **parameters(model)}
    model.set_params(monitors=[Interruption()])
    with pytest.raises(RuntimeError, match="stopped by the test"):
        model.fit(x[:20, :1] * 3.0)
    np.testing.assert_equal({"score": model.score(x), **parameters(model)}, before)


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag", "GaussianHMM diag"])
def test_a_refused_fit_leaves_the_columns_names(name):
    pd = pytest.importorskip("pandas")
    model, x = MODELS[name][0](), reals()
    frame = pd.DataFrame(x, columns=["a", "b"])
    before = quietly(model.fit, frame).score(frame)
    with pytest.raises(DataError):
        model.fit(pd.DataFrame({"c": [np.inf, 1.0, 2.0]}))
    assert list(model.feature_names_in_) == ["a", "b"] and model.score(frame) == before


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_refused_first_fit_leaves_nothing(name):
    make, data = MODELS[name]
    model, x = make(), data()
    with pytest.raises(DataError):
        model.fit(np.full(x.shape, np.inf))
    assert parameters(model) == {} and not hasattr(model, "n_features_in_")
    with pytest.raises(NotFittedError):
        model.score(x)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_refused_fit_leaves_what_was_set_by_hand(name):
    model, x = by_hand(name)
    before = model.score(x)
    with pytest.raises(DataError):
        model.fit(np.full((4, 3), np.inf))
    assert model.score(x) == before


# --- warnings as hmmlearn has them --------------------------------------------------------------------------------------


def warnings_of(action, *arguments, **keywords):
    """Texts of the user warnings that are not about convergence."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action(*arguments, **keywords)
    return [str(w.message) for w in caught if issubclass(w.category, UserWarning) and w.category is not ConvergenceWarning]


FACES = [name for name in BY_HAND if name not in ("GaussianMixture", "GaussianHMM full")]


def many(x):
    """Enough rows for a fit, not constant in any column."""
    return np.concatenate([x + (np.arange(len(x)) % 2)[:, None] * step for step in range(10)]) % 5


@pytest.mark.parametrize(("name", "attribute"), [(name, attribute) for name in FACES for attribute in BY_HAND[name][1]])
def test_a_value_that_fit_will_overwrite_is_announced(name, attribute):
    make, values, x = BY_HAND[name]
    model = make().set_params(n_init=1, n_iter=3, tol=0.0, random_state=0)
    setattr(model, attribute, np.asarray(values[attribute]))
    x = many(x) % 3 if name == "CategoricalHMM" else many(x)
    word = {"covars_": "covar", "lambdas_": "lambdas|rates", "emissionprob_": "prob"}.get(attribute, attribute.rstrip("_"))
    with pytest.warns(UserWarning, match=word):
        model.fit(x)
    assert warnings_of(model.fit, x) == []  # the attributes now come from the fit
    setattr(model, attribute, np.asarray(values[attribute]))
    assert warnings_of(model.fit, x) != []


@pytest.mark.parametrize("name", FACES)
def test_starting_values_are_used_without_a_warning(name):
    """Their letters are left out of ``init_params``."""
    model, x = by_hand(name)
    model.set_params(init_params="", n_init=1, n_iter=3)
    assert warnings_of(model.fit, many(x) % 3 if name == "CategoricalHMM" else many(x)) == []


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag"])
def test_emkits_own_estimators_do_not_warn_about_it(name):
    model, x = fitted(name)
    model.means_ = model.means_ + 1.0
    assert warnings_of(model.fit, x) == []


@pytest.mark.parametrize(
    ("model", "x"),
    [
        (GaussianHMM(3, "full", **ONE), reals(d=2)[5:10]),
        (GaussianHMM(3, "diag", **ONE), reals(d=2)[5:10]),
        (GMMHMM(2, 2, **ONE), reals(d=2)[5:10]),
        (PoissonHMM(3, **ONE), np.array([[1], [4], [2], [9]])),
        (CategoricalHMM(3, **ONE), np.array([[0], [2], [1], [3], [1]])),
        (MultinomialHMM(3, **ONE), np.array([[0, 4], [2, 1], [5, 1]])),
    ],
)
def test_fewer_data_than_free_parameters_are_announced(model, x):
    assert any("parameter" in text for text in warnings_of(model.fit, x))


def test_enough_data_and_emkits_own_estimators_are_not():
    assert warnings_of(GaussianHMM(2, **ONE).fit, reals()) == []
    assert warnings_of(HMM(3, covariance_type="full", **ONE).fit, reals()[5:10]) == []
    assert warnings_of(GaussianMixture(3, **ONE).fit, reals()[5:10]) == []
