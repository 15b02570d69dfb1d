"""How sequences reach the estimators: lengths by keyword, y ignored, pipelines, metadata routing, tables."""

import inspect

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from small_models import LENGTHS, MODELS, ONE, ONE_OF_EACH, fitted, parameters, quietly, reals, state

from emkit import GMMHMM, HMM, CategoricalHMM, DataError, GaussianHMM, GaussianMixture, PoissonHMM

FACES = ["GaussianHMM diag", "GMMHMM diag", "PoissonHMM", "MultinomialHMM", "CategoricalHMM"]
HMMS = ["HMM diag", "HMM poisson", *FACES]


def two(name):
    """An unfitted model and its data."""
    make, data = MODELS[name]
    return make(), data()


# --- y, and lengths -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [np.ones(40, int), np.zeros(40), state(), np.full(40, "a"), list(range(40)), np.full(40, np.nan), pd.Series([2] * 40), None],
)
def test_y_is_ignored(y):
    """Sixty ones are not sixty sequences of one step."""
    x = reals()
    expected = HMM(2, **ONE).fit(x)
    for model in (HMM(2, **ONE).fit(x, y), HMM(2, **ONE).fit(x, y=y)):
        np.testing.assert_equal(parameters(model), parameters(expected))
        assert model.score(x, y) == model.score(x, y=y) == expected.score(x)


@pytest.mark.parametrize("name", ["HMM diag", "HMM poisson", "HMM categorical", "HMM bernoulli"])
def test_y_and_lengths_together(name):
    model, x = two(name)
    model.fit(x, np.ones(40, int), lengths=LENGTHS)
    expected = two(name)[0].fit(x, lengths=LENGTHS)
    np.testing.assert_equal(parameters(model), parameters(expected))
    assert model.score(x, np.ones(40, int), lengths=LENGTHS) == expected.score(x, lengths=LENGTHS) != expected.score(x)


@pytest.mark.parametrize("method", ["fit", "score"])
def test_the_signature_is_scikit_learns(method):
    parameters = inspect.signature(getattr(HMM, method)).parameters
    assert list(parameters)[:3] == ["self", "X", "y"] and parameters["y"].default is None
    assert parameters["lengths"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("name", FACES)
def test_hmmlearns_faces_take_lengths_by_position(name):
    model, x = two(name)
    quietly(model.fit, x, LENGTHS)
    expected = quietly(two(name)[0].fit, x, lengths=LENGTHS)
    np.testing.assert_equal(parameters(model), parameters(expected))
    assert model.score(x, LENGTHS) != model.score(x)
    for method in ("score", "predict", "predict_proba", "decode", "score_samples", "aic", "bic"):
        np.testing.assert_equal(getattr(model, method)(x, LENGTHS), getattr(expected, method)(x, lengths=LENGTHS))
    assert model.score(x, LENGTHS) == pytest.approx(model.score(x[:24]) + model.score(x[24:]), rel=1e-10)


@pytest.mark.parametrize("name", FACES)
@pytest.mark.parametrize("lengths", [[5, 5], [40, 1], [41, -1], [20.5, 19.5], [39]])
def test_wrong_lengths_by_position_are_not_ignored(name, lengths):
    model, x = two(name)
    with pytest.raises(DataError):
        model.fit(x, lengths)
    quietly(model.fit, x)
    with pytest.raises(DataError):
        model.score(x, lengths)


@pytest.mark.parametrize("name", HMMS)
def test_wrong_lengths_by_keyword(name):
    model, x = two(name)
    with pytest.raises(DataError, match="lengths"):
        model.fit(x, lengths=[5, 5])


def test_cross_validation_passes_y_on():
    x, y = reals(), state()
    found = cross_val_score(HMM(1, **ONE), x, y, cv=[(np.arange(20), np.arange(20, 40))])
    assert found[0] == pytest.approx(HMM(1, **ONE).fit(x[:20]).score(x[20:]))


# --- pipelines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", [name for name in HMMS if not any(word in name.lower() for word in ("poisson", "categorical", "multinomial"))]
)
def test_a_pipeline_hands_lengths_to_its_last_step(name):
    model, x = two(name)
    scaled = StandardScaler().fit_transform(x)
    expected = quietly(two(name)[0].fit, scaled, lengths=LENGTHS)
    pipe = quietly(Pipeline([("scale", StandardScaler()), ("hmm", model)]).fit, x, hmm__lengths=LENGTHS)
    np.testing.assert_equal(parameters(pipe[-1]), parameters(expected))
    np.testing.assert_array_equal(pipe.predict(x, lengths=LENGTHS), expected.predict(scaled, lengths=LENGTHS))
    assert pipe.score(x) == expected.score(scaled)


@pytest.mark.parametrize("name", ["PoissonHMM", "MultinomialHMM", "CategoricalHMM", "HMM poisson"])
def test_a_pipeline_of_one_step(name):
    model, x = two(name)
    pipe = Pipeline([("hmm", model)]).fit(x, hmm__lengths=LENGTHS)
    np.testing.assert_equal(parameters(pipe[-1]), parameters(two(name)[0].fit(x, lengths=LENGTHS)))


