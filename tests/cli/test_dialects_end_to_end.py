"""Text files as other programs write them, through ``emkit fit``, ``predict`` and ``forecast``."""

import csv
import io
import json

import numpy as np
import pytest
from pyarrow import parquet

FIT = ["-k", 3, "--n-init", 1, "--json"]


@pytest.fixture
def rows():
    """Three clusters in columns a and b, as they are written in a file with decimal points."""
    x = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])[np.arange(90) % 3] + np.random.default_rng(0).normal(size=(90, 2))
    return [[f"{v:.6f}" for v in row] for row in x]


@pytest.fixture
def write(rows, tmp_path):
    """Writes the rows, by default as plain CSV."""

    def run(name="d.csv", separator=",", decimal=".", header=("a", "b"), index=False, encoding="utf-8", end="\n"):
        lines = [separator.join(["", *header] if index else header)] if header else []
        for i, row in enumerate(rows):
            cells = [cell.replace(".", decimal) for cell in row]
            lines.append(separator.join([str(i), *cells] if index else cells))
        (tmp_path / name).write_bytes((end.join(lines) + end).encode(encoding))
        return name

    return run


@pytest.fixture
def plain(emkit, write):
    """What the plain file gives: means, and the lines of a prediction."""
    fitted = emkit("fit", write("plain.csv"), *FIT, "--out", "plain.safetensors")
    assert fitted.exit_code == 0, fitted.output
    predicted = emkit("predict", "plain.safetensors", "plain.csv")
    assert predicted.exit_code == 0, predicted.output
    return json.loads(fitted.stdout)["parameters"]["means"], list(csv.DictReader(io.StringIO(predicted.stdout)))


KINDS = {
    "semicolon and decimal comma": {"separator": ";", "decimal": ",", "end": "\r\n"},
    "semicolon": {"separator": ";"},
    "tsv": {"name": "d.tsv", "separator": "\t"},
    "tsv with decimal comma": {"name": "d.tsv", "separator": "\t", "decimal": ","},
    "blanks": {"name": "d.dat", "separator": "  "},
    "pipe": {"name": "d.txt", "separator": "|"},
    "utf-16": {"encoding": "utf-16"},
    "utf-16 of tabs, as Excel writes it": {"name": "d.txt", "separator": "\t", "encoding": "utf-16", "end": "\r\n"},
    "byte order mark": {"encoding": "utf-8-sig"},
    "unnamed row index": {"index": True},
    "semicolon, decimal comma and unnamed row index": {"separator": ";", "decimal": ",", "index": True},
}


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_file_means_the_same_however_it_is_written(emkit, write, plain, kind):
    name = write(**KINDS[kind])
    means, predicted = plain
    fitted = emkit("fit", name, *FIT, "--out", "m.safetensors")
    assert fitted.exit_code == 0, fitted.output
    found = json.loads(fitted.stdout)
    assert found["columns"] == ["a", "b"] and found["parameters"]["means"] == means
    rows = list(csv.DictReader(io.StringIO(emkit("predict", "m.safetensors", name).stdout)))
    if KINDS[kind].get("index"):
        assert [row.pop("") for row in rows] == [str(i) for i in range(90)]  # kept, though it is not data
        assert "left out the first column" in fitted.stderr
    assert rows == predicted


def test_what_predict_writes_can_be_read_again(emkit, write, plain):
    write(separator=";", decimal=",", index=True)
    for out in ("out.csv", "out.tsv"):
        assert emkit("predict", "plain.safetensors", "d.csv", "--out", out).exit_code == 0
        again = emkit("fit", out, *FIT, "--columns", "a,b")
        assert json.loads(again.stdout)["parameters"]["means"] == plain[0]
    assert emkit("predict", "plain.safetensors", "d.csv", "--out", "out.parquet").exit_code == 0
    assert parquet.read_table("out.parquet").column_names == ["a", "b", "label", "p0", "p1", "p2"]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"separator": ";", "decimal": ","}, ["--separator", "semicolon", "--decimal", "comma"]),
        ({"separator": ";", "decimal": ","}, ["--separator", ";", "--decimal", ","]),
        ({"separator": "|"}, ["--separator", "pipe", "--decimal", "point"]),
        ({"name": "d.txt", "separator": "  "}, ["--separator", "blank"]),
        ({"name": "d.csv", "separator": "\t"}, ["--separator", "tab"]),
        ({"separator": "~"}, ["--separator", "~"]),  # nobody would recognise this one
    ],
)
def test_separator_and_decimal_mark_by_name(emkit, write, plain, kind, words):
    name = write(**kind)
    fitted = emkit("fit", name, *FIT, *words, "--out", "m.safetensors")
    assert fitted.exit_code == 0, fitted.output
    assert json.loads(fitted.stdout)["parameters"]["means"] == plain[0]
    predicted = emkit("predict", "m.safetensors", name, *words)
    assert list(csv.DictReader(io.StringIO(predicted.stdout))) == plain[1]


