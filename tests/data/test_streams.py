"""Streams: the same numbers as in memory however the rows are cut into files, and errors that say where."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import emkit
from emkit import DataError, GaussianMixture, ParameterError, Threads
from emkit.core.columns import Column, Columns
from emkit.core.model import EStep
from emkit.data import layout
from emkit.data.rows import ArraySource
from emkit.data.stream import stream

N = 30_000  # more than a stream keeps in memory


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 3)) + 4.0 * rng.integers(2, size=(N, 1))
    x[rng.random(x.shape) < 0.01] = np.nan
    return x


def table(x, first=0):
    return pa.table(
        {"a": pa.array(x[:, 0], from_pandas=True), "b": x[:, 1], "c": x[:, 2], "w": np.arange(first, first + len(x)) % 3}
    )


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    """Three files with row groups of different sizes."""
    home = tmp_path_factory.mktemp("parts")
    for i, (begin, end, group) in enumerate([(0, 9_000, 4_000), (9_000, 9_001, 10), (9_001, N, 7_777)]):
        parquet.write_table(table(rows[begin:end], begin), home / f"part-{i}.parquet", row_group_size=group)
    return home


@pytest.fixture(scope="module")
def model(rows):
    return GaussianMixture(2, random_state=0, n_init=1).fit(pd.DataFrame(rows, columns=["a", "b", "c"]))


def statistics(model, source, threads=1):
    return Threads(threads).map_reduce(EStep(model.model_, model.result_.params), source)


FORMS = {
    "folder": lambda folder, rows: folder,
    "pattern": lambda folder, rows: folder / "part-*.parquet",
    "lazy frame": lambda folder, rows: pl.scan_parquet(folder / "*.parquet"),
    "arrow": lambda folder, rows: _written(folder, rows, "rows.arrow", feather.write_feather, compression="uncompressed"),
    "csv": lambda folder, rows: _written(folder, rows, "rows.csv", csv.write_csv),
}


def _written(folder, rows, name, write, **how):
    path = folder.parent / name
    write(table(rows), str(path), **how)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_statistics_are_those_of_the_rows_in_memory(form, folder, rows, model):
    source = stream(FORMS[form](folder, rows), columns=["a", "b", "c"], weights="w")
    stats, value = statistics(model, source)
    whole, wanted = statistics(model, ArraySource(rows, np.arange(N) % 3.0, model.columns_))
    assert value == pytest.approx(wanted, rel=1e-12)
    for path, array in whole.flatten().items():
        np.testing.assert_allclose(stats.flatten()[path], array, rtol=1e-9, atol=1e-9 * np.abs(array).max())
    assert source.n_rows == N and source.columns.names == ("a", "b", "c")


def test_any_number_of_threads_gives_the_same_bits(folder, model):
    source = stream(folder, columns=["a", "b", "c"])
    one, two = (statistics(model, source, threads) for threads in (1, 2))
    assert one[1] == two[1]
    np.testing.assert_array_equal(one[0].pack(), two[0].pack())


def test_a_fit_of_a_folder_is_that_of_its_rows(folder, rows):
    start = {"weights": [0.5, 0.5], "means": [[0.0] * 3, [4.0] * 3], "covariances": 1.0}
    how = {"init": start, "tol": 1e-6, "random_state": 0}
    memory = GaussianMixture(2, **how).fit(pd.DataFrame(rows, columns=["a", "b", "c"]))
    streamed = GaussianMixture(2, **how).fit(stream(folder, columns=["a", "b", "c"]))
    assert streamed.converged_
    np.testing.assert_allclose(streamed.means_, memory.means_, rtol=1e-6)
    assert streamed.score(stream(folder, columns=["a", "b", "c"])) == pytest.approx(
        memory.score(pd.DataFrame(rows, columns=["a", "b", "c"]))
    )


def test_starts_come_from_the_stream_itself(folder):
    found = GaussianMixture(2, random_state=0, n_init=3).fit(stream(folder, columns=["a", "b", "c"]))
    np.testing.assert_allclose(np.sort(found.means_[:, 0]), [0.0, 4.0], atol=0.1)


def test_predictions_go_from_folder_to_folder(folder, model, tmp_path, rows):
    written = model.predict_to(folder, tmp_path / "out")
    found = pa.concat_tables([parquet.read_table(path) for path in sorted((tmp_path / "out").glob("*.parquet"))])
    assert written == N == found.num_rows
    np.testing.assert_array_equal(found["label"].to_numpy(), model.predict(pd.DataFrame(rows, columns=["a", "b", "c"])))


def test_files_of_one_name_and_one_called_like_their_numbered_ones_all_become_files(model, tmp_path, rows):
    for i, place in enumerate(("a/x", "b/x", "a/x-00000")):
        path = tmp_path / "in" / f"{place}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table(rows[10 * i : 10 * i + 10]), path)
    assert model.predict_to(tmp_path / "in", tmp_path / "out") == 30
    found = {path.name: parquet.read_table(path).num_rows for path in (tmp_path / "out").iterdir()}
    assert found == {"x-00001.parquet": 10, "x-00002.parquet": 10, "x-00000.parquet": 10}


def test_a_cache_gives_the_same_bits_and_is_used_again(folder, model, tmp_path):
    plain = statistics(model, stream(folder, columns=["a", "b", "c"]))
    for _ in range(2):
        cached = stream(folder, columns=["a", "b", "c"], cache=tmp_path)
        assert cached.n_rows == N
        np.testing.assert_array_equal(statistics(model, cached)[0].pack(), plain[0].pack())
    assert any(tmp_path.iterdir())


def test_a_callable_is_read_again_and_an_iterator_is_refused(rows, model):
    def blocks():
        return iter(np.array_split(rows, 7))

    again = stream(blocks)
    fitted = GaussianMixture(2, random_state=0, n_init=1).fit(again)
    np.testing.assert_allclose(np.sort(fitted.means_[:, 0]), [0.0, 4.0], atol=0.1)
    with pytest.raises((DataError, ParameterError), match="cache"):
        GaussianMixture(2, random_state=0).fit(stream(blocks()))


def test_a_damaged_file_is_named_or_skipped_as_asked(folder, rows, tmp_path):
    for path in folder.glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "part-1.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match=r"part-1\.parquet"):
        GaussianMixture(2).fit(stream(tmp_path, columns=["a", "b", "c"]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = GaussianMixture(2, random_state=0, n_init=1).fit(stream(tmp_path, columns=["a", "b", "c"], on_error="skip"))
    assert found.result_.n_rows == N - 1 and any("part-1" in str(one.message) for one in said)


def test_a_column_that_one_file_lacks_is_named(folder, rows, tmp_path):
    parquet.write_table(table(rows[:25_000]), tmp_path / "one.parquet")
    parquet.write_table(table(rows[:100]).drop_columns(["b"]), tmp_path / "two.parquet")
    with pytest.raises(DataError, match=r"two\.parquet.*'b'|'b'.*two\.parquet"):
        GaussianMixture(2).fit(stream(tmp_path, columns=["a", "b", "c"]))


def test_a_source_that_changes_between_passes_is_noticed(rows):
    seen = []

    def moody():
        seen.append(0)
        return iter([rows[: N - len(seen)]])

    with pytest.raises(DataError, match=r"pass"):
        GaussianMixture(2, random_state=0, n_init=1).fit(stream(moody))


def test_words_are_levels_from_a_pass_over_them(tmp_path):
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=25_000)
    words = np.where(rng.random(25_000) < np.where(kind, 0.9, 0.2), "yes", "no")
    frame = pa.table({"number": rng.normal(5.0 * kind), "word": words})
    parquet.write_table(frame, tmp_path / "mixed.parquet", row_group_size=4_000)
    model = emkit.Mixture(2, random_state=0, n_init=2).fit(tmp_path / "mixed.parquet")
    memory = emkit.Mixture(2, random_state=0, n_init=2).fit(frame)
    assert model.columns_[1].levels == memory.columns_[1].levels
    np.testing.assert_allclose(np.sort(model.number_means_.ravel()), np.sort(memory.number_means_.ravel()), atol=1e-3)


@pytest.mark.parametrize(
    ("levels", "cells"),
    [
        (("no", "perhaps", "yes"), pa.array(["yes", None, "no", "yes"])),
        (("no", "yes"), pa.array(["yes", None, "no"]).dictionary_encode()),
        ((1, 3, 7), pa.array([7, None, 3, 1])),
        ((1, 3, 7), pa.array([7.0, float("nan"), 3.0, None])),
        ((False, True), pa.array([True, None, False])),
    ],
)
@pytest.mark.parametrize("unseen", ["error", "missing"])
def test_many_levels_have_the_numbers_that_few_have(monkeypatch, levels, cells, unseen):
    """They are looked up in another way."""
    columns = Columns((Column("a", "category", levels), Column("b")))
    found = []
    for most in (0, 1000):
        monkeypatch.setattr(layout, "_MANY", most)
        laid = layout.Layout(columns, ("a", "b"), unseen=unseen)
        rows = pa.table({"a": cells, "b": np.zeros(len(cells))})
        found.append(laid.matrix(rows))
        other = pa.table({"a": pa.array(["new"]) if isinstance(levels[0], str) else pa.array([9.0]), "b": [0.0]})
        if unseen == "error":
            with pytest.raises(DataError, match=r"column 'a' row 0 is (9.0|'new'), a level that was not there in the fit"):
                laid.matrix(other)
        else:
            assert np.isnan(laid.matrix(other)[0, 0])
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("text", ["a;b\n1.5;2\n3;4\n", "a;b\n1,5;2\n3;4\n", "a\tb\n1.5\t2\n"])
def test_other_separators_in_a_text_file_are_named(tmp_path, text):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=r"rows.csv' has (semicolons|tabs) between its cells"):
        stream(str(path))
