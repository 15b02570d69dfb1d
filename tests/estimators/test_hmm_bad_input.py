"""What is refused says what was found, where, and what to do."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from emkit import HMM, CategoricalHMM, DataError, GaussianHMM, ParameterError, PoissonHMM
from emkit.core.errors import ImpossibleSequenceError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 2))
SYMBOLS = RNG.integers(3, size=(20, 1))
FRAME = pd.DataFrame({"id": ["a"] * 10 + ["b"] * 10, "year": [*range(10)] * 2, "v": X[:, 0]})
UNKNOWN = np.full(20, -1)


def known(**steps):
    """Labels: unknown but for ``t3=1``: step 3 is in state 1."""
    states = UNKNOWN.copy()
    for step, state in steps.items():
        states[int(step[1:])] = state
    return states


def blank(rows):
    x = X.copy()
    x[rows] = np.nan
    return x


@pytest.mark.parametrize(
    ("data", "lengths", "message"),
    [
        (X, [5, 5], "lengths add up to 10, but the data have 20 rows"),
        (X, [20, 0], r"sequence 1 is empty \(length 0\); drop it"),
        (X, [21, -1], r"sequence 1 is empty \(length -1\)"),
        (X, [9.5, 10.5], "lengths must be integers, got float64"),
        (X, [[20]], r"lengths must be a list of sequence lengths, got shape \(1, 1\)"),
        ([X, X[:0]], None, "sequence 1 is empty; drop it"),
        ([X, X[:, :1]], None, "sequence 1 has 1 columns, sequence 0 has 2"),
        ([X, X], [20, 20], "a list of sequences or a 3-D array has its own lengths"),
        ([X, X[:, 0]], None, r"sequence 1 has 1 dimension\(s\), expected steps and columns"),
        (np.zeros((0, 5, 2)), None, "found no sequence"),
        (X, [[10], [5, 5]], "lengths must be a list of integers"),
        (X, [np.inf, 5.0], "entry 0 is not finite"),
        (X[:, 0], None, r"expected a 2-D array.*reshape\(-1, 1\)"),
        (np.where(X[3, 1] == X, np.inf, X), None, "column 1 row 3 is inf"),
        (blank(slice(None)), None, r"column 0 has no observed value \(all missing\)"),
    ],
)
def test_data(data, lengths, message):
    with pytest.raises(DataError, match=message):
        HMM(2).fit(data, lengths=lengths)


@pytest.mark.parametrize("lengths", [[10, 10], (5, 5, 10), np.array([19, 1])])
def test_lengths_in_the_place_of_y_are_not_ignored(lengths):
    """As in hmmlearn's scripts; emkit's own HMM has scikit-learn's y there."""
    with pytest.raises(DataError, match="if these are lengths of sequences, say lengths="):
        HMM(2).fit(X, lengths)
    with pytest.raises(DataError, match="if these are lengths of sequences, say lengths="):
        HMM(2, random_state=0).fit(X).score(X, lengths)


def test_one_sequence_of_several_may_be_missing():
    """It says nothing, and its likelihood is one."""
    x = blank(slice(0, 10))
    model = HMM(2, random_state=0).fit(x, lengths=[10, 10])
    scores = model.sequence_scores(x, [10, 10])
    assert scores[0] == pytest.approx(0.0, abs=1e-12) and np.isfinite(scores[1])


