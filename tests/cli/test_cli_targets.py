"""Models with a target: fit, predict, inspect and errors of them, and what is refused."""

import json

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv


@pytest.fixture
def curve(tmp_path):
    """A wave in column y with x, a further column z, classes in c, and a counting target n."""
    rng = np.random.default_rng(0)
    x, z = rng.uniform(-3, 3, 120), rng.normal(size=120)
    y = np.sin(2 * x) + 0.1 * rng.normal(size=120)
    table = pa.table({"x": x, "z": z, "y": y, "c": np.where(x > 0.5, "high", "low"), "n": rng.poisson(np.exp(0.5 * x))})
    csv.write_csv(table, tmp_path / "curve.csv")
    return tmp_path / "curve.csv"


def written(result):
    return csv.read_csv(pa.py_buffer(result.stdout.encode()))


def test_an_rbf_network_from_file_to_intervals(emkit, curve):
    said = emkit("fit", curve, "--model", "rbf", "--target", "y", "--columns", "x,z", "-k", 10, "--out", "r.safetensors")
    assert said.exit_code == 0 and "Radial basis function network" in said.stdout
    rows = written(emkit("predict", "r.safetensors", curve))
    assert rows.column_names == ["x", "z", "y", "c", "n", "mean", "std", "low", "high"]
    low, y, high = (rows[name].to_numpy() for name in ("low", "y", "high"))
    assert ((low <= y) & (y <= high)).mean() > 0.8
    assert "return_std" in emkit("errors", "r.safetensors", curve).stderr
    shown = emkit("inspect", "r.safetensors")
    assert shown.exit_code == 0 and "rbf in" in shown.stdout and "relevance" in shown.stdout
    assert json.loads(emkit("inspect", "r.safetensors", "--json").stdout)["n_units"] == 10


def test_texts_are_classes(emkit, curve):
    said = emkit("fit", curve, "--model", "rbf", "--target", "c", "--columns", "x,z", "-k", 4, "--out", "c.safetensors")
    assert "2 classes" in said.stdout
    rows = written(emkit("predict", "c.safetensors", curve))
    assert (np.array(rows["label"]) == np.array(rows["c"])).mean() > 0.9 and "p_high" in rows.column_names


def test_experts_and_regressions(emkit, curve, one_line):
    asked = ("--model", "mixture-of-experts", "--target", "y", "--columns", "x", "-k", 2)
    said = emkit("fit", curve, *asked, "--out", "e.safetensors")
    assert said.exit_code in (0, 3) and "expert" in said.stdout
    assert {"mean", "low", "high"} <= set(written(emkit("predict", "e.safetensors", curve)).column_names)
    arguments = ("--model", "regressions", "--target", "n", "--columns", "x,z", "--concomitant", "z", "--set", "response=poisson")
    said = emkit("fit", curve, *arguments, "-k", 2, "--out", "m.safetensors")
    assert said.exit_code in (0, 3) and "poisson" in said.stdout
    assert "coefficients[0, 0]" in emkit("errors", "m.safetensors", curve).stdout
    shown = emkit("inspect", "m.safetensors").stdout
    assert "class" in shown and "shared=" not in shown and emkit("inspect", "e.safetensors").exit_code == 0
    assert "fills in no other cells" in one_line(emkit("impute", "e.safetensors", curve))
    assert "nothing to forecast" in one_line(emkit("forecast", "e.safetensors", curve, "--horizon", 2))


def test_what_cannot_be_is_refused(emkit, curve, one_line):
    assert "--target" in one_line(emkit("fit", curve, "--model", "rbf"))
    assert "no target" in one_line(emkit("fit", curve, "-k", 2, "--target", "y"))
    assert "no column 'w'" in one_line(emkit("fit", curve, "--model", "rbf", "--target", "w"))
    assert "predicts numbers" in one_line(emkit("fit", curve, "--model", "regressions", "--target", "c", "-k", 2))
    assert "too" in one_line(emkit("fit", curve, "--model", "rbf", "--target", "y", "--columns", "x,y"))
    curve.write_text("x,y\n1,2\n2,\n3,4\n")
    assert "row 1" in one_line(emkit("fit", curve, "--model", "rbf", "--target", "y"))


def test_known_labels_are_of_no_use_beside_a_target(emkit, curve, one_line):
    """A model with a target is told of none, so that none are read and dropped."""
    fit = ("fit", curve, "--model", "regressions", "--target", "y", "--columns", "x", "-k", 2, "--max-iter", 5)
    assert emkit(*fit, "--out", "m.safetensors").exit_code in (0, 3)
    for said in (fit, ("errors", "m.safetensors", curve), ("report", "m.safetensors", curve)):
        assert "leave out --labels" in one_line(emkit(*said, "--labels", "n"))
