"""Each refusal is one line on stderr that names what is wrong, exit code 2, and costs nobody a file."""

import errno
import os

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "cannot read 'x.csv': Empty CSV file"),
        ("a,b\n1,2\n3,4\n5", "Expected 2 columns, got 1"),
        ('a,b\n1,2\n3,"4', 'a quoted cell (") is never closed'),
        ("a,a\n1,2\n", "found more than once: a"),
        ("a,b\n", "found 0 row(s)"),
        ("a,b\n1,2\n", "found 1 row(s)"),
        ("a,b\n1,x\n2,3\n", "column 'b' is not of numbers (row 0 is 'x'); choose the columns to fit, e.g. --columns a"),
        ("a,b\n1,2\n2,oops\n", "column 'b' is not of numbers (row 1 is 'oops')"),
        ("a\nx\ny\n", "column 'a' is not of numbers (row 0 is 'x'); correct the cell"),
        ("a,b\n1,inf\n2,3\n", "column 'b' row 0 is inf"),
        ("a,b\n1,\n2,\n", "column 'b' has no observed value"),
        ("a,b\n1,2\n2,4\n", "n_components=3 is more than the 2 row(s)"),
    ],
)
def test_bad_csv(emkit, tmp_path, content, expected, one_line):
    (tmp_path / "x.csv").write_text(content)
    assert expected in one_line(emkit("fit", "x.csv", "-k", 3, "--quiet"))


@pytest.mark.parametrize("suffix", ["parquet", "feather", "npy"])
def test_a_file_that_is_something_else_or_cut_short(emkit, tmp_path, suffix, one_line):
    (tmp_path / f"x.{suffix}").write_bytes(b"\x93NUMPY\x01\x00" + b"rubbish" * 9)
    assert f"cannot read 'x.{suffix}'" in one_line(emkit("fit", f"x.{suffix}", "-k", 2))
    np.save(tmp_path / "cut.npy", np.ones((50, 2)))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:400])
    assert "cannot read 'cut.npy'" in one_line(emkit("fit", "cut.npy", "-k", 2))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fit", "nope.csv", "-k", 2], "no such file: 'nope.csv'"),
        (["fit", ".", "-k", 2], "column 'name' holds 300 different texts"),
        (["fit", "d.xlsx", "-k", 2], "unknown extension '.xlsx'; emkit reads .csv"),
        (
            ["fit", "d.csv", "-k", 2],
            "column 'name' is not of numbers (row 0 is '000x'); choose the columns to fit, e.g. --columns a,b,w",
        ),
        (["fit", "d.csv", "-k", 2, "--columns", "a,nope"], "'d.csv' has no column 'nope'; it has: name, a, b, w"),
        (["fit", "d.csv", "-k", 2, "--columns", "a,,b"], "give names with commas between them"),
        (["fit", "d.csv", "-k", 2, "--columns", "a,a"], "names a more than once"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--weights", "nope"], "has no column 'nope'"),
        (["fit", "d.csv", "-k", 2, "--columns", "b", "--weights", "a"], "sample_weight row"),
        (["fit", "d.csv", "-k", 2, "--columns", "b", "--weights", "name"], "column 'name' is not of numbers"),
        (["fit", "d.csv", "--columns", "a"], "say how many components the gaussian-mixture has, e.g. -k 3"),
        (["fit", "d.csv", "-k", 0], "-k"),
        (["fit", "d.csv", "-k", "two"], "-k"),
        (["fit", "d.csv", "-k", 2, "--model", "spline"], "--model 'spline' is unknown; choose one of: gaussian-mixture"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--tol", -1], "tol=-1"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--n-jobs", 0], "n_jobs=0"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--covariance-type", "blob"], "covariance_type='blob': choose one of"),
        (["fit", "d.csv", "-k", 2, "--fixed", "{oops"], "--fixed is not JSON"),
        (["fit", "d.csv", "-k", 2, "--fixed", "[1]"], "give a JSON object"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--fixed", '{"mean": 1}'], "fixed=['mean']"),
        (["fit", "d.csv", "-k", 2, "--set", "reg_covar"], "write NAME=VALUE"),
        (["fit", "d.csv", "-k", 2, "--set", "colour=1"], "has no setting 'colour'"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--out", "no/such/m.safetensors"], "cannot write 'no/such/m.safetensors'"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--out", "."], "cannot write '.': it is a folder"),
        (["fit", "d.csv", "-k", 2, "--columns", "a", "--checkpoint", "d.csv", "-q"], "'d.csv' is not a readable .safetensors file"),
        (["fit"], "(see emkit fit --help)"),
        (["fit", "d.csv", "--nope"], "--nope"),
        (["forecast"], "forecast"),
        (["inspect", "nope.safetensors"], "no such file"),
        (["inspect", "d.csv"], "not a readable .safetensors file"),
        (["predict", "d.csv", "d.csv"], "not a readable .safetensors file"),
        (["demo", "--iterations", 0], "--iterations"),
        (["demo", "--out", "no/such/picture.png"], "cannot write 'no/such/picture.png'"),
    ],
)
def test_refused(emkit, data, words, expected, one_line):
    assert expected in one_line(emkit(*words))
    assert os.listdir() == ["d.csv"]


def test_a_full_disk_leaves_the_old_model_and_the_summary(emkit, model, monkeypatch, one_line):
    before = model.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    result = emkit("fit", "d.csv", "-k", 2, "--columns", "a", "--out", model, "--quiet")
    assert "No space left on device; the old file is untouched" in one_line(result)
    assert "Gaussian mixture: 2 components" in result.stdout
    assert model.read_bytes() == before and sorted(os.listdir()) == ["d.csv", "m.safetensors"]


def test_a_bug_is_not_disguised(emkit, data, monkeypatch):
    monkeypatch.setattr("emkit.cli.reading.read_table", lambda *_, **__: 1 / 0)
    assert isinstance(emkit("fit", "d.csv", "-k", 2).exception, ZeroDivisionError)