def test_more_states_than_steps():
    with pytest.raises(DataError, match=r"n_states=21 is more than the 20 step\(s\)"):
        HMM(21).fit(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"transmat_init": [[0.9, 0.2], [0.5, 0.5]]}, "transmat_init row 0 adds up to 1.1, it must add up to 1"),
        ({"transmat_init": [[1.1, -0.1], [0.5, 0.5]]}, "transmat_init holds a negative"),
        ({"transmat_init": np.eye(3)}, r"transmat_init has shape \(3, 3\), expected \(2, 2\)"),
        ({"transmat_init": [[np.nan, 1.0], [0.5, 0.5]]}, "transmat_init holds NaN"),
        ({"startprob_init": [0.6, 0.6]}, "startprob_init adds up to 1.2"),
        ({"startprob_init": [1.6, -0.6]}, "startprob_init holds a negative"),
        ({"fixed": {"transmat": [[1.2, np.nan], [np.nan, np.nan]]}}, "row 0 adds up to 1.2, it must add up to 1 at most"),
        ({"fixed": {"transmat": [[0.2, 0.2], [0.5, 0.5]]}}, r"fixed\['transmat'\] row 0 adds up to 0.4"),
        ({"fixed": {"transmat": np.ones((2, 2), bool)}}, "is a mask, so transmat_init must say"),
        ({"fixed": {"transmat": np.ones((3, 3), bool), "startprob": None}, "transmat_init": np.eye(2)}, "shape"),
        ({"fixed": {"rates": 1.0}}, "the parameters are .*'means', 'covariances'"),
        ({"end": True, "transmat_init": [[0.8, 0.1], [0.1, 0.8]], "endprob_init": [0.1, 0.3]}, "row 1 adds up to 1.2"),
        ({"endprob_init": [0.1, 0.1]}, "endprob is given, but end=False"),
        ({"start": "stationary", "end": True}, "a chain that ends has no stationary distribution"),
        ({"start": "stationary", "fixed": {"startprob": [0.5, 0.5]}}, "startprob cannot be fixed"),
        ({"start": "now"}, "choose one of 'free', 'stationary'"),
        ({"sticky": -1.0}, "at least 0"),
        ({"transmat_prior": 0.0}, "every concentration must be positive"),
        ({"tie": [0, 2]}, "number the shared distributions 0, 1, ... without gaps"),
        ({"tie": [0, 1, 1]}, "tie has 3 entries for 2 states"),
        ({"emission": "weibull"}, "choose one of 'gaussian', 'categorical', 'bernoulli', 'poisson'"),
        ({"n_states": 0}, "n_states=0: give an integer of at least 1"),
        ({"n_states": 2.5}, "n_states=2.5"),
        ({"n_mix": 0}, "n_mix"),
        ({"gaps": "fill"}, "choose one of 'error', 'missing', 'ignore'"),
        ({"order_by": "size"}, "give 'auto', None or a function"),
        (
            {"weights_init": [[0.5, 0.5]] * 2},
            r"init=\['weights'\]: the parameters are 'startprob', 'transmat', 'endprob', 'means', 'covariances'",
        ),
        ({"emission": "poisson", "prior": "strong"}, "the prior of rates must be a GammaPrior, got 'strong'"),
        ({"transmat_prior": [1.0, 2.0, 3.0]}, r"transmat_prior has shape \(3,\); give one concentration, or an array \(2, 2\)"),
        ({"startprob_prior": [1.0, 2.0, 3.0]}, r"startprob_prior has shape \(3,\)"),
        ({"transmat_prior": "a"}, "transmat_prior is not numeric"),
        ({"sticky": "a"}, "sticky='a': give a number of pseudo-counts, at least 0"),
        ({"fixed": ["means"]}, "give a dict of parameter names and values"),
        ({"order_by": lambda family, params: [1.0]}, "order_by must return 2 numbers"),
        ({"order_by": lambda family, params: [np.nan, 1.0]}, "order_by must return 2 numbers"),
    ],
)
def test_settings(settings, message):
    with pytest.raises(ParameterError, match=message):
        HMM(**{"n_states": 2, "max_iter": 1, "tol": 0, **settings}).fit(np.abs(np.round(X)))


@pytest.mark.parametrize(
    ("emission", "data", "message"),
    [
        ("categorical", SYMBOLS + 0.5, r"column 0 row 0 is \d.5, expected a category 0, 1, 2"),
        ("categorical", SYMBOLS - 1, r"column 0 row \d is -1, expected a category 0, 1, 2"),
        (
            "categorical",
            np.eye(3)[SYMBOLS[:, 0]],
            r"look one-hot encoded .* give one column of symbols instead, the place of each row's 1",
        ),
        ("categorical", np.eye(2)[SYMBOLS[:, 0] % 2], "the 2 columns look one-hot encoded"),
        ("poisson", SYMBOLS - 1, r"column 0 row \d is -1, expected a count 0, 1, 2"),
        ("poisson", SYMBOLS + 0.5, "expected a count 0, 1, 2"),
        ("categorical", np.array([[0], [10**9], [1]]), "holds the symbol 1000000000, so 1000000001 categories"),
        ("bernoulli", SYMBOLS, "column 0 row 0 is 2, expected 0 or 1"),
    ],
)
def test_emissions(emission, data, message):
    with pytest.raises(DataError, match=message):
        HMM(2, emission).fit(data)


