"""Data frames in: pandas, polars, pyarrow."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from emkit import GaussianMixture
from emkit.data.tables import read_table

MAKERS = {
    "pandas": lambda x, names: pd.DataFrame(x, columns=names),
    "polars": lambda x, names: pl.DataFrame(dict(zip(names, x.T, strict=True))).fill_nan(None),
    "pyarrow": lambda x, names: pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in zip(names, x.T, strict=True)}
    ),
}
NAMES = ["eruptions", "waiting"]


@pytest.mark.parametrize("maker", MAKERS)
def test_a_table_is_the_array_with_names_and_nulls_are_missing(holes, maker):
    table = MAKERS[maker](holes, NAMES)
    gm = GaussianMixture(3, random_state=0, n_init=2).fit(table)
    plain = GaussianMixture(3, random_state=0, n_init=2).fit(holes)
    np.testing.assert_array_equal(gm.means_, plain.means_)
    np.testing.assert_array_equal(gm.predict(table), plain.predict(holes))
    assert gm.feature_names_in_.tolist() == NAMES
    assert not hasattr(plain, "feature_names_in_")
    assert "eruptions" in gm.summary()


@pytest.mark.parametrize("maker", MAKERS)
def test_other_columns_at_predict_are_refused_by_name(blobs, maker):
    gm = GaussianMixture(2, random_state=0, n_init=1).fit(MAKERS[maker](blobs, NAMES))
    with pytest.raises(ValueError, match=r"(?s)feature names.*\n- duration"):
        gm.predict(MAKERS[maker](blobs, ["duration", "waiting"]))
    with pytest.raises(ValueError, match="same order"):
        gm.predict(MAKERS[maker](blobs, NAMES[::-1]))


def test_arrays_after_tables_warn_and_the_other_way_round(blobs):
    frame = pd.DataFrame(blobs, columns=NAMES)
    gm = GaussianMixture(2, random_state=0, n_init=1).fit(frame)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        from_array = gm.predict(blobs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(gm.predict(frame), from_array)
    with (
        pytest.raises(ValueError, match="X has 1 features, but GaussianMixture is expecting 2"),
        pytest.warns(UserWarning, match="valid feature names"),
    ):
        gm.predict(blobs[:, :1])


def numbers(kind):
    """Column 'a' holds 1, 2, missing, 4, 0 (or true, true, missing, true, false) in one of many ways; column 'b' is plain."""
    b = [1.0, 3.0, 2.0, 9.0, 5.0]
    values, flags = [1, 2, None, 4, 0], [True, True, None, True, False]
    return {
        "pandas float64": lambda: pd.DataFrame({"a": [1, 2, np.nan, 4, 0], "b": b}),
        "pandas Int64": lambda: pd.DataFrame({"a": pd.array(values, dtype="Int64"), "b": b}),
        "pandas Float32": lambda: pd.DataFrame({"a": pd.array(values, dtype="Float32"), "b": b}),
        "pandas object": lambda: pd.DataFrame({"a": pd.Series(values, dtype=object), "b": b}),
        "pandas object with NA": lambda: pd.DataFrame({"a": pd.Series([1, 2, pd.NA, 4, 0], dtype=object), "b": b}),
        "pandas boolean": lambda: pd.DataFrame({"a": pd.array(flags, dtype="boolean"), "b": b}),
        "pandas arrow int": lambda: pd.DataFrame({"a": pd.array(values, dtype="int64[pyarrow]"), "b": b}),
        "pandas arrow bool": lambda: pd.DataFrame({"a": pd.array(flags, dtype="bool[pyarrow]"), "b": b}),
        "polars int": lambda: pl.DataFrame({"a": values, "b": b}),
        "polars UInt8": lambda: pl.DataFrame({"a": pl.Series(values, dtype=pl.UInt8), "b": b}),
        "polars bool": lambda: pl.DataFrame({"a": flags, "b": b}),
        "polars decimal": lambda: pl.DataFrame({"a": pl.Series(values).cast(pl.Decimal(10, 2)), "b": b}),
        "pyarrow int": lambda: pa.table({"a": values, "b": b}),
        "pyarrow bool": lambda: pa.table({"a": flags, "b": b}),
        "pyarrow chunked": lambda: pa.concat_tables(
            [pa.table({"a": values[:2], "b": b[:2]}), pa.table({"a": values[2:], "b": b[2:]})]
        ),
        "list of lists": lambda: [[np.nan if v is None else v, w] for v, w in zip(values, b, strict=True)],
        "object array": lambda: np.array([[v, w] for v, w in zip(values, b, strict=True)], dtype=object),
    }[kind]()  # fmt: skip


KINDS = [
    "pandas float64", "pandas Int64", "pandas Float32", "pandas object", "pandas object with NA", "pandas boolean",
    "pandas arrow int", "pandas arrow bool", "polars int", "polars UInt8", "polars bool", "polars decimal", "pyarrow int",
    "pyarrow bool", "pyarrow chunked", "list of lists", "object array",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_integers_booleans_and_nullable_columns(kind):
    """Whatever holds the numbers, the model is that of the float array with NaN for missing."""
    flags = "bool" in kind
    plain = np.array([[1, 1], [1 if flags else 2, 3], [np.nan, 2], [1 if flags else 4, 9], [0, 5]], dtype=float)
    gm = GaussianMixture(1, random_state=0).fit(numbers(kind))
    np.testing.assert_allclose(gm.means_, GaussianMixture(1, random_state=0).fit(plain).means_, rtol=1e-12)


def test_float32_tables_stay_float32(blobs):
    table = pl.DataFrame(dict(zip(NAMES, blobs.astype(np.float32).T, strict=True)))
    assert read_table(table).x.dtype == np.float32
    mixed = table.with_columns(pl.col("waiting").cast(pl.Float64))
    assert read_table(mixed).x.dtype == np.float64
    gm = GaussianMixture(2, random_state=0, n_init=1)
    assert gm.fit(table).means_.dtype == np.float32
    assert gm.fit(mixed).means_.dtype == np.float64


def test_pandas_with_numbered_columns_has_no_names(blobs):
    """scikit-learn's rule: names are strings, or there are none."""
    gm = GaussianMixture(2, random_state=0, n_init=1).fit(pd.DataFrame(blobs))
    assert not hasattr(gm, "feature_names_in_")


def test_the_index_of_a_pandas_frame_does_not_matter(blobs):
    shuffled_index = pd.DataFrame(blobs, columns=NAMES, index=np.arange(len(blobs))[::-1])
    plain = pd.DataFrame(blobs, columns=NAMES)
    one, other = (GaussianMixture(2, random_state=0, n_init=1).fit(frame) for frame in (shuffled_index, plain))
    np.testing.assert_array_equal(one.means_, other.means_)


def test_weights_may_come_from_a_column(blobs):
    weight = np.linspace(0.5, 2.0, len(blobs))
    arrays = GaussianMixture(2, random_state=0, n_init=1).fit(blobs, sample_weight=weight)
    for column in (pd.Series(weight), pl.Series(weight), weight.tolist()):
        np.testing.assert_array_equal(
            GaussianMixture(2, random_state=0, n_init=1).fit(blobs, sample_weight=column).means_, arrays.means_
        )
