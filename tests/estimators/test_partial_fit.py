"""partial_fit: rows and sequences as they arrive, of every estimator that can learn from them."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import emkit
from emkit import (
    HMM,
    DataError,
    Gaussian,
    GaussianHMM,
    GaussianMixture,
    LatentClass,
    Mixture,
    ParameterError,
    PoissonHMM,
    StopReason,
)

pytestmark = pytest.mark.filterwarnings("ignore:partial_fit begins with")


def clusters(n, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(shift + np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])[rng.integers(3, size=n)], 1.0)


@pytest.fixture(scope="module")
def x():
    return clusters(12_000)


@pytest.mark.parametrize("chunk", [200, 2000])
def test_chunks_come_close_to_a_fit_of_all_rows(x, chunk):
    whole = GaussianMixture(3, random_state=0).fit(x)
    model = GaussianMixture(3, random_state=0)
    for begin in range(0, len(x), chunk):
        model.partial_fit(x[begin : begin + chunk])
    assert len(x) * (whole.score(x) - model.score(x)) < 15  # 17 parameters; a first fit to 200 rows is 60 nats and more below
    assert model.result_.reason is StopReason.STREAM and model.result_.n_rows == len(x)
    assert "learnt from a stream" in model.summary() and not model.converged_


def test_it_goes_on_after_a_fit(x):
    model = GaussianMixture(3, random_state=0).fit(x[:6000])
    before = model.means_.copy()
    model.partial_fit(x[6000:6100])
    assert 0 < np.abs(model.means_ - before).max() < 0.1  # a hundred rows do not outweigh six thousand
    assert model.result_.n_rows == 6100


def test_the_prior_counts_once(x):
    """Against all rows so far, however many calls there were: weights are nearly those of maximum likelihood."""
    plain, strong = (GaussianMixture(3, weights_prior=prior, random_state=0) for prior in (None, 101.0))
    for begin in range(0, len(x), 500):
        for model in (plain, strong):
            model.partial_fit(x[begin : begin + 500])
    expected = (plain.weights_ * len(x) + 100) / (len(x) + 300)
    np.testing.assert_allclose(np.sort(strong.weights_), np.sort(expected), atol=0.004)


def test_forgetting_follows_a_drift_and_the_rest_lags_behind():
    kept, forgetful = GaussianMixture(3, random_state=0), GaussianMixture(3, random_state=0)
    for i in range(40):
        rows = clusters(500, seed=i, shift=0.1 * i)
        forgetful.partial_fit(rows, forget=2000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says that the rows are strange
            kept.partial_fit(rows)
    now = clusters(2000, seed=99, shift=3.9)
    assert forgetful.score(now) > kept.score(now) + 0.2
    lag = np.mean(np.sort(clusters(2000, seed=99, shift=3.9).mean(axis=0))) - np.mean(forgetful.weights_ @ forgetful.means_)
    # In the mean, rows are 2000 / ln 2 old: that is .58 of drift; the average over time adds something.
    assert 0.4 < lag < 1.0


def test_sorted_rows_are_warned_of_once(x):
    model = GaussianMixture(3, random_state=0)
    rising = x[np.argsort(x[:, 0])]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for begin in range(0, len(x), 2000):
            model.partial_fit(rising[begin : begin + 2000])
    (said,) = [str(w.message) for w in caught if "far from those before in column 0" in str(w.message)]
    assert "if the source drifts, say forget=" in said


def test_shuffled_rows_are_not_warned_of(x, recwarn):
    model = GaussianMixture(3, random_state=0)
    for begin in range(0, len(x), 2000):
        model.partial_fit(x[begin : begin + 2000])
    assert not [w for w in recwarn if "far from" in str(w.message)]


@pytest.mark.filterwarnings("default:partial_fit begins with")
def test_the_first_rows_are_kept_until_there_are_enough(x):
    model = GaussianMixture(3, random_state=0)
    with pytest.warns(UserWarning, match="partial_fit begins with 60 rows; there are 40 so far, which are kept until then"):
        model.partial_fit(x[:40])
    assert model.n_features_in_ == 2 and not hasattr(model, "means_")
    model.partial_fit(x[40:70])
    at_once = GaussianMixture(3, random_state=0).partial_fit(x[:70])
    assert np.array_equal(model.means_, at_once.means_) and model.result_.n_rows == 70


def test_a_weight_of_two_is_the_row_twice(x):
    first, more = x[:500], x[500:700]
    once = GaussianMixture(3, random_state=0).partial_fit(first).partial_fit(more, sample_weight=np.full(200, 2.0))
    twice = GaussianMixture(3, random_state=0).partial_fit(first).partial_fit(np.concatenate([more, more]))
    np.testing.assert_allclose(once.means_, twice.means_, rtol=1e-9)
    np.testing.assert_allclose(once.covariances_, twice.covariances_, rtol=1e-9)


def test_columns_are_checked_on_later_calls(x):
    model = GaussianMixture(3, random_state=0).partial_fit(pd.DataFrame(x[:500], columns=["a", "b"]))
    before = model.means_.copy()
    with pytest.raises(ValueError, match=r"feature names|columns"):
        model.partial_fit(pd.DataFrame(x[500:600], columns=["a", "c"]))
    with pytest.raises(ValueError, match="X has 1 features, but GaussianMixture is expecting 2"):
        model.partial_fit(x[500:600, :1])
    with pytest.raises(DataError, match="inf"):
        model.partial_fit(pd.DataFrame([[np.inf, 1.0]], columns=["a", "b"]))
    assert np.array_equal(model.means_, before)


def test_settings_that_shape_the_model_may_not_change(x):
    model = GaussianMixture(3, random_state=0).partial_fit(x[:500])
    with pytest.raises(ParameterError, match="settings that shape the model were changed"):
        model.set_params(covariance_type="diag").partial_fit(x[500:600])
    with pytest.raises(ParameterError, match="the number has to be given for partial_fit"):
        GaussianMixture("auto").partial_fit(x[:500])
    with pytest.raises(ParameterError, match="forget=0"):
        GaussianMixture(3, random_state=0).partial_fit(x[:500]).partial_fit(x[500:600], forget=0)


def test_values_set_by_hand_are_gone_on_from_and_criteria_ask_for_data(x):
    model = GaussianMixture(3, random_state=0).partial_fit(x[:500])
    model.means_ = model.means_ + 0.01
    model.partial_fit(x[500:1000])
    with pytest.raises(ParameterError, match="give data"):
        model.bic()
    assert model.bic(x[:1000]) > 0


def test_it_survives_pickling_between_calls(x):
    a = GaussianMixture(3, random_state=0).partial_fit(x[:500]).partial_fit(x[500:900])
    b = pickle.loads(pickle.dumps(a))
    assert np.array_equal(a.partial_fit(x[900:2000]).means_, b.partial_fit(x[900:2000]).means_)


@pytest.mark.parametrize("begun", ["fit", "partial_fit"])
def test_a_loaded_model_goes_on_to_the_same_bits(x, begun, tmp_path):
    """Also where the file was loaded and saved once more before, and the parameters were set by hand."""
    model = GaussianMixture(3, random_state=0)
    getattr(model, begun)(x[:500])
    model.partial_fit(x[500:900])
    model.save(tmp_path / "m.safetensors")
    emkit.load(tmp_path / "m.safetensors").save(tmp_path / "again.safetensors")
    loaded = emkit.load(tmp_path / "again.safetensors")
    for one in (model, loaded):
        one.partial_fit(x[900:2000]).partial_fit(x[2000:2300], forget=500)
    assert np.array_equal(model.means_, loaded.means_) and model.result_.log_likelihood == loaded.result_.log_likelihood
    assert (tmp_path / "m.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    loaded.means_ = loaded.means_ + 0.1
    loaded.save(tmp_path / "by_hand.safetensors")
    by_hand = emkit.load(tmp_path / "by_hand.safetensors")
    assert np.array_equal(loaded.partial_fit(x[:600]).means_, by_hand.partial_fit(x[:600]).means_)
    with pytest.warns(UserWarning, match="far from those before"):
        by_hand.partial_fit(x[:600] + 50.0)


def test_every_kind_of_statistics_goes_through_a_file(tmp_path):
    rng = np.random.default_rng(0)
    z = rng.integers(2, size=1200)
    town = np.where(rng.random(1200) < 0.3 + 0.4 * z, "A", "B")
    frame = pd.DataFrame({"n": rng.poisson(1 + 5 * z), "w": rng.normal(5.0 * z), "v": rng.normal(5.0 * z), "town": town})
    frame.loc[::17, "w"] = np.nan
    for family in ({"w": "student_t"}, {("w", "v"): Gaussian("full")}):
        model = Mixture(2, family, random_state=0).partial_fit(frame[:600])
        model.save(tmp_path / "m.safetensors")
        loaded = emkit.load(tmp_path / "m.safetensors")
        for one in (model, loaded):
            one.partial_fit(frame[600:])
        for name, value in model.parameters().items():
            np.testing.assert_array_equal(loaded.parameters()[name], value)
    steps = chain(40)
    for face in (HMM(2, emission="poisson", random_state=0), PoissonHMM(2, random_state=0)):
        face.partial_fit(steps[:20].reshape(-1, 1), lengths=[60] * 20).save(tmp_path / "h.safetensors")
        loaded = emkit.load(tmp_path / "h.safetensors")
        for one in (face, loaded):
            one.partial_fit(steps[20:].reshape(-1, 1), lengths=[60] * 20)
        assert np.array_equal(face.transmat_, loaded.transmat_)


def test_the_file_of_a_fit_has_no_statistics_and_says_so(x, tmp_path):
    GaussianMixture(3, random_state=0).fit(x[:500]).save(tmp_path / "m.safetensors")
    with pytest.raises(ParameterError, match=r"has no statistics to go on from.*Fit it again"):
        emkit.load(tmp_path / "m.safetensors").partial_fit(x[500:600])


def test_tables_of_any_kind():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=4000)
    frame = pd.DataFrame({
        "visits": rng.poisson(np.array([1.0, 6.0])[kind]),
        "weight": rng.normal(np.array([60.0, 80.0])[kind], 5.0),
        "town": np.where(rng.random(4000) < np.array([0.2, 0.7])[kind], "A", "B"),
    })  # fmt: skip
    frame.loc[::17, "weight"] = np.nan
    whole, model = Mixture(2, random_state=0).fit(frame), Mixture(2, random_state=0)
    for begin in range(0, 4000, 400):
        model.partial_fit(frame.iloc[begin : begin + 400])
    assert 0 <= 4000 * (whole.score(frame) - model.score(frame)) < 10
    with pytest.raises(DataError, match="town"):
        model.partial_fit(pd.DataFrame({"visits": [1], "weight": [60.0], "town": ["C"]}))


def test_latent_classes():
    rng = np.random.default_rng(0)
    yes = np.where(rng.random((4000, 1)) < 0.4, 0.9, 0.2)
    answers = np.where(rng.random((4000, 5)) < yes, "yes", "no")
    whole, model = LatentClass(2, random_state=0).fit(answers), LatentClass(2, random_state=0)
    for begin in range(0, 4000, 500):
        model.partial_fit(answers[begin : begin + 500])
    assert 0 <= 4000 * (whole.score(answers) - model.score(answers)) < 6


def chain(sequences=120, length=60, seed=0):
    rng = np.random.default_rng(seed)
    states = np.cumsum(rng.random((sequences, length)) < 0.2, axis=1) % 2
    return rng.poisson(np.array([2.0, 9.0])[states]).astype(float)[:, :, None]


@pytest.mark.parametrize("face", [lambda: HMM(2, emission="poisson", random_state=0), lambda: PoissonHMM(2, random_state=0)])
def test_sequences(face):
    x = chain()
    whole, model = face().fit(x), face()
    for begin in range(0, len(x), 12):
        model.partial_fit(x[begin : begin + 12])
    assert 0 <= whole.score(x) - model.score(x) < 20
    np.testing.assert_allclose(np.sort(model.rates_.ravel()), [2, 9], atol=0.2)
    assert model.predict(x[:2]).shape == (120,)


def test_faces_of_hmmlearn_go_on_after_a_fit_with_what_it_held():
    steps, lengths = chain(40).reshape(-1, 1), [60] * 40
    face = PoissonHMM(2, params="tl", init_params="tl", random_state=0)
    face.startprob_ = np.array([0.5, 0.5])
    face.fit(steps, lengths=lengths).partial_fit(steps, lengths=lengths)
    np.testing.assert_array_equal(face.startprob_, [0.5, 0.5])


def test_few_sequences_are_kept_and_letters_held():
    x = chain(2)
    model = HMM(2, emission="poisson", random_state=0).partial_fit(x[:1][:, :30]).partial_fit(x[1:])
    assert model.result_.n_rows == 90
    held = GaussianHMM(2, params="st", init_params="", random_state=0)
    held.startprob_, held.transmat_ = [0.5, 0.5], [[0.8, 0.2], [0.2, 0.8]]
    held.means_, held.covars_ = [[2.0], [9.0]], [[[2.0]], [[9.0]]]
    for _ in range(3):
        held.partial_fit(chain(20, 50))
    assert held.means_.ravel().tolist() == [2.0, 9.0]
    assert not np.allclose(held.transmat_, [[0.8, 0.2], [0.2, 0.8]])


@pytest.mark.parametrize("name", ["AutoClass", "BayesianNetwork", "RBFRegressor", "VariationalGaussianHMM"])
def test_those_that_cannot_say_why(name):
    face = getattr(emkit, name)
    model = face(edges=[("a", "b")]) if name == "BayesianNetwork" else face()
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match=f"{name} has no partial_fit: "):
        model.partial_fit  # noqa: B018