def test_a_cell_is_named_as_the_user_has_it():
    """By the row of the frame, whatever order its rows are in; by sequence and step of a list."""
    frame = pd.DataFrame({"id": list("babab"), "t": [2, 3, 1, 1, 3], "v": [1.0, 2.0, 0.0, 3.5, 1.0]})
    with pytest.raises(DataError, match=r"column 'v' row 3 is 3.5, expected a count"):
        HMM(2, "poisson", sequence="id", order="t", gaps="ignore").fit(frame)
    with pytest.raises(DataError, match=r"column 0 sequence 1 step 2 is 0.5, expected a category"):
        HMM(2, "categorical").fit([SYMBOLS[:4], np.array([[1.0], [0.0], [0.5]])])
    with pytest.raises(DataError, match=r"sequence 1: column 0 row 2 is inf"):
        HMM(2).fit([X[:4, :1], np.array([[1.0], [0.0], [np.inf]])])


def test_order_columns_that_floats_cannot_tell_apart():
    """Nanoseconds, and large integers."""
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(20) * 100, unit="ns")
    for order in (time, 2**60 + np.arange(20)):
        model = HMM(1, order="t").fit(pd.DataFrame({"t": order, "v": X[:, 0]}).sample(frac=1.0, random_state=0))
        np.testing.assert_allclose(model.means_[0, 0], X[:, 0].mean())
    far = pd.DataFrame({"t": [0, 10**13], "v": [0.0, 1.0]})
    with pytest.raises(DataError, match="would make 10000000000001 steps of 2 rows"):
        HMM(1, order="t", gaps="missing").fit(far)
    with pytest.raises(DataError, match="twice"):
        HMM(1, order="t").fit(pd.DataFrame({"t": [2**60, 2**60], "v": [0.0, 1.0]}))


def test_after_the_fit():
    model = GaussianHMM(2, random_state=0).fit(X)
    with pytest.raises(DataError, match=r"the step has 1 value\(s\), but this HMM was fitted with 2"):
        model.stream().update([1.0])
    with pytest.raises(DataError, match="text 'a'"):
        model.stream().update(["a", 1.0])
    with pytest.raises(ParameterError, match="horizon='a'"):
        model.forecast(X, horizon="a")
    with pytest.raises(ParameterError, match=r"n_samples=1.5"):
        model.sample(1.5)
    with pytest.raises(ParameterError, match=r"order= beside a stream: .* sort the files"):
        HMM(1, order="t").fit(pl.LazyFrame({"t": [1, 2], "v": [0.0, 1.0]}))


def test_symbols_out_of_range():
    with pytest.raises(DataError, match="holds the symbol 2, but n_categories=2 allows 0 to 1"):
        HMM(2, "categorical", n_categories=2).fit(SYMBOLS)
    with pytest.raises(DataError, match="holds the symbol 2, but n_categories=2 allows 0 to 1"):
        CategoricalHMM(2, n_features=2).fit(SYMBOLS)


