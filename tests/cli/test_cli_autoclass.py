"""AutoClass on the command line: its own files, types of columns, classes without -k."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

DATA = Path(__file__).parents[1] / "support" / "data"


@pytest.fixture
def files(tmp_path):
    for suffix in ("db2", "hd2", "model"):
        shutil.copy(DATA / f"autoclass_synthetic.{suffix}", tmp_path / f"s.{suffix}")


def test_fit_and_predict_the_programs_files(emkit, files):
    done = emkit("fit", "s.db2", "--model", "autoclass", "--set", "max_tries=1", "--out", "m.safetensors")
    assert done.exit_code == 0, done.stderr
    assert re.match(r"AutoClass: [34] classes, 6 columns, 300 rows", done.stdout)
    assert "log marginal -758" in done.stdout
    assert emkit("predict", "m.safetensors", "s.db2", "--out", "out.csv").exit_code == 0
    assert {0, 1, 2} <= set(pd.read_csv("out.csv")["label"])


def test_types_and_json(emkit, files):
    given = ("fit", "s.db2", "--model", "autoclass", "--set", "max_tries=1", "--types", "t=ignore", "--json", "--quiet")
    told = json.loads(emkit(*given).stdout)
    assert told["model"] == "autoclass"
    assert told["families"]["t"] == "ignore"
    assert told["log_marginal"] > -8000


def test_what_is_wrong_is_one_line(emkit, files, one_line):
    assert "choose one of: normal, log" in one_line(emkit("fit", "s.db2", "--model", "autoclass", "--types", "t=wide"))
    header = Path("s.hd2").read_text()
    Path("s.hd2").write_text(header.replace("error 0.05", "eror 0.05"))
    assert "s.hd2 line 7: 'eror' is no parameter" in one_line(emkit("fit", "s.db2", "--model", "autoclass"))
    Path("s.hd2").unlink()
    assert "s.hd2" in one_line(emkit("fit", "s.db2", "--model", "autoclass"))


def test_a_search_that_is_cut_off_is_exit_code_3(emkit, files, monkeypatch):
    from emkit.selection.autoclass import search as searching

    real, tries = searching._try, []

    def interrupted(*args):
        tries.append(1)
        if len(tries) > 1:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(searching, "_try", interrupted)
    done = emkit("fit", "s.db2", "--model", "autoclass", "--out", "m.safetensors")
    assert done.exit_code == 3
    assert "by an interrupt after 1 try" in done.stderr
    assert Path("m.safetensors").exists()


def test_a_time_limit_is_the_searchs_own(emkit, files):
    told = json.loads(emkit("fit", "s.db2", "--model", "autoclass", "--time-limit", "60", "--set", "max_tries=1", "--json").stdout)
    assert told["settings"]["time_limit"] == 60
    assert emkit("fit", "s.db2", "--model", "autoclass", "--time-limit", "1e-9").exit_code == 3


def test_json_has_classes_and_influences(emkit, files):
    told = json.loads(emkit("fit", "s.db2", "--model", "autoclass", "--set", "max_tries=1", "--json", "--quiet").stdout)
    assert sum(one["rows"] for one in told["classes"]) == 300
    assert sum(one["weight"] for one in told["classes"]) == pytest.approx(1.0)
    assert set(told["classes"][0]["influence"]) == set(told["columns"]) == set(told["overall_influence"])
    assert max(told["overall_influence"].values()) == 1.0
    assert told["search"]["tries"] == 1


@pytest.mark.parametrize("columns", ["x,y,t", "x,t", "t"])
def test_some_columns_of_the_programs_files(emkit, files, columns):
    """x and y are correlated there; one of them alone is a number like others."""
    given = ("fit", "s.db2", "--model", "autoclass", "--set", "max_tries=1", "--columns", columns, "--json", "--quiet")
    done = emkit(*given)
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["columns"] == columns.split(",")
    assert ("correlated" in str(told["settings"]["types"])) == ("y" in columns)
