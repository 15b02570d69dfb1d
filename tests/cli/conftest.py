import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv
from typer.testing import CliRunner

from emkit.cli.app import app

CENTRES = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])


@pytest.fixture
def emkit(tmp_path, monkeypatch):
    """Run the command line in an empty folder: ``emkit("fit", "d.csv", ...)``."""
    monkeypatch.chdir(tmp_path)

    def run(*args):
        return CliRunner().invoke(app, [str(a) for a in args], prog_name="emkit")

    return run


@pytest.fixture
def table():
    """Three clear clusters in columns a and b, with names, weights and one missing cell."""
    random = np.random.default_rng(0)
    x = CENTRES[np.arange(300) % 3] + random.normal(size=(300, 2))
    a = pa.array([None if i == 7 else v for i, v in enumerate(x[:, 0])])
    return pa.table({"name": [f"{i:03d}x" for i in range(300)], "a": a, "b": x[:, 1], "w": random.integers(1, 3, 300)})


@pytest.fixture
def data(table, tmp_path):
    """The table as d.csv in the folder where ``emkit`` runs."""
    csv.write_csv(table, tmp_path / "d.csv")
    return tmp_path / "d.csv"


@pytest.fixture
def model(emkit, data, tmp_path):
    """A model fitted to d.csv."""
    assert emkit("fit", data, "-k", 3, "--columns", "a,b", "--out", "m.safetensors").exit_code == 0
    return tmp_path / "m.safetensors"


@pytest.fixture
def one_line():
    """The line on stderr of a command that refused, checked to be one line and no traceback."""

    def check(result):
        assert result.exit_code == 2, result.output
        lines = result.stderr.strip().splitlines()
        assert len(lines) == 1 and lines[0].startswith("emkit: error: "), result.stderr
        return lines[0]

    return check