@pytest.mark.parametrize("wrong", [3.0, 0.5, -1.0])
@pytest.mark.parametrize("emission", ["categorical", "bernoulli", "poisson"])
def test_cells_a_fitted_model_cannot_produce(emission, wrong):
    """They have probability zero; they are not rounded to something that has not."""
    x = np.minimum(SYMBOLS, 1) if emission == "bernoulli" else SYMBOLS
    model = HMM(2, emission, random_state=0).fit(x)
    new = x[:6].astype(float)
    new[4] = wrong
    scores = model.sequence_scores(new, [3, 3])
    possible = emission == "poisson" and wrong == 3.0
    assert np.isfinite(scores[0]) and np.isfinite(scores[1]) == possible
    if not possible:
        with pytest.raises(ImpossibleSequenceError, match="sequence 1 has probability zero"):
            model.predict(new, [3, 3])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), r"sample_weight has 3 entries for 2 sequence\(s\) of 20 rows: one for each sequence"),
        (np.arange(20), r"a sequence has one weight, the same in all its rows; sequence 0 has 0 and 1 \(row 1\)"),
        ([1.0, -1.0], "row 1 is negative"),
        ([1.0, np.nan], "row 1 is NaN"),
        ([0.0, 0.0], "every weight is zero"),
    ],
)
def test_weights(weights, message):
    with pytest.raises(DataError, match=message):
        HMM(2).fit(X, lengths=[10, 10], sample_weight=weights)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (known(t3=5), "states row 3 is 5; they are numbered 0 to 1, -1 where unknown"),
        (known(t3=-2), "states row 3 is -2"),
        (UNKNOWN + 0.5, "states row 0 is -0.5"),
        (UNKNOWN[:5], r"states has shape \(5,\), expected \(20,\) or \(20, 2\)"),
        (["hot"] * 20, "states must be numbers 0 to 1"),
        (np.arange(20)[:, None] != [[4, 4]], "states row 4 rules out every label"),
        (np.where(np.arange(20)[:, None] == [[4, 4]], -1.0, 1.0), "finite nonnegative"),
    ],
)
def test_labels(states, message):
    with pytest.raises(DataError, match=message):
        HMM(2).fit(X, states=states)


@pytest.mark.parametrize(
    ("settings", "states", "sequence"),
    [
        ({"startprob_init": [1.0, 0.0]}, known(t10=1), 1),
        ({"transmat_init": [[0.5, 0.5], [0.0, 1.0]]}, known(t2=1, t3=0), 0),
        ({"transmat_init": [[0.5, 0.5], [0.0, 1.0]]}, known(t12=1, t17=0), 1),
        ({"fixed": {"transmat": [[0.5, 0.5], [0.0, 1.0]]}}, known(t9=0, t1=1), 0),
    ],
)
def test_labels_contradicting_zeros(settings, states, sequence):
    with pytest.raises(ImpossibleSequenceError, match=f"sequence {sequence} has probability zero.*labels that contradict"):
        HMM(2, **settings).fit(X, lengths=[10, 10], states=states)


def changed(column, row, value):
    frame = FRAME.astype({column: object}) if value is None else FRAME.astype({column: float})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (changed("year", 13, 2), "sequence 'b' has year = 2 twice"),
        (FRAME[FRAME.year != 4], "sequence 'a' jumps from year = 3 to 5; say gaps='missing'"),
        (changed("year", 3, np.nan), "column 'year' row 3 is missing; every row needs its place"),
        (changed("id", 3, None), "column 'id' row 3 is missing; every row belongs to a sequence"),
        (FRAME.rename(columns={"id": "who"}), "no column 'id'; the columns are who, year, v"),
        (X, "the data must be a data frame"),
    ],
)
def test_tables(frame, message):
    with pytest.raises(DataError, match=message):
        HMM(2, sequence="id", order="year").fit(frame)


def test_a_sequence_column_and_lengths():
    with pytest.raises(DataError, match="not both"):
        HMM(2, sequence="id").fit(FRAME, lengths=[10, 10])


def test_new_data_must_look_like_the_old():
    model = HMM(2, random_state=0).fit(X)
    with pytest.raises(DataError, match="X has 1 features, but HMM is expecting 2 features"):
        model.predict(X[:, :1])
    named = HMM(2, sequence="id", order="year", random_state=0).fit(FRAME)
    with pytest.raises(DataError, match=r"(?s)feature names should match.*unseen at fit time:\n- w\n.*now missing:\n- v\n"):
        named.predict(FRAME.rename(columns={"v": "w"}))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (GaussianHMM(2, params="stz"), r"params='stz': unknown letter\(s\) \['z'\]"),
        (GaussianHMM(2, params="st"), r"leaves \['means', 'covariances'\] untouched, so give starting values"),
        (GaussianHMM(2, init_params="zz"), "init_params='zz'"),
    ],
)
def test_letters(model, message):
    with pytest.raises(ParameterError, match=message):
        model.fit(X)


def test_poisson_face_names_the_rates():
    with pytest.raises(ParameterError, match=r"\(rates_init\) has shape \(3,\), expected \(2, 1\)"):
        PoissonHMM(2, rates_init=[1.0, 2.0, 3.0]).fit(SYMBOLS)
