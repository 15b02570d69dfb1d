"""Tables of every type of number, and what is refused with advice."""

from datetime import date, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from emkit import HMM, DataError, GaussianMixture
from emkit.data.tables import read_table

VALUES = [0.0, 3.0, 1.0]
HOLES = [0.0, None, 1.0]
WHOLE = {
    "sparse": lambda: pd.DataFrame({"a": pd.array(VALUES, dtype=pd.SparseDtype(float, 0.0))}),
    "sparse integers": lambda: pd.DataFrame({"a": pd.array([0, 3, 1], dtype=pd.SparseDtype(int, 0))}),
    "Int128": lambda: pl.DataFrame({"a": pl.Series([0, 3, 1], dtype=pl.Int128)}),
    "RecordBatch": lambda: pa.RecordBatch.from_pydict({"a": VALUES}),
    "float16": lambda: pa.table({"a": pa.array(np.array(VALUES, dtype=np.float16))}),
    "objects": lambda: pd.DataFrame({"a": pd.Series([0, Decimal(3), 1.0], dtype=object)}),
}
DECIMALS = [Decimal(0), None, Decimal(1)]
MISSING = {
    "sparse": lambda: pd.DataFrame({"a": pd.array([0.0, np.nan, 1.0], dtype=pd.SparseDtype(float))}),
    "Int128": lambda: pl.DataFrame({"a": pl.Series([0, None, 1], dtype=pl.Int128)}),
    "polars decimal": lambda: pl.DataFrame({"a": DECIMALS}),
    "arrow decimal": lambda: pa.table({"a": DECIMALS}),
    "arrow decimal256": lambda: pa.table({"a": pa.array(DECIMALS, pa.decimal256(40, 2))}),
    "pandas arrow decimal": lambda: pd.DataFrame({"a": pd.Series(DECIMALS, dtype=pd.ArrowDtype(pa.decimal128(5, 2)))}),
    "RecordBatch": lambda: pa.RecordBatch.from_pydict({"a": HOLES}),
    **{
        kind: lambda kind=kind: pd.DataFrame({"a": pd.array(HOLES, dtype=kind)})
        for kind in ("Int8", "UInt64", "Float32", "Float64", "int32[pyarrow]", "float[pyarrow]", "double[pyarrow]")
    },
}


@pytest.mark.parametrize("kind", WHOLE)
def test_every_type_of_number_is_read(kind):
    found = read_table(WHOLE[kind]())
    assert found.x.ravel().tolist() == VALUES and found.columns.names == ("a",) and found.columns.named
    gm = GaussianMixture(1).fit(WHOLE[kind]())
    assert gm.means_[0, 0] == GaussianMixture(1).fit(np.array(VALUES)[:, None]).means_[0, 0]
    assert gm.feature_names_in_.tolist() == ["a"]


@pytest.mark.parametrize("kind", MISSING)
def test_with_missing_cells(kind):
    np.testing.assert_array_equal(read_table(MISSING[kind]()).x.ravel(), [0, np.nan, 1])


def test_sparse_columns_beside_dense_ones_and_as_keys():
    frame = pd.DataFrame({"s": pd.array([0, 1, 0], dtype=pd.SparseDtype(int, 0)), "a": VALUES})
    assert HMM(1, sequence="s").fit(frame).means_.shape == (1, 1)
    texts = pd.DataFrame({"a": VALUES, "b": pd.array(["x", "y", "x"], dtype=pd.SparseDtype(object, "x"))})
    with pytest.raises(DataError, match=r"column 'b' row 0 is the text 'x', not a number"):
        HMM(1).fit(texts)
    assert read_table(texts).columns[1].levels == ("x", "y")


@pytest.mark.parametrize(
    "values",
    [
        pd.date_range("2020", periods=3),
        pd.date_range("2020", periods=3, tz="Europe/Paris"),
        pd.Series([date(2020, 1, 1)] * 3, dtype=object),
        pd.Series([date(2020, 1, 1)] * 3, dtype="date32[pyarrow]"),
        pd.Series([timedelta(1)] * 3),
        pd.Series([time(1)] * 3, dtype=object),
        pd.period_range("2020", periods=3, freq="M"),
    ],
    ids=["datetime", "time zone", "date", "date32", "duration", "time", "period"],
)
def test_dates_in_a_data_column_are_refused_with_advice(values):
    with pytest.raises(
        DataError, match=r"column 'day' row 0 is .*date or time, not a number: convert the column to numbers.*named as order"
    ):
        HMM(1).fit(pd.DataFrame({"a": VALUES, "day": values}))


@pytest.mark.parametrize("unit", ["D", "ns"])
def test_arrays_of_dates_are_refused(unit):
    days = np.array(["2020-01-01", "2020-01-02"], dtype=f"M8[{unit}]")[:, None]
    with pytest.raises(DataError, match="convert dates and times"):
        GaussianMixture(1).fit(days)


def test_two_columns_of_one_name():
    twins = pd.DataFrame([[1.0, 2.0], [2.0, 1.0]], columns=["a", "a"])
    arrow = pa.RecordBatch.from_arrays([pa.array(VALUES), pa.array(VALUES)], names=["a", "a"])
    for frame in (twins, twins.astype(pd.SparseDtype(float, 0.0)), arrow, pa.Table.from_batches([arrow])):
        with pytest.raises(DataError, match="must be unique; found more than once: 'a'"):
            GaussianMixture(1).fit(frame)
        with pytest.raises(DataError, match="must be unique; found more than once: 'a'"):
            HMM(1).fit(frame)
        with pytest.raises(DataError, match="sequence 0: column names must be unique"):
            HMM(1).fit([frame, frame])
