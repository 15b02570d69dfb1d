import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, feather, parquet

import emkit as library


def test_writes_the_model_that_the_library_would(emkit, data, table):
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--weights", "w", "--out", "m.safetensors", "--seed", 4)
    assert result.exit_code == 0
    assert "Gaussian mixture: 3 components" in result.stdout and "model written to 'm.safetensors'" in result.stderr
    ours = library.load("m.safetensors")
    theirs = library.GaussianMixture(3, random_state=4).fit(table.select(["a", "b"]), sample_weight=table["w"].to_numpy())
    assert ours.feature_names_in_.tolist() == ["a", "b"]
    np.testing.assert_array_equal(ours.means_, theirs.means_)
    assert ours.result_.log_likelihood == theirs.result_.log_likelihood


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "feather", "npy"])
def test_reads_every_format(emkit, table, tmp_path, suffix):
    path, numbers = tmp_path / f"d.{suffix}", table.select(["a", "b"])
    if suffix in ("csv", "tsv"):
        csv.write_csv(numbers, path, csv.WriteOptions(delimiter="," if suffix == "csv" else "\t"))
    elif suffix == "parquet":
        parquet.write_table(numbers, path)
    elif suffix == "feather":
        feather.write_feather(numbers, path)
    else:
        np.save(path, np.column_stack([c.to_numpy() for c in numbers.columns]))
    result = emkit("fit", path, "-k", 3, "--json", "--quiet")
    assert result.exit_code == 0, result.stderr
    fitted = json.loads(result.stdout)
    assert fitted["columns"] == (["x0", "x1"] if suffix == "npy" else ["a", "b"])
    assert fitted["n_rows"] == 300 and fitted["converged"]
    np.testing.assert_allclose(sorted(np.abs(np.array(fitted["parameters"]["means"])).max(axis=1)), [0, 6, 6], atol=0.5)


def test_settings_reach_the_estimator(emkit, data):
    options = ["--covariance-type", "spherical", "--tol", 0, "--max-iter", 7, "--n-init", 2, "--no-prior", "--n-jobs", 1]
    fixed = ["--fixed", '{"covariances": 1.0, "weights": [0.5, 0.3, 0.2]}', "--set", "init_params=random_from_data"]
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", *options, *fixed, "--json")
    assert result.exit_code == 0  # tol 0 asks for exactly max_iter iterations: that is no failure to converge
    fitted = json.loads(result.stdout)
    assert fitted["n_iter"] == 7 and len(fitted["starts"]) == 2 and fitted["log_prior"] == 0
    assert fitted["parameters"]["covariances"] == [1.0, 1.0, 1.0]
    assert fitted["parameters"]["weights"] == [0.5, 0.3, 0.2]
    assert fitted["n_free"] == 6
    assert fitted["settings"]["prior"] is None and fitted["settings"]["init_params"] == "random_from_data"


def test_not_converged_is_3_and_the_model_is_written(emkit, data):
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--max-iter", 1, "--out", "m.safetensors")
    assert result.exit_code == 3
    assert "not converged; model written to 'm.safetensors' all the same" in result.stderr
    assert "emkit: warning: stopped at max_iter" in result.stderr and "ConvergenceWarning" not in result.stderr
    assert library.load("m.safetensors").converged_ is False


def test_time_limit(emkit, data):
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--n-init", 1, "--time-limit", 0, "--json", "--quiet")
    assert result.exit_code == 3 and result.stderr == ""
    assert json.loads(result.stdout)["reason"] == "TIME_LIMIT"


def test_progress_is_plain_lines_away_from_a_terminal(emkit, data):
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--tol", 0, "--max-iter", 20, "--n-init", 1)
    lines = result.stderr.splitlines()
    assert all(line.startswith("emkit: ") for line in lines) and "\x1b" not in result.stderr
    assert sum("iteration 10  objective" in line for line in lines) == 1


def test_quiet_says_nothing(emkit, data):
    result = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--max-iter", 1, "--quiet")
    assert result.exit_code == 3 and result.stderr == ""


def test_checkpoint_is_taken_up(emkit, data, tmp_path):
    from emkit.io.checkpoint import Checkpoint

    words = ["fit", "d.csv", "-k", 3, "--columns", "a,b", "--n-init", 1, "--checkpoint", "c.safetensors"]
    table = csv.read_csv(data).select(["a", "b"])
    stop = library.TimeLimit(0)
    with pytest.warns(UserWarning, match="time limit"):
        library.GaussianMixture(3, n_init=1, random_state=0, monitors=[stop], checkpoint=Checkpoint("c.safetensors")).fit(table)
    result = emkit(*words, "--json")
    assert "taking up the fit from 'c.safetensors'" in result.stderr
    assert (
        json.loads(result.stdout)["objective"] == library.GaussianMixture(3, n_init=1, random_state=0).fit(table).result_.objective
    )