def test_sequences_of_a_file_with_semicolons(emkit, visits, tmp_path):
    rows = (tmp_path / "visits.csv").read_text()
    (tmp_path / "x.txt").write_text(rows.replace(",", "~").replace(".", ","))
    words, asked = visits.fit[2:], ["--separator", "~", "--decimal", "comma"]
    assert emkit("fit", "visits.csv", *words, "--out", "m.safetensors").exit_code == 0
    assert emkit("fit", "x.txt", *words, *asked, "--out", "x.safetensors").exit_code == 0
    for command in ("predict", "forecast"):
        expected = emkit(command, "m.safetensors", "visits.csv")
        found = emkit(command, "x.safetensors", "x.txt", *asked)
        assert found.exit_code == 0, found.output
        assert found.stdout.replace('"', "") == expected.stdout.replace('"', ""), command
        assert "007" in found.stdout


@pytest.mark.parametrize(
    ("content", "words", "expected"),
    [
        ("a,b\n1,2\n1_000,3\n", [], "column 'a' is not of numbers (row 1 is '1_000'); correct the cell, or choose the columns to"),
        ("a,b\n1,2\n1_000,3\n", ["--columns", "a,b"], "(row 1 is '1_000'); correct the cell, or leave it empty"),
        ("a;b\n1,5;2\n\n2,5;3\n1_000;3\n", ["--columns", "a"], "column 'a' is not of numbers (row 2 is '1_000'); correct"),
        ("a;b\n1,5;2\n1.5;3\n3,5;3\n", ["--columns", "a", "--decimal", "comma"], "(row 1 is '1.5'); correct"),
        ("a;b\n1,5;2\n1,5;3\n", ["--columns", "a", "--decimal", "point"], "(row 0 is '1,5'); correct"),
        ("a;b\n1,5;.1\n1,5;.2\n2;.3", ["--columns", "a"], "(row 0 is '1,5'); say which is the --decimal mark"),
        ("a,b\n0x1F,2\n1,3\n", ["--columns", "a"], "(row 0 is '0x1F'); correct"),
        ("a,b\n,2\n2020-01-01,3\n", ["--columns", "a"], "(row 1 is '2020-01-01'); correct"),
        ("a~b\n1~2\n3~4\n", ["--columns", "b"], "has no column 'b'; it has: a~b"),
        ("a,b\n1,2\n3,4\n", ["--separator", "dash"], "separator 'dash' cannot be one; give one character, or a name: comma, semi"),
        ("a,b\n1,2\n3,4\n", ["--decimal", "dot"], "decimal 'dot' is unknown; give '.' or ',', or a name: point, comma"),
        ("a,b\n1,2\n3\n", [], "line 3: Expected 2 columns, got 1; correct the line, or give the --separator if it is not ','"),
    ],
)
def test_a_bad_cell_is_reported_where_it_is(emkit, tmp_path, one_line, content, words, expected):
    (tmp_path / "x.csv").write_text(content)
    assert expected in one_line(emkit("fit", "x.csv", "-k", 1, "--quiet", *words))


@pytest.mark.parametrize("words", [["--decimal", "comma"], ["--separator", "tab"]])
def test_only_text_files_have_a_separator(emkit, model, table, one_line, words):
    parquet.write_table(table, "d.parquet")
    for command in (["fit", "-k", 2, "d.parquet"], ["predict", "m.safetensors", "d.parquet"]):
        assert "'d.parquet' is not a text file; leave out --separator and --decimal" in one_line(emkit(*command, *words))


def test_notes_are_talk(emkit, tmp_path):
    (tmp_path / "x.csv").write_text("a;b\n1,500;2,250\n2,250;4,125\n3,125;1,375\n")
    fit = ["fit", "x.csv", "-k", 1, "--out", "m.safetensors"]
    note = "emkit: note: commas in 'x.csv' are read as decimal, e.g. 1,500"
    for command in (fit, ["predict", "m.safetensors", "x.csv"]):
        result, quiet = emkit(*command), emkit(*command, "--quiet")
        assert result.exit_code == 0 and result.stderr.count(note) == 1 and note not in result.stdout
        assert quiet.exit_code == 0 and not quiet.stderr


def test_a_first_line_of_numbers(emkit, write):
    name = write(separator=";", decimal=",", header=())
    result = emkit("fit", name, *FIT)
    assert result.exit_code == 0 and f"warning: the first line of '{name}' is numbers" in result.stderr
    assert "is numbers" not in emkit("fit", write(header=("1_0", "2_0")), *FIT).stderr


def test_wide_tables_and_long_rows(emkit, tmp_path):
    cells = np.random.default_rng(0).integers(0, 9, (12, 45_000)).astype(str)
    lines = [",".join(f"column{j}" for j in range(45_000)), *map(",".join, cells)]
    (tmp_path / "wide.csv").write_text("\n".join(lines))
    result = emkit("fit", "wide.csv", "-k", 1, "--columns", "column7,column44999", "--no-prior", "--json", "--out", "m.safetensors")
    assert result.exit_code == 0, result.output
    expected = cells[:, [7, 44_999]].astype(float).mean(axis=0)
    np.testing.assert_allclose(json.loads(result.stdout)["parameters"]["means"], [expected])
    (tmp_path / "long.csv").write_text("note,column7,column44999\n" + "".join(f"{'x' * 1_200_000},{i},{i % 3}\n" for i in range(6)))
    assert emkit("predict", "m.safetensors", "long.csv", "--out", "out.csv").exit_code == 0
    again = emkit("fit", "out.csv", "-k", 1, "--columns", "column7,column44999", "--no-prior", "--json")
    np.testing.assert_allclose(json.loads(again.stdout)["parameters"]["means"], [[2.5, 1.0]])
