import shutil
from pathlib import Path
from types import SimpleNamespace

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


@pytest.fixture
def quakes(tmp_path):
    """Major earthquakes a year, 1900 to 2006 (Zucchini, MacDonald and Langrock 2016), as quakes.csv and as a table."""
    shutil.copy(Path(__file__).parents[1] / "support" / "data" / "earthquakes.csv", tmp_path / "quakes.csv")
    return csv.read_csv(tmp_path / "quakes.csv")


@pytest.fixture
def visits(tmp_path):
    """Three sequences of two states, their rows shuffled, as visits.csv.

    ``table``; ``series``, each one's counts in time order, (T, 1); ``first``, their keys as they first appear; ``fit``, the words
    that fit them.
    """
    random = np.random.default_rng(1)
    rows = []
    for key, length in (("007", 15), ("7", 20), ("x", 25)):
        state = 0
        for t in range(length):
            state = 1 - state if random.random() < 0.15 else state
            known = state if t % 3 == 0 else None
            rows.append(
                (key, t, int(random.poisson((3, 15)[state])), known, random.normal(5.0 * state), int(random.random() < 0.5))
            )
    rows = [rows[i] for i in random.permutation(len(rows))]
    columns = {name: [row[j] for row in rows] for j, name in enumerate(("id", "t", "n", "known", "v", "b"))}
    table = pa.table(columns | {"w": [2 if row[0] == "x" else 1 for row in rows]})
    csv.write_csv(table, tmp_path / "visits.csv")
    series = {k: np.array([[r[2]] for r in sorted(rows, key=lambda r: r[1]) if r[0] == k], dtype=float) for k in ("007", "7", "x")}
    words = ["--emission", "poisson", "-k", 2, "--sequence", "id", "--order", "t", "--columns", "n", "--n-init", 1]
    fit = ["fit", "visits.csv", "--model", "hmm", *words]
    return SimpleNamespace(table=table, series=series, first=list(dict.fromkeys(columns["id"])), fit=fit)
