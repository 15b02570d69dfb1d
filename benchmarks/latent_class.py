"""Latent class analysis: emkit beside stepmix 3.0.0 (and poLCA where R is there), the same start, iterations and answer.

stepmix is run by the interpreter that ``--stepmix`` names, or by this one: it may live in an environment of its own.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.three_step import bias_table
from emkit import LatentClass


@dataclass(frozen=True)
class Problem:
    """K classes, d items of L levels, n rows, a share of missing answers."""

    name: str
    n: int
    d: int
    levels: int
    k: int
    missing: float = 0.0
    iterations: int = 4

    def data(self) -> np.ndarray:
        """Answers as 0, 1, ...; NaN where missing."""
        rng = np.random.default_rng(7)
        cumulative = self.truth().cumsum(axis=2)
        label = rng.integers(0, self.k, self.n)
        draw = rng.random((self.n, self.d))
        x = np.zeros((self.n, self.d))
        for level in range(self.levels - 1):
            x += draw > cumulative[label, :, level]
        x[rng.random(x.shape) < self.missing] = np.nan
        return x

    def truth(self) -> np.ndarray:
        """Probabilities (K, d, L)."""
        return np.random.default_rng(5).dirichlet(np.ones(self.levels), (self.k, self.d))

    def start(self) -> np.ndarray:
        """The same for both: near the truth, not at it."""
        away = np.random.default_rng(11).dirichlet(np.ones(self.levels), (self.k, self.d))
        return 0.7 * self.truth() + 0.3 * away


PROBLEMS = (
    Problem("n=200,000, 20 items of 4 levels, K=6", 200_000, 20, 4, 6),
    Problem("the same, 5 % missing", 200_000, 20, 4, 6, 0.05),
    Problem("n=2,000, 10 items of 3 levels, K=4", 2_000, 10, 3, 4, 0.0, 50),
)


def fit_ours(problem: Problem, x: np.ndarray, iterations: int) -> LatentClass:
    init = {"weights": np.full(problem.k, 1 / problem.k), "probs": problem.start()}
    return LatentClass(problem.k, init=init, tol=0, max_iter=iterations, algorithm="em", n_init=1).fit(x)


_STEPMIX = """
import json, sys, time, warnings
import numpy as np
warnings.simplefilter("ignore")
from stepmix.stepmix import StepMix
path, k, few, many = sys.argv[1], *map(int, sys.argv[2:5])
kept = np.load(path)
x, start = kept["x"], kept["start"]
kind = "categorical_nan" if np.isnan(x).any() else "categorical"

class Started(StepMix):
    def _initialize_parameters(self, X, random_state):
        super()._initialize_parameters(X, random_state)
        self.weights_ = np.full(k, 1 / k)
        # (K, items * levels), item by item
        self._mm.parameters["pis"] = start.reshape(k, -1)

def run(iterations):
    # A tolerance below 0 is refused: changes are never as small as this.
    model = Started(n_components=k, measurement=kind, n_init=1, max_iter=iterations, abs_tol=1e-300, rel_tol=1e-300,
                    random_state=0, progress_bar=0)
    cpu, wall = time.process_time(), time.perf_counter()
    model.fit(x)
    return time.process_time() - cpu, time.perf_counter() - wall, model

run(1)
a, b = run(few), run(many)
pis = b[2]._mm.parameters["pis"].reshape(start.shape)
print(json.dumps({"cpu": (b[0] - a[0]) / (many - few), "wall": (b[1] - a[1]) / (many - few),
                  "weights": np.exp(b[2].log_weights_).tolist() if hasattr(b[2], "log_weights_") else b[2].weights_.tolist(),
                  "pis": pis.tolist()}))