def test_an_empty_line_of_a_single_column_is_a_missing_cell(emkit, tmp_path):
    (tmp_path / "d.csv").write_text("a\n" + "1\n2\n\n4\n3\n" * 4)
    result = emkit("fit", "d.csv", "-k", 1, "--json")
    assert json.loads(result.stdout)["n_rows"] == 20
    assert json.loads(result.stdout)["parameters"]["means"] == [[pytest.approx(2.5)]]


def test_says_when_numbers_were_taken_as_names(emkit, tmp_path):
    (tmp_path / "d.csv").write_text("1.5,2\n" * 3 + "2.5,4\n" * 3)
    result = emkit("fit", "d.csv", "-k", 1)
    assert "warning: the first line of 'd.csv' is numbers" in result.stderr


def test_a_row_index_of_pandas_is_not_data(emkit, tmp_path):
    parquet.write_table(pa.table({"a": np.arange(9.0) ** 2, "__index_level_0__": np.arange(9)}), tmp_path / "d.parquet")
    result = emkit("fit", "d.parquet", "-k", 1, "--json")
    assert json.loads(result.stdout)["columns"] == ["a"] and "left out __index_level_0__" in result.stderr


@pytest.mark.parametrize("model", ["gaussian-mixture", "hmm"])
def test_the_algorithm_is_a_setting(emkit, data, model):
    plain, fast = (
        json.loads(
            emkit(
                "fit", "d.csv", "-k", 3, "--columns", "a,b", "--model", model, "--set", f"algorithm={word}", "--json", "--quiet"
            ).stdout
        )
        for word in ("em", "auto")
    )
    assert fast["converged"] and fast["log_likelihood"] == pytest.approx(plain["log_likelihood"], abs=0.1)
    refused = emkit("fit", "d.csv", "-k", 3, "--columns", "a,b", "--model", model, "--set", "algorithm=quick")
    assert refused.exit_code == 2 and "give 'auto', 'em', 'accelerated'" in refused.stderr


@pytest.mark.parametrize(("given", "starts"), [("auto", 24), ("3", 3)])
def test_number_of_starts(emkit, data, given, starts):
    done = emkit("fit", data, "--columns", "a,b", "-k", "2", "--n-init", given, "--json")
    assert done.exit_code == 0 and len(json.loads(done.stdout)["starts"]) == starts


@pytest.mark.parametrize("given", ["0", "-2", "some", "2.5"])
def test_no_number_of_starts(emkit, data, given):
    done = emkit("fit", data, "--columns", "a,b", "-k", "2", "--n-init", given)
    assert done.exit_code != 0 and "n_init" in done.stderr


def test_one_pass_is_asked_for_by_name_and_is_no_failure(emkit, table, tmp_path):
    (tmp_path / "rows").mkdir()
    parquet.write_table(table, tmp_path / "rows" / "a.parquet")
    asked = ("fit", "rows/*.parquet", "-k", 3, "--columns", "a,b", "--online")
    result = emkit(*asked, "--out", "m.safetensors")
    assert result.exit_code == 0, result.output
    assert library.load(tmp_path / "m.safetensors").result_.reason.name == "PASSES"
    assert "--online and --set algorithm=... both name" in emkit(*asked, "--set", "algorithm=em").stderr


@pytest.mark.parametrize(("passes", "left"), [(None, " left"), (2, ", about 50 s left")])
def test_the_pace_of_a_stream_counts_the_rows_that_are_read(passes, left, monkeypatch):
    """A step of ten seconds that reads 100 of 300 rows, as in online EM; the time left is known where the passes are."""
    from emkit.cli import streams
    from emkit.core.result import Step

    clock, said = iter(range(0, 1000, 10)), []
    monkeypatch.setattr(streams.time, "monotonic", lambda: float(next(clock)))
    pace = streams.Pace(SimpleNamespace(n_rows=300), 1e-3, SimpleNamespace(say=said.append), passes)
    for iteration, objective in enumerate([-100.0, -50.0, -25.0, -12.5, -6.25]):
        streams.READ.add(100)
        pace.step(Step(iteration, None, objective, 0.0))
    assert said[4].startswith("iteration 4: 10 rows a second") and said[4].endswith(left)
