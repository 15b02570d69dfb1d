"""Data that cannot be used: the message names the column and the row, and says what to do."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import NotFittedError

from emkit import (
    HMM,
    ArraySource,
    DataError,
    EmkitError,
    GaussianHMM,
    GaussianMixture,
    ParameterError,
    RBFRegressor,
    VariationalGaussianHMM,
)


def refuse(message, x, k=2, **fit):
    with pytest.raises(DataError, match=message) as caught:
        GaussianMixture(k, random_state=0).fit(x, **fit)
    assert isinstance(caught.value, EmkitError)
    assert isinstance(caught.value, ValueError)  # what scikit-learn's users catch
    agree(caught.value)


def agree(error):
    """What the message says of column and row, the fields say too."""
    column = re.search(r"column (?:'(\w+)'|(\d+)) (?:row|is|holds|has)", str(error))
    row = re.search(r"\brow (\d+) is", str(error))
    assert error.row == (int(row[1]) if row else None)
    if column:
        assert error.column == (column[1] or f"x{column[2]}")


# --- too little ------------------------------------------------------------------------------------------------------------


def test_no_rows():
    refuse(r"found 0 row\(s\).*at least 2", np.empty((0, 2)))
    refuse(r"found 0 row\(s\)", pd.DataFrame({"age": [], "height": []}))


def test_no_columns():
    refuse(r"found 0 feature\(s\)", np.empty((5, 0)))
    refuse(r"found 0 feature\(s\)", pd.DataFrame(index=range(5)))


def test_one_row(rows):
    refuse(r"found 1 row\(s\).*at least 2", rows[:1], k=1)


def test_more_components_than_rows(rows):
    refuse(r"n_components=5 is more than the 3 row\(s\)", rows[:3], k=5)


@pytest.mark.parametrize("init_params", ["auto", "kmeans", "k-means++", "random_from_data"])
def test_more_components_than_distinct_rows(init_params):
    x = np.repeat([[0.0, 1.0], [3.0, 4.0]], 10, axis=0)
    with pytest.raises(DataError, match=r"n_components=3, but the data have only 2 distinct row\(s\); ask for at most 2"):
        GaussianMixture(3, init_params=init_params).fit(x)


def test_rows_of_weight_zero_are_not_distinct_rows(rows):
    weight = np.zeros(len(rows))
    weight[:2] = 1.0
    refuse(r"n_components=3, but the data have only 2 distinct row\(s\)", rows, k=3, sample_weight=weight)


# --- columns that say nothing ------------------------------------------------------------------------------------------------


def test_a_constant_column(rows):
    refuse("column 2 is constant: its variance is zero.*drop the column", np.column_stack([rows, np.ones(len(rows))]))
    refuse("column 'height' is constant", pd.DataFrame({"age": rows[:, 0], "height": 0.1}))
    # 0.1 is not a binary fraction: its mean is off by rounding, its variance must still be zero.
    refuse("column 1 is constant", np.column_stack([rows[:, 0], np.full(len(rows), 0.1)]))


def test_a_constant_column_among_the_rows_that_count(rows):
    weight = np.zeros(len(rows))
    weight[0] = 2.0
    refuse("column 0 is constant", rows, k=1, sample_weight=weight)


@pytest.mark.parametrize("make", [GaussianMixture, GaussianHMM, VariationalGaussianHMM])
@pytest.mark.parametrize("unit", [1e-160, 1e-200])
def test_values_too_close_to_each_other_to_square(rows, make, unit):
    """They are neither constant nor have they collapsed."""
    with pytest.raises(DataError, match=r"column 0 holds values too close to each other.*in smaller units") as caught:
        make(2, random_state=0).fit(rows * unit)
    agree(caught.value)


def test_values_close_to_each_other_beside_a_known_variance(rows):
    gm = GaussianMixture(2, fixed={"covariances": 1.0}, n_init=1, random_state=0).fit(rows * 1e-160)
    np.testing.assert_allclose(gm.means_, 0.0, atol=1e-100)


def test_a_constant_column_is_welcome_where_its_variance_is_given(rows):
    x = np.column_stack([rows, np.ones(len(rows))])
    gm = GaussianMixture(2, fixed={"covariances": 1.0}, random_state=0).fit(x)
    np.testing.assert_allclose(gm.means_[:, 2], 1.0)
    pooled = GaussianMixture(2, covariance_type="spherical", random_state=0).fit(x)  # one variance for all columns is not zero
    np.testing.assert_allclose(np.sort(pooled.means_[:, 0]), [0, 6], atol=0.3)


def test_a_column_with_nothing_in_it(rows):
    x = np.column_stack([rows, np.full(len(rows), np.nan)])
    refuse(r"column 2 has no observed value \(all missing\); drop the column", x)
    refuse("column 'height' has no observed value", pd.DataFrame({"age": [1.0, 2.0, 3.0], "height": [None] * 3}))
    refuse("column 'height' has no observed value", pl.DataFrame({"age": [1.0, 2.0, 3.0], "height": [None] * 3}))


# --- cells that are no numbers --------------------------------------------------------------------------------------------------


def test_infinities(rows):
    spoilt = rows.copy()
    spoilt[17, 1] = -np.inf
    refuse(r"column 1 row 17 is -inf \(infinity\); drop the row or mark it missing", spoilt)
    refuse(r"column 'age' row 17 is -inf", pd.DataFrame(spoilt, columns=["height", "age"]))
    late = np.zeros((40_000, 2))
    late[39_999, 0] = np.inf
    refuse(r"column 0 row 39999 is inf", late)


TEXT = r"column 'sex' row 1 is the text '(m|1)', not a number; drop the column, (or )?encode it as numbers"


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([None, "m", "f"]),
        pd.Series([None, "m", "f"], dtype="category"),
        pd.Series([None, "m", "f"], dtype="string"),
        pd.Series([2, "m", 3.0], dtype=object),
        pd.Series([None, "1", "2"], dtype=object),
        pd.Series([0, "1", 2], dtype=object),
    ],
    ids=["str", "category", "string", "mixed", "digits", "mixed digits"],
)
def test_text_columns_of_pandas(column):
    refuse(TEXT, pd.DataFrame({"age": [1.0, 2.0, 3.0], "sex": column}))


def test_text_columns_of_polars_and_arrow():
    age, sex = [1.0, 2.0, 3.0], [None, "m", "f"]
    refuse(TEXT, pl.DataFrame({"age": age, "sex": sex}))
    refuse(TEXT, pl.DataFrame({"age": age, "sex": pl.Series(sex, dtype=pl.Categorical)}))
    refuse(TEXT, pl.DataFrame({"age": age, "sex": pl.Series(sex, dtype=pl.Enum(["m", "f"]))}))
    refuse(TEXT, pa.table({"age": age, "sex": sex}))
    refuse(TEXT, pa.table({"age": age, "sex": pa.array(sex).dictionary_encode()}))


def test_text_arrays():
    refuse("column 0 row 0 is the text 'a', not a number", [["a", "b"], ["c", "d"]])
    refuse("column 1 row 2 is the text 'x'", np.array([[1, 2], [3, 4], [5, "x"]], dtype=object))
    # Nothing is silently converted: a digit in quotes is text.
    refuse("column 0 row 0 is the text '1'", np.array([["1", "2"], ["3", "4"]]))
    refuse("column 0 row 1 is the text '3'", np.array([[1, 2], ["3", 4]], dtype=object))


def test_dates_and_complex_numbers():
    refuse(
        r"column 'day' row 0 is Timestamp.*, a date or time, not a number: convert the column",
        pd.DataFrame({"age": [1, 2, 3], "day": pd.date_range("2020", periods=3)}),
    )
    refuse("expected numbers, got dtype datetime64", np.array([["2020-01-01"], ["2020-01-02"]], dtype="M8[D]"))
    refuse("Complex data not supported", np.ones((4, 2)) * 1j)


# --- not a table ----------------------------------------------------------------------------------------------------------------


def test_wrong_number_of_dimensions(rows):
    refuse(r"got 1 dimension.*x\.reshape\(-1, 1\)", rows[:, 0])
    refuse(r"got 3 dimension", rows[None])
    refuse(r"got 0 dimension", 3.0)
    refuse("cannot be read as an array", [[1.0, 2.0], [3.0]])


def test_two_columns_of_one_name(rows):
    refuse("column names must be unique; found more than once: 'age'", pd.DataFrame(rows, columns=["age", "age"]))
    refuse("column names must be unique; found more than once: 'age'", pa.table(list(rows.T), names=["age", "age"]))


def test_tables_that_are_not_in_memory(rows):
    frame = pl.DataFrame({"age": rows[:, 0], "height": rows[:, 1]})
    with pytest.raises(DataError, match="LazyFrame cannot be read as a table in memory; collect"):
        RBFRegressor().fit(frame.lazy(), rows[:, 0])
    for data in ("ages.parquet", Path("ages.parquet"), ArraySource(rows)):
        with pytest.raises(DataError, match="needs its rows in memory"):
            RBFRegressor().fit(data, rows[:, 0])
    for data in (frame.lazy(), "ages.parquet", Path("ages.parquet")):
        with pytest.raises(ParameterError, match="a column that says which sequence a row belongs to: set sequence="):
            HMM(2).fit(data)
    with pytest.raises(DataError, match="rows without sequences"):
        HMM(2).fit(ArraySource(rows))


def test_sparse_matrices(rows):
    refuse(r"sparse data is not supported: pass x\.toarray\(\)", sparse.csr_array(rows))


def test_values_whose_squares_overflow(rows):
    refuse("column 1 holds values too large to square", rows * [1.0, 1e200])


# --- weights --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "what"), [(-1.0, "negative"), (np.nan, "NaN"), (np.inf, "infinite")])
def test_impossible_weights(rows, value, what):
    weight = np.ones(len(rows))
    weight[5] = value
    refuse(f"sample_weight row 5 is {what}.*must be finite and nonnegative", rows, sample_weight=weight)


def test_weights_that_leave_nothing(rows):
    refuse("sample_weight: every weight is zero", rows, sample_weight=np.zeros(len(rows)))


def test_weights_of_the_wrong_shape_or_kind(rows):
    refuse(r"sample_weight.shape == \(599,\), expected \(600,\)", rows, sample_weight=np.ones(599))
    refuse("Sample weights must be 1D", rows, sample_weight=np.ones((600, 1)))
    refuse("sample_weight is not numeric", rows, sample_weight=["heavy"] * 600)


# --- after the fit ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score", "bic", "aic", "icl"])
def test_use_before_fit(rows, method):
    with pytest.raises(NotFittedError, match=r"not fitted yet\. Call 'fit'"):
        getattr(GaussianMixture(), method)(rows)


@pytest.mark.parametrize("method", ["sample", "summary"])
def test_use_before_fit_without_data(method):
    with pytest.raises(NotFittedError, match=r"not fitted yet\. Call 'fit'"):
        getattr(GaussianMixture(), method)()


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score_samples", "score"])
def test_new_rows_are_looked_at_too(rows, method):
    gm = GaussianMixture(2, random_state=0).fit(pd.DataFrame(rows, columns=["age", "height"]))
    use = getattr(gm, method)
    with pytest.raises(DataError, match="column 'age' row 1 is inf"):
        use(pd.DataFrame({"age": [1.0, np.inf], "height": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time.*weight.*missing.*height"):
        use(pd.DataFrame({"age": [1.0, 2.0], "weight": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"(?s)missing.*height"):
        use(pd.DataFrame({"age": [1.0, 2.0]}))
    with pytest.raises(DataError, match=r"found 0 row\(s\)"):
        use(pd.DataFrame({"age": [], "height": []}))


@pytest.mark.parametrize("n_samples", [0, -3, 1.5, "many", True])
def test_impossible_numbers_of_samples(rows, n_samples):
    with pytest.raises(ValueError, match=r"n_samples=.*integer of at least 1"):
        GaussianMixture(2, random_state=0).fit(rows).sample(n_samples)
