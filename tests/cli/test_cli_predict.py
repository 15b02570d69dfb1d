import json
import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import csv, feather, parquet

import emkit as library


def test_rows_come_back_with_the_library_s_answers(emkit, model, table):
    result = emkit("predict", model, "d.csv")
    assert result.exit_code == 0 and result.stderr == ""
    lines = [line.split(",") for line in result.stdout.splitlines()]
    assert lines[0] == ["name", "a", "b", "w", "label", "p0", "p1", "p2"]
    assert lines[1][0] == "000x" and lines[8][1] == ""  # row 7 has a missing cell, and it is predicted all the same
    fitted = library.load(model)
    expected = fitted.predict_proba(table.select(["a", "b"]))
    np.testing.assert_array_equal(np.array([line[5:] for line in lines[1:]], dtype=float), expected)
    assert [int(line[4]) for line in lines[1:]] == expected.argmax(axis=1).tolist()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "feather", "jsonl"])
def test_every_format(emkit, model, table, suffix):
    result = emkit("predict", model, "d.csv", "--out", f"rows.{suffix}")
    assert result.exit_code == 0 and result.stdout == "" and "300 rows written to" in result.stderr
    if suffix == "jsonl":
        rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
        labels, names = [row["label"] for row in rows], list(rows[0])
    else:
        read = {
            "csv": csv.read_csv,
            "tsv": lambda p: csv.read_csv(p, parse_options=csv.ParseOptions(delimiter="\t")),
            "parquet": parquet.read_table,
            "feather": feather.read_table,
        }[suffix]
        rows = read(f"rows.{suffix}")
        labels, names = rows["label"].to_pylist(), rows.column_names
        assert rows["b"].equals(table["b"])
    assert names == ["name", "a", "b", "w", "label", "p0", "p1", "p2"]
    assert labels == library.load(model).predict(table.select(["a", "b"])).tolist()


def test_json_lines(emkit, model, one_line):
    result = emkit("predict", model, "d.csv", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(rows) == 300 and rows[7]["a"] is None
    assert sum(rows[0][f"p{k}"] for k in range(3)) == pytest.approx(1.0)
    assert "give --out rows.jsonl" in one_line(emkit("predict", model, "d.csv", "--json", "--out", "x.csv"))


def test_cells_stay_as_they_are_written(emkit, model, tmp_path):
    (tmp_path / "new.csv").write_text('zip,b,a,note\n007,1.50,2e0,"x, ""y"""\nNA,,1,\n')
    lines = emkit("predict", model, "new.csv").stdout.splitlines()
    assert lines[1].startswith('007,1.50,2e0,"x, ""y""",') and lines[2].startswith("NA,,1,,")


def test_missing_column(emkit, model, tmp_path, one_line):
    (tmp_path / "new.csv").write_text("a,c\n1,2\n")
    assert "'new.csv' has no column 'b' that 'm.safetensors' was fitted to; it has: a, c" in one_line(
        emkit("predict", "m.safetensors", "new.csv")
    )
    (tmp_path / "new.csv").write_text("a,b\n1,2\n2,x\n")
    assert "column 'b' is not of numbers (row 1 is 'x')" in one_line(emkit("predict", model, "new.csv"))


def test_name_clash(emkit, model, tmp_path, one_line):
    (tmp_path / "new.csv").write_text("a,b,label\n1,2,x\n")
    assert "already has a column 'label'; give the added columns a prefix, e.g. --prefix em_" in one_line(
        emkit("predict", model, "new.csv")
    )
    result = emkit("predict", model, "new.csv", "--prefix", "em_")
    assert result.stdout.splitlines()[0] == "a,b,label,em_label,em_p0,em_p1,em_p2"


def test_output_refused(emkit, model, one_line):
    assert "rows are written as .csv" in one_line(emkit("predict", model, "d.csv", "--out", "rows.xlsx"))
    assert "cannot write 'no/rows.csv'" in one_line(emkit("predict", model, "d.csv", "--out", "no/rows.csv"))
    assert sorted(os.listdir()) == ["d.csv", "m.safetensors"]


def test_a_model_without_column_names(emkit, tmp_path, one_line):
    x = np.random.default_rng(0).normal(size=(60, 2))
    fitted = library.GaussianMixture(2, random_state=0).fit(x)
    fitted.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", x)
    rows = [json.loads(line) for line in emkit("predict", "m.safetensors", "x.npy", "--json").stdout.splitlines()]
    assert [row["label"] for row in rows] == fitted.predict(x).tolist()
    np.save(tmp_path / "x.npy", x[:, :1])
    assert "was fitted to 2 columns without names, 'x.npy' has 1" in one_line(emkit("predict", "m.safetensors", "x.npy"))


def test_inspect(emkit, model):
    text = emkit("inspect", model)
    assert text.exit_code == 0 and text.stderr == ""
    for part in (
        "gaussian-mixture in",
        library.__version__,
        "columns: a, b",
        "n_components=3",
        "24 tried",
        "random_from_data",
        "covariances",
    ):
        assert part in text.stdout
    fitted, held = library.load(model), json.loads(emkit("inspect", model, "--json").stdout)
    assert held["parameters"]["means"] == fitted.means_.tolist()
    assert held["emkit_version"] == library.__version__ and held["columns"] == ["a", "b"] and len(held["starts"]) == 24
    assert held["log_likelihood"] == fitted.result_.log_likelihood and held["bic"] == fitted.bic()
