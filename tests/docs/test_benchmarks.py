"""The benchmarks run, and their problems are what their names say. Nothing here depends on the clock."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from pages import ROOT


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize("seed", [2, 20])
def test_simulated_mixtures_have_the_bayes_error_asked_for_and_are_regular(seed):
    from benchmarks.problems import Simulated

    problem = Simulated(seed)
    x = problem.data()
    assert x.shape == (problem.n, problem.d) and len(problem.truth.weights) == problem.k
    assert 0.01 <= problem.target <= 0.2
    assert abs(problem.truth.bayes_error(seed) - problem.target) < 1e-3
    assert not problem.truth.sliver(x)


def test_a_component_of_too_few_rows_or_nearly_flat_is_a_sliver():
    from benchmarks.problems import Parameters

    x = np.random.default_rng(0).standard_normal((1000, 2))
    means, round_ones = np.zeros((2, 2)), np.tile(np.eye(2), (2, 1, 1))
    flat = np.stack([np.eye(2), np.diag([1.0, 1e-4])])
    assert not Parameters(np.array([0.9, 0.1]), means, round_ones).sliver(x)
    assert "rows" in Parameters(np.array([0.996, 0.004]), means, round_ones).sliver(x)
    assert "sd" in Parameters(np.array([0.9, 0.1]), means, flat).sliver(x)
    assert "sd" in Parameters(np.array([0.9, 0.1]), 1e3 * means, 1e6 * flat).sliver(1e3 * x)


def test_the_answer_benchmark_runs(tmp_path):
    pytest.importorskip("hmmlearn")
    path = tmp_path / "answer.json"
    command = [sys.executable, "-m", "benchmarks", "answer", "--only", "slow/faithful", "--repeats", "1", "--save", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    (row,) = json.loads(path.read_text())["slow"]["rows"]
    assert row["problem"].startswith("faithful") and row["kind"] == "easy"
    for algorithm in ("em", "auto", "accelerated"):
        assert row[algorithm]["reason"] == "CONVERGED" and row[algorithm]["honest"] and row[algorithm]["same_basin"]


def test_the_benchmark_of_tensors_runs(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "torch.json"
    command = [sys.executable, "-m", "benchmarks", "torch", "--rows", "3000", "--repeats", "1", "--save", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    found = json.loads(path.read_text())
    assert [row["width"] for row in found["cpu"]] == ["float64", "float32"]
    assert found["cpu"][0]["difference"] < 1e-11
    assert all(min(row["cpu"].values()) > 0 for row in found["cpu"])


def test_the_benchmark_of_sequences_in_files_runs(tmp_path):
    path = tmp_path / "out_of_core_hmm.json"
    words = ["--only", "hmm", "--hmm-rows", "30000", "--hmm-iterations", "2", "--repeats", "1", "--save", str(path)]
    command = [sys.executable, "-m", "benchmarks", "out_of_core", *words]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    found = json.loads(path.read_text())["rows"]
    assert [row["what"] for row in found] == ["fit", "predict"]
    for row in found:
        assert row["off"] < 1e-10 and min(row["stream"]["peak_mb"], row["memory"]["peak_mb"]) > 0


def test_the_benchmark_of_gaussian_mixture_regression_runs(tmp_path):
    pytest.importorskip("gmr")
    path = tmp_path / "gmr.json"
    command = [sys.executable, "-m", "benchmarks", "gmr", "--rows", "2000", "--repeats", "1", "--save", str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])}
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    for row in json.loads(path.read_text())["rows"]:
        assert row["difference"] < 1e-8 and row["difference_with_holes"] < 1e-8


# As AutoClass C 3.3.4 ends its log of a search
_SUMMARY = """
[j_in=2]  [cs-3: cycles 22] best2->2(1) [j_in=3]  [cs-3: cycles 16] best3->3(2)

------------------  SUMMARY OF 10 BEST RESULTS  ------------------
PROBABILITY  exp(-16654.238) N_CLASSES   5 FOUND ON TRY    3
PROBABILITY  exp(-16453.536) N_CLASSES   7 FOUND ON TRY    4 *SAVED*
"""


def test_the_score_of_autoclass_c_is_read_from_what_it_writes():
    from benchmarks.autoclass import best_score

    assert best_score(_SUMMARY) == -16453.536
    assert best_score(_SUMMARY.replace("PROBABILITY  exp", "Probability: exp")) == -16453.536
    assert best_score("log_a_posteriori_prob = -1.5e3") == -1500.0


@pytest.mark.parametrize("text", ["", "autoclass: cannot open imports-85c.db2", "marginal_probability exp(-1.0)"])
def test_where_autoclass_c_writes_no_score_that_is_said(text):
    from benchmarks.autoclass import best_score

    with pytest.raises(ValueError, match="could not read a score"):
        best_score(text)