"""


def theirs(problem: Problem, x: np.ndarray, python: str) -> dict[str, Any] | None:
    """Seconds of an iteration of stepmix, and where it has come to; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        np.savez(path, x=x, start=problem.start())
        arguments = [python, "-c", _STEPMIX, str(path), str(problem.k), "1", str(1 + problem.iterations)]
        done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode:
        print(f"stepmix did not run: {(done.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def ours(problem: Problem, x: np.ndarray) -> dict[str, Any]:
    """Seconds of an iteration, and where it has come to."""
    fit_ours(problem, x, 1)
    few, many = measure.took(lambda: fit_ours(problem, x, 1)), measure.took(lambda: fit_ours(problem, x, 1 + problem.iterations))
    made = problem.iterations
    return {"cpu": (many.cpu - few.cpu) / made, "wall": (many.wall - few.wall) / made, "model": many.value}


def iterations_table(problems: list[Problem], repeats: int, python: str) -> list[dict[str, Any]]:
    """An iteration of each, turn and turn about."""
    rows = []
    print(f"{'problem':40}{'ours cpu':>10}{'wall':>9}{'stepmix cpu':>13}{'wall':>9}{'ratio':>8}   (ns per row, class and item)")
    for problem in problems:
        x = problem.data()
        scale = 1e9 / (problem.n * problem.k * problem.d)
        a, b = [], []
        for _ in range(repeats):
            peer = theirs(problem, x, python)
            if peer is not None:
                b.append(peer)
            a.append(ours(problem, x))
        apart = float("nan")
        if b:
            apart = float(np.abs(a[-1]["model"].probs_ - np.array(b[-1]["pis"])).max())
            if not apart < 1e-6:
                raise AssertionError(f"{problem.name}: the two libraries differ by {apart:g} after the same iterations")
        row: dict[str, Any] = {"problem": problem.name, "apart": apart}
        for who, found in (("ours", a), ("stepmix", b)):
            for clock in ("cpu", "wall"):
                row[f"{who}_{clock}"] = float(np.median([one[clock] for one in found])) * scale if found else float("nan")
        row["ratio"] = float(np.median([t["cpu"] / o["cpu"] for o, t in zip(a, b, strict=True)])) if b else float("nan")
        rows.append(row)
        print(
            f"{problem.name:40}{row['ours_cpu']:10.2f}{row['ours_wall']:9.2f}{row['stepmix_cpu']:13.1f}{row['stepmix_wall']:9.1f}"
            f"{row['ratio']:8.1f}",
            flush=True,
        )
    return rows


def survey(n: int = 1202, patterns: int = 33) -> np.ndarray:
    """Answers of the size of R poLCA's gss82: four items of 3, 2, 2 and 3 levels, three classes, 33 of 36 patterns."""
    probs = [
        [[0.89, 0.05, 0.06], [0.61, 0.39], [1.0, 0.0], [0.94, 0.05, 0.01]],
        [[0.91, 0.07, 0.02], [0.65, 0.35], [0.32, 0.68], [0.69, 0.26, 0.05]],
        [[0.15, 0.22, 0.63], [0.04, 0.96], [0.75, 0.25], [0.64, 0.25, 0.11]],
    ]
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        label = rng.choice(3, n, p=[0.62, 0.18, 0.20])
        x = np.column_stack([[rng.choice(len(probs[k][j]), p=probs[k][j]) for k in label] for j in range(4)])
        if len(np.unique(x, axis=0)) == patterns:
            return x
    raise AssertionError("no such data")


_POLCA = """
library(poLCA)
d <- read.csv(commandArgs(TRUE)[1])
f <- as.formula(paste("cbind(", paste(names(d), collapse=","), ") ~ 1"))
t <- system.time(m <- poLCA(f, d, nclass=3, nrep=10, tol=1e-9, maxiter=20000, verbose=FALSE))
cat(t[["elapsed"]], t[["user.self"]], m$llik)
"""


def survey_table(repeats: int, python: str) -> dict[str, Any]:
    """Ten starts, to 1e-9, on data of the size of gss82."""
    x = survey()
    runs = [
        measure.took(lambda s=s: LatentClass(3, n_init=10, tol=1e-9, max_iter=20000, random_state=s).fit(x))
        for s in range(repeats + 1)
    ][1:]
    row: dict[str, Any] = {
        "ours_cpu": float(np.median([run.cpu for run in runs])),
        "ours_wall": float(np.median([run.wall for run in runs])),
        "log_likelihood": [run.value.result_.log_likelihood for run in runs],
    }
    print(f"\nsize of gss82, K=3, 10 starts to 1e-9: {row['ours_wall']:.3f} s ({row['ours_cpu']:.3f} s of CPU)")
    if shutil.which("Rscript"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.csv"
            np.savetxt(path, x + 1, fmt="%d", delimiter=",", header="a,b,c,d", comments="")
            done = subprocess.run(["Rscript", "-e", _POLCA, str(path)], capture_output=True, text=True)
        if done.returncode == 0:
            row["polca"] = done.stdout
            print(f"poLCA: {done.stdout} (seconds, of CPU, log-likelihood)")
    return row


def main(arguments: Any) -> None:
    python = arguments.stepmix or sys.executable
    only = arguments.only or ""
    begin, result = time.perf_counter(), {"machine": measure.machine()}
    problems = [p for p in PROBLEMS if only in p.name]
    if problems:
        result["iterations"] = iterations_table(problems, arguments.repeats, python)
    if only in "survey":
        result["survey"] = survey_table(arguments.repeats, python)
    if only in "three-step":
        result["three_step"] = bias_table(arguments.simulations)
    result["seconds"] = time.perf_counter() - begin
    print(f"\nsaved {measure.save('latent_class', result)}")
