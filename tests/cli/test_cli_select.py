"""``emkit select``: a table on standard output, a model and a picture on request."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emkit import load
from emkit.cli.app import app
from support.datasets import FOLDER

DATA = str(FOLDER / "faithful.csv")


def run(*arguments):
    return CliRunner().invoke(app, ["select", DATA, *arguments])


def test_grid_of_shapes_with_model_and_picture(tmp_path):
    out, picture = tmp_path / "best.safetensors", tmp_path / "picture.png"
    found = run("-k", "2:3", "--shapes", "EEE,VVV", "--out", str(out), "--plot", str(picture))
    assert found.exit_code == 0, found.output
    assert "chosen by bic: n_components=3, covariance_type=EEE" in found.stdout
    assert load(out).n_components_ == 3
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_json():
    found = run("-k", "1,2", "--by", "icl", "--json", "-q")
    said = json.loads(found.stdout)
    assert said["best"] == {"n_components": 2} and len(said["table"]["icl"]) == 2


def test_time_limit_ends_with_code_3():
    found = run("-k", "1:4", "--time-limit", "0", "-q")
    assert found.exit_code == 3 and "stopped at the time limit" in found.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-k", "3:1"], "give numbers of at least 1"),
        (["--families", "gamma"], "no setting 'family'"),
        (["--model", "poisson-hmm"], "cannot be searched"),
        (["--by", "r2"], "choose one of"),
    ],
)
def test_bad_input_is_one_line(arguments, said):
    found = run(*arguments)
    assert found.exit_code == 2 and said in found.stderr and found.stderr.count("\n") == 1


def test_a_search_that_chooses_nothing_prints_its_table_and_fails(emkit, tmp_path):
    Path("constant.csv").write_text("a,b\n" + "1,2\n" * 30)
    done = emkit("select", "constant.csv", "-k", "1:2", "--out", "m.safetensors", "--quiet")
    assert done.exit_code == 2 and "none chosen" in done.stdout and not Path("m.safetensors").exists()
    assert "no candidate was chosen" in done.stderr
