"""Reports and standard errors of rows that stay in files: of some drawn at random, and of all."""

import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from emkit import HMM, Mixture, ParameterError
from emkit.estimators import drawn_rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three files of 400 rows: numbers with a hole, texts, booleans, counts, weights."""
    path, rng = tmp_path_factory.mktemp("files"), np.random.default_rng(0)
    for i in range(3):
        a = rng.normal(size=400) + 3 * rng.integers(2, size=400)
        a[0] = np.nan
        columns = {"a": a, "c": rng.choice(["x", "y"], 400), "b": rng.random(400) < 0.3, "n": rng.poisson(3, 400)}
        parquet.write_table(pa.table({**columns, "w": rng.random(400)}), path / f"{i}.parquet")
    return path


@pytest.fixture(scope="module")
def fitted(folder):
    return Mixture(2, random_state=0, n_init=4).fit(folder, sample_weight="w")


def said(path):
    return " ".join(re.sub(r"<[^>]+>", " ", path.read_text(encoding="utf-8").split("<body", 1)[1]).split())


def whole(folder):
    return pa.concat_tables([parquet.read_table(path) for path in sorted(folder.iterdir())])


def test_few_rows_are_all_drawn_and_the_page_is_that_of_a_table(fitted, folder, tmp_path):
    table = whole(folder)
    pages = [fitted.report(tmp_path / "files.html", folder, sample_weight="w", errors=False)]
    rows = table.drop_columns(["w"])
    pages.append(fitted.report(tmp_path / "table.html", rows, sample_weight=table["w"].to_numpy(), errors=False))
    assert said(pages[0]) == said(pages[1])


def test_of_many_rows_some_are_drawn_and_errors_are_of_all(fitted, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_rows, "MOST", 500)
    path = fitted.report(tmp_path / "some.html", folder, sample_weight="w", errors=True)
    text = said(path)
    assert "Mixture of 1,200 rows" in text and "500 rows drawn at random from 1,200" in text
    assert "fit worst" not in text and "not just the rows of the fit" not in text
    error = fitted.standard_errors(folder, sample_weight="w").errors["weights"]
    assert f"{error[0]:.4g}" in text


def test_cells_that_are_drawn_are_as_they_came_in(fitted, folder):
    table, weights, n_rows = drawn_rows.drawn_rows(fitted._again(folder, sample_weight="w"))
    expected = whole(folder)
    assert n_rows == 1200 and table.column_names == ["a", "c", "b", "n"]
    for name in ("c", "b"):
        assert table[name].to_pylist() == expected[name].to_pylist()
    np.testing.assert_array_equal(table["n"].to_numpy(), expected["n"].to_numpy())
    np.testing.assert_array_equal(np.isnan(table["a"].to_numpy()), np.isnan(expected["a"].to_numpy()))
    np.testing.assert_array_equal(weights, expected["w"].to_numpy())


def test_rows_without_names_are_an_array(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 2))
    np.save(tmp_path / "x.npy", x)
    model = Mixture(2, random_state=0, n_init=2).fit(tmp_path / "x.npy")
    assert model.report(tmp_path / "x.html", tmp_path / "x.npy", errors=False).exists()


def test_sequences_are_refused_in_words(tmp_path):
    rng = np.random.default_rng(0)
    parquet.write_table(pa.table({"s": np.repeat(np.arange(10), 20), "x": rng.normal(size=200)}), tmp_path / "s.parquet")
    model = HMM(2, sequence="s", random_state=0, n_init=1, max_iter=3).fit(tmp_path / "s.parquet")
    with pytest.raises(ParameterError, match="a report of sequences is of rows in memory"):
        model.report(tmp_path / "s.html", tmp_path / "s.parquet")
