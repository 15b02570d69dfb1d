"""Latent class analysis on the command line: columns of text and of numbers are items, levels are kept, new ones are refused."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

import emkit as library

DATA = Path(__file__).parents[1] / "support" / "data"


@pytest.fixture
def aboard(tmp_path):
    """The Titanic, with words for some of the numbers, as t.csv."""
    table = pd.read_csv(DATA / "titanic.csv")
    table["Survived"] = table["Survived"].map({1: "no", 2: "yes"})
    table.to_csv(tmp_path / "t.csv", index=False)
    return table


def test_fit_inspect_predict(emkit, aboard, tmp_path):
    done = emkit("fit", "t.csv", "--model", "latent-class", "-k", 3, "--weights", "count", "--out", "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("Latent class model: 3 classes, 4 columns, 24 rows (weight 2201)")
    ours = library.load("m.safetensors")
    assert ours.result_.log_likelihood >= -5202.774103 - 1e-4
    shown = emkit("inspect", "m.safetensors")
    assert "Class (1, 2, 3, 4), Sex (1, 2), Age (1, 2), Survived (no, yes)" in shown.stdout
    assert emkit("predict", "m.safetensors", "t.csv", "--out", "out.csv").exit_code == 0
    out = pd.read_csv(tmp_path / "out.csv")
    assert out["label"].tolist() == ours.predict(aboard.drop(columns="count")).tolist()
    told = json.loads(emkit("inspect", "m.safetensors", "--json").stdout)
    assert told["model"] == "latent-class" and told["n_free"] == 20


def test_a_new_level_is_refused_or_missing(emkit, aboard, one_line):
    emkit("fit", "t.csv", "--model", "latent-class", "-k", 2, "--weights", "count", "--out", "m.safetensors")
    aboard.assign(Class=7).to_csv("new.csv", index=False)
    line = one_line(emkit("predict", "m.safetensors", "new.csv", "--quiet"))
    assert "column 'Class' row 0 is 7, a level that was not there in the fit (it had 1, 2, 3, 4)" in line
    assert emkit("predict", "m.safetensors", "new.csv", "--unseen", "missing").exit_code == 0


def test_missing_answers_and_groups(emkit, aboard):
    shutil.copy(DATA / "survey_missing.csv", "s.csv")
    done = emkit("fit", "s.csv", "--model", "latent-class", "-k", 3, "--json", "--quiet")
    assert json.loads(done.stdout)["log_likelihood"] >= -2268.476415 - 1e-4
    options = ["--set", "groups=Sex", "--set", 'free_items=["Survived"]', "--weights", "count"]
    done = emkit("fit", "t.csv", "--model", "latent-class", "-k", 2, *options)
    assert done.exit_code == 0 and "Survived (1)" in done.stdout


def test_numbers_with_fractions_are_no_answers(emkit, data, one_line):
    line = one_line(emkit("fit", "d.csv", "--model", "latent-class", "-k", 2, "--columns", "a,b", "--quiet"))
    assert "column 'a' row 0 is" in line and "a number with a fraction" in line
