"""Lists of sequences, in every way people have them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from emkit import HMM, DataError
from emkit.data.sequence_input import read_sequences

LONG, SHORT = np.arange(6.0), np.arange(4.0)


def ragged(*arrays):
    out = np.empty(len(arrays), dtype=object)
    out[:] = arrays
    return out


MANY = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "generator": lambda a, b: (s for s in (a, b)),
    "iterator": lambda a, b: iter([a, b]),
    "object array": ragged,
    "pandas Series": lambda a, b: pd.Series([a, b]),
}
ONE_COLUMN = {
    **MANY,
    "list of Series": lambda a, b: [pd.Series(a), pl.Series(b)],
    "list of masked arrays": lambda a, b: [np.ma.masked_array(a), np.ma.masked_array(b)],
    "object array of lists": lambda a, b: ragged(a.tolist(), b.tolist()),
    "polars Series": lambda a, b: pl.Series([a.tolist(), b.tolist()]),
}


@pytest.mark.parametrize("kind", ONE_COLUMN)
def test_of_one_column(kind):
    found = read_sequences(ONE_COLUMN[kind](LONG, SHORT))
    np.testing.assert_array_equal(found.x, np.concatenate([LONG, SHORT])[:, None])
    assert found.lengths.tolist() == [6, 4] and found.listed


@pytest.mark.parametrize("kind", MANY)
def test_of_two_columns(kind):
    a, b = LONG.reshape(3, 2), SHORT.reshape(2, 2)
    found = read_sequences(MANY[kind](a, b))
    np.testing.assert_array_equal(found.x, np.concatenate([a, b]))
    assert found.lengths.tolist() == [3, 2]


def test_a_fit_is_that_of_rows_with_lengths():
    right = HMM(2, random_state=0).fit(np.concatenate([LONG, SHORT])[:, None], lengths=[6, 4])
    found = HMM(2, random_state=0).fit([LONG, SHORT])
    np.testing.assert_array_equal(found.means_, right.means_)
    np.testing.assert_array_equal(found.predict([LONG, SHORT]), right.predict([LONG, SHORT]))
    np.testing.assert_array_equal(found.predict([LONG]), right.predict(LONG[:, None]))


def test_lists_of_numbers_are_a_matrix():
    found = read_sequences([[1, 2], [3, 4]])
    assert found.x.tolist() == [[1, 2], [3, 4]] and found.lengths.tolist() == [2] and not found.listed
    assert read_sequences(np.array([[1, 2], [3, 4]], dtype=object)).lengths.tolist() == [2]
    assert read_sequences([[[1], [2]], [[3]]]).lengths.tolist() == [2, 1]


def test_arrays_of_equal_length_may_be_rows():
    with pytest.raises(DataError, match=r"2 one-dimensional arrays, 4 numbers each, may be rows or sequences.*np\.stack"):
        read_sequences([SHORT, SHORT])
    assert read_sequences([SHORT, SHORT], [1, 1]).x.shape == (2, 4)
    assert read_sequences(pd.Series([SHORT, SHORT])).lengths.tolist() == [4, 4]


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[1, 2], [3]], "lists of different lengths"),
        ([1.0, LONG], r"entry 0 of the list is 1\.0, not a sequence"),
        ([LONG, 3], "entry 1 of the list is 3"),
        ([LONG, None], "entry 1 of the list is None"),
        ([LONG, SHORT[:, None]], r"sequence 0 has 1 dimension"),
        ([LONG[:, None], np.ones((2, 2, 2))], r"sequence 1 has 3 dimension"),
        ([LONG[:, None], SHORT.reshape(2, 2)], "sequence 1 has 2 columns, sequence 0 has 1"),
        ([LONG, SHORT[:0]], "sequence 1 is empty"),
        ([[[1], [2, 3]], [[1]]], "sequence 0 cannot be read as an array of numbers"),
        ([np.array(["a", "b"]), LONG], "column 0 holds numbers in sequence 1, texts before"),
        ([LONG[:, None], np.array([["1"]], dtype=object)], "column 0 holds texts in sequence 1, numbers before"),
        ([LONG, np.array([1.0, np.inf])], "sequence 1: column 0 row 1 is inf"),
        ((s for s in ()), "found no sequence"),
        ([LONG, pd.DataFrame({"a": SHORT})], "sequence 0 is a ndarray, but the list holds data frames"),
    ],
)
def test_what_is_not_plain_is_refused(x, words):
    with pytest.raises(DataError, match=words):
        read_sequences(x)


def frames(*parts, kind=pd.DataFrame):
    return [kind(part) for part in parts]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table, pa.RecordBatch.from_pydict])
def test_frames_are_sequences_with_names(kind):
    parts = frames({"t": [3, 1, 2], "v": [2.0, 0.0, 1.0]}, {"t": [1, 2], "v": [5.0, 6.0]}, kind=kind)
    found = read_sequences(parts, order="t")
    assert found.x.ravel().tolist() == [0, 1, 2, 5, 6] and found.lengths.tolist() == [3, 2] and found.columns.names == ("v",)
    assert found.restore(np.arange(5)).tolist() == [2, 0, 1, 3, 4]
    assert read_sequences(parts).columns.names == ("t", "v")


def test_frames_fit_and_predict_in_the_order_of_their_rows():
    rng = np.random.default_rng(0)
    parts = [pd.DataFrame({"t": rng.permutation(n), "v": rng.normal(size=n)}) for n in (20, 30)]
    joined = pd.concat([part.assign(s=i) for i, part in enumerate(parts)])
    right = HMM(2, random_state=0, sequence="s", order="t").fit(joined)
    found = HMM(2, random_state=0, order="t").fit(parts)
    np.testing.assert_array_equal(found.means_, right.means_)
    np.testing.assert_array_equal(found.predict(parts), right.predict(joined))
    assert found.feature_names_in_.tolist() == ["v"]


def test_gaps_inside_a_frame():
    parts = frames({"t": [1, 4], "v": [0.0, 3.0]}, {"t": [1], "v": [5.0]})
    found = read_sequences(parts, order="t", gaps="missing")
    np.testing.assert_array_equal(found.x.ravel(), [0, np.nan, np.nan, 3, 5])
    assert found.lengths.tolist() == [4, 1] and found.restore(np.arange(5)).tolist() == [0, 3, 4]


@pytest.mark.parametrize(
    ("parts", "settings", "words"),
    [
        (frames({"a": [1.0]}, {"b": [1.0]}), {}, r"sequence 1 has the columns \['b'\], sequence 0 has \['a'\]"),
        (frames({"a": [1.0], "b": [2.0]}, {"b": [1.0], "a": [2.0]}), {}, r"sequence 1 has the columns \['b', 'a'\]"),
        (frames({"a": [1.0]}, {"a": [1.0, "x"]}), {}, "sequence 1: column 'a' row 1 is the text 'x'"),
        (frames({"a": [1.0]}, {"a": [np.inf]}), {}, "sequence 1: column 'a' row 0 is inf"),
        (frames({"a": [1.0]}, {"a": []}), {}, "sequence 1: found 0 row"),
        (frames({"a": [1.0]}), {"order": "t"}, "sequence 0: no column 't'"),
        (frames({"a": [1.0]}), {"sequence": "a"}, "each frame of a list is one sequence"),
        (frames({"a": [1.0]}), {"lengths": [1]}, "has its own lengths"),
        (frames({"t": [1, 1], "a": [1.0, 2.0]}), {"order": "t"}, "sequence 0: the sequence has t = 1 twice"),
        (frames({"a": [np.nan]}, {"a": [np.nan]}), {}, "column 'a' has no observed value"),
        ([pd.DataFrame({"a": [1.0]}), LONG], {}, "sequence 1 is a ndarray"),
    ],
)
def test_frames_obey_the_rules_of_a_frame(parts, settings, words):
    with pytest.raises(DataError, match=words):
        read_sequences(parts, **settings)


def test_places_in_messages_are_the_users_rows():
    found = read_sequences(frames({"t": [3, 1, 2], "v": [2.0, 0.0, 1.0]}, {"t": [2, 1], "v": [6.0, 5.0]}), order="t")
    assert [found.place(step) for step in range(5)] == [
        "sequence 0 row 1", "sequence 0 row 2", "sequence 0 row 0", "sequence 1 row 1", "sequence 1 row 0",
    ]  # fmt: skip