def test_a_pipeline_hands_y_on_and_it_is_ignored():
    x, y = reals(), state()
    pipe = Pipeline([("scale", StandardScaler()), ("hmm", HMM(2, **ONE))]).fit(x, y)
    scaled = StandardScaler().fit_transform(x)
    expected = HMM(2, **ONE).fit(scaled)
    np.testing.assert_array_equal(pipe[-1].means_, expected.means_)
    assert pipe.score(x, y) == expected.score(scaled)


@pytest.mark.parametrize("name", HMMS)
def test_metadata_routing_of_lengths(name):
    """`set_fit_request(lengths=True)`: a pipeline takes `lengths` and hands it to the steps that asked for it."""
    model, x = two(name)
    expected = quietly(two(name)[0].fit, x, lengths=LENGTHS)
    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(lengths=True).set_predict_request(lengths=True).set_score_request(lengths=True)
        pipe = quietly(Pipeline([("hmm", model)]).fit, x, lengths=LENGTHS)
        np.testing.assert_equal(parameters(pipe[-1]), parameters(expected))
        np.testing.assert_array_equal(pipe.predict(x, lengths=LENGTHS), expected.predict(x, lengths=LENGTHS))
        assert pipe.score(x, lengths=LENGTHS) == expected.score(x, lengths=LENGTHS)


def test_routing_with_a_scaler_before():
    x = reals()
    expected = HMM(2, **ONE).fit(StandardScaler().fit_transform(x), lengths=LENGTHS)
    with sklearn.config_context(enable_metadata_routing=True):
        model = HMM(2, **ONE).set_fit_request(lengths=True)
        pipe = Pipeline([("scale", StandardScaler()), ("hmm", model)]).fit(x, lengths=LENGTHS)
        np.testing.assert_array_equal(pipe[-1].transmat_, expected.transmat_)


def test_lengths_that_nobody_asked_for_are_not_dropped():
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = Pipeline([("hmm", HMM(2, **ONE))])
        with pytest.raises(UnsetMetadataPassedError):
            pipe.fit(reals(), lengths=LENGTHS)


def test_routing_of_weights_of_sequences():
    x = reals()
    expected = HMM(2, **ONE).fit(x, lengths=LENGTHS, sample_weight=[2.0, 1.0])
    with sklearn.config_context(enable_metadata_routing=True):
        model = HMM(2, **ONE).set_fit_request(lengths=True, sample_weight=True)
        pipe = Pipeline([("hmm", model)]).fit(x, lengths=LENGTHS, sample_weight=[2.0, 1.0])
    np.testing.assert_array_equal(pipe[-1].means_, expected.means_)


# --- tables -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("method", ["predict", "score", "predict_proba", "score_samples"])
def test_an_array_after_a_fit_on_a_frame_is_pointed_out(name, method):
    model, x = two(name)
    frame = pd.DataFrame(x, columns=[f"v{j}" for j in range(x.shape[1])])
    quietly(model.fit, frame)
    with pytest.warns(UserWarning, match="valid feature names"):
        getattr(model, method)(x)


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_a_record_batch_is_a_table(name):
    pa = pytest.importorskip("pyarrow")
    model, x = two(name)
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in x.T], names=[f"v{j}" for j in range(x.shape[1])])
    quietly(model.fit, batch)
    np.testing.assert_equal(parameters(model), parameters(fitted(name)[0]))
    np.testing.assert_array_equal(model.predict(batch), fitted(name)[0].predict(x))
    assert list(model.feature_names_in_) == [f"v{j}" for j in range(x.shape[1])]


# --- data are read once -------------------------------------------------------------------------------------------------


class Counted:
    """An array-like that counts how often it is turned into an array."""

    def __init__(self, x):
        self.x, self.shape, self.reads = np.asarray(x), np.shape(x), 0

    def __len__(self):
        return len(self.x)

    def __array__(self, dtype=None, copy=None):
        self.reads += 1
        return np.array(self.x, dtype=dtype)


def reads(action, x):
    counted = Counted(x)
    action(counted)
    return counted.reads


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_criteria_read_the_data_as_often_as_score_does(name, criterion):
    model, x = fitted(name)
    once = reads(model.score, x)
    assert once >= 1
    assert reads(getattr(model, criterion), x) == once


def test_icl_too():
    gm, x = fitted("GaussianMixture full")
    assert reads(gm.icl, x) == reads(gm.score, x)


@pytest.mark.parametrize("criterion", ["aic", "bic"])
@pytest.mark.parametrize(
    "model", [HMM(2, **ONE), GaussianHMM(2, **ONE), PoissonHMM(2, **ONE), CategoricalHMM(2, **ONE), GMMHMM(2, **ONE)]
)
def test_criteria_of_sequences_that_can_be_read_once(model, criterion):
    x = np.abs(np.round(reals(1))) % 3
    quietly(model.fit, x, lengths=LENGTHS)
    found = getattr(model, criterion)(part for part in (x[:24], x[24:]))
    assert found == pytest.approx(getattr(model, criterion)(x, lengths=LENGTHS), rel=1e-12)


def test_a_mixtures_criterion_is_right():
    gm, x = fitted("GaussianMixture full")
    assert isinstance(gm, GaussianMixture)
    assert gm.bic(x) == pytest.approx(-2 * 40 * gm.score(x) + 11 * np.log(40))
