"""Tables drawn at random: whatever holds the numbers, the plain float matrix is read, and the kinds are those of the columns."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emkit.data.tables import read_table

VALUES = {
    "count": st.integers(-(2**15), 2**15 - 1),
    "real": st.floats(-1e6, 1e6, width=32),
    "binary": st.booleans(),
    "category": st.sampled_from(["a", "B", "", "é", "1"]),
}
PANDAS = {
    "count": ["int64", "int16", "Int64", "Int16", "int64[pyarrow]", "int16[pyarrow]"],
    "real": ["float64", "Float64", "float32", "Float32", "double[pyarrow]", "float[pyarrow]"],
    "binary": ["bool", "boolean", "bool[pyarrow]"],
    "category": ["object", "string", "category", "string[pyarrow]"],
}
POLARS = {
    "count": [pl.Int64, pl.Int16, pl.Int128],
    "real": [pl.Float64, pl.Float32],
    "binary": [pl.Boolean],
    "category": [pl.String, pl.Categorical, pl.Enum(["é", "a", "", "1", "B"])],
}
ARROW = {
    "count": [pa.int64(), pa.int16(), pa.int32()],
    "real": [pa.float64(), pa.float32()],
    "binary": [pa.bool_()],
    "category": [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())],
}
HOLLOW = {"int64", "int16", "bool"}  # NumPy's own, which have no missing values


@st.composite
def tables(draw, kinds=tuple(VALUES)):
    """Columns of cells, None where missing, and their kinds. The first row has none, so that every column is observed."""
    n = draw(st.integers(1, 8))
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=4))
    columns = []
    for kind in chosen:
        cells = draw(st.lists(st.none() | VALUES[kind], min_size=n, max_size=n))
        cells[0] = draw(VALUES[kind])
        columns.append(cells)
    return columns, chosen


def levels_of(cells):
    return tuple(sorted({cell for cell in cells if cell is not None}))


def plain(columns, kinds, levels):
    """The matrix, as one would write it by hand."""

    def number(cell, kind, known):
        if cell is None:
            return np.nan
        return float(known.index(cell)) if kind == "category" else float(cell)

    out = [[number(cell, kind, known) for cell in cells] for cells, kind, known in zip(columns, kinds, levels, strict=True)]
    return np.array(out).T


def agree(frame, columns, kinds, declared=None):
    """``declared``: the order of levels of a column that has one of its own."""
    found = read_table(frame)
    levels = [(declared or {}).get(j) or levels_of(cells) for j, cells in enumerate(columns)]
    np.testing.assert_array_equal(found.x, plain(columns, kinds, levels))
    assert tuple(column.kind for column in found.columns.items) == tuple(kinds)
    assert found.columns.names == tuple(f"c{j}" for j in range(len(kinds))) and found.columns.named
    for column, kind, known in zip(found.columns.items, kinds, levels, strict=True):
        assert column.levels == (known if kind == "category" else None)
    again = read_table(frame, like=found.columns)
    np.testing.assert_array_equal(again.x, found.x)
    assert again.columns == found.columns


@settings(max_examples=60, deadline=None)
@given(table=tables(), data=st.data())
def test_pandas(table, data):
    columns, kinds = table
    frame = {}
    for j, (cells, kind) in enumerate(zip(columns, kinds, strict=True)):
        allowed = [d for d in PANDAS[kind] if None not in cells or d not in HOLLOW]
        frame[f"c{j}"] = pd.Series(cells, dtype=data.draw(st.sampled_from(allowed)))
    agree(pd.DataFrame(frame), columns, kinds)


@settings(max_examples=60, deadline=None)
@given(table=tables(), data=st.data())
def test_polars(table, data):
    columns, kinds = table
    types = [data.draw(st.sampled_from(POLARS[kind])) for kind in kinds]
    frame = pl.DataFrame({f"c{j}": pl.Series(cells, dtype=types[j]) for j, cells in enumerate(columns)})
    declared = {j: tuple(t.categories.to_list()) for j, t in enumerate(types) if isinstance(t, pl.Enum)}
    agree(frame, columns, kinds, declared)


@settings(max_examples=60, deadline=None)
@given(table=tables(), data=st.data(), batch=st.booleans())
def test_pyarrow(table, data, batch):
    columns, kinds = table
    arrays = [pa.array(cells, data.draw(st.sampled_from(ARROW[kind]))) for cells, kind in zip(columns, kinds, strict=True)]
    make = pa.RecordBatch.from_arrays if batch else pa.Table.from_arrays
    agree(make(arrays, names=[f"c{j}" for j in range(len(kinds))]), columns, kinds)


@settings(max_examples=60, deadline=None)
@given(table=tables(("count", "real", "binary")), masked=st.booleans())
def test_arrays_of_objects_and_lists(table, masked):
    """Rows of Python's numbers, None where missing; a mask says the same."""
    columns, kinds = table
    expected = plain(columns, kinds, [()] * len(kinds))
    rows = np.array(columns, dtype=object).T
    for x in (rows, rows.tolist()):
        found = read_table(x)
        np.testing.assert_array_equal(found.x, expected)
        assert not found.columns.named
    if masked:
        array = np.ma.masked_array(np.nan_to_num(expected, nan=-7.0), np.isnan(expected))
        np.testing.assert_array_equal(read_table(array).x, expected)


@settings(max_examples=40, deadline=None)
@given(table=tables(("category",)), kind=st.sampled_from([object, str, "lists"]))
def test_arrays_of_texts(table, kind):
    columns, kinds = table
    if kind is str:
        columns = [["a" if cell is None else cell for cell in cells] for cells in columns]
    rows = np.array(columns, dtype=object if kind == "lists" else kind).T
    found = read_table(rows.tolist() if kind == "lists" else rows)
    levels = [levels_of(cells) for cells in columns]
    np.testing.assert_array_equal(found.x, plain(columns, kinds, levels))
    assert [column.levels for column in found.columns.items] == levels


@settings(max_examples=40, deadline=None)
@given(table=tables(("category",)), order=st.randoms())
def test_levels_do_not_depend_on_the_order_of_rows(table, order):
    columns, _ = table
    rows = list(range(len(columns[0])))
    order.shuffle(rows)
    one, other = (pl.DataFrame({f"c{j}": pl.Series(c, dtype=pl.String) for j, c in enumerate(cells)}) for cells in (
        columns, [[cells[i] for i in rows] for cells in columns]))  # fmt: skip
    assert read_table(one).columns == read_table(other).columns
    np.testing.assert_array_equal(read_table(one).x[rows], read_table(other).x)


@pytest.mark.parametrize("width", [np.float32, np.float64])
def test_a_float_matrix_is_not_copied(width):
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(width)
    assert read_table(x).x is x


def test_intervals_and_numbers_as_categories():
    """What pandas' ``cut`` makes is told apart by its text, which a file can keep; numbers as categories stay numbers."""
    cut = pd.DataFrame({"c": pd.cut([1.0, 5.0, 9.0], [0, 4, 8, 12])})
    assert read_table(cut).columns[0].levels == ("(0, 4]", "(4, 8]", "(8, 12]")
    coded = read_table(pd.DataFrame({"c": pd.Categorical([5, 3, None])}))
    assert coded.columns[0].levels == (3, 5)
    np.testing.assert_array_equal(coded.x.ravel(), [1, 0, np.nan])
    numbers = read_table(pd.DataFrame({"c": pd.Categorical([5, 3])}), like=read_table(pd.DataFrame({"c": [3, 5]})).columns)
    assert numbers.x.ravel().tolist() == [5, 3]  # numbers in the fit, so numbers now
