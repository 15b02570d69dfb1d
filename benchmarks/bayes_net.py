"""Bayesian networks with missing cells: an iteration of EM, the plan, and the whole fit, beside pyAgrum 3.3.1.

Networks are BIF files in the folder that ``--networks`` names, such as the ``example_models`` of the package pgmpy 0.1.26. pyAgrum
is run by the interpreter that ``--pyagrum`` names, or by this one: it may live in an environment of its own. CPU time, one thread.
"""

import csv
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import ArraySource, Threads, fit
from emkit.core.fit import Problem as Fitting
from emkit.io.networks.dispatch import read_network
from emkit.models.bayesnet.graph import Graph
from emkit.models.bayesnet.model import BayesNet
from emkit.models.bayesnet.params import BayesNetParams
from emkit.models.bayesnet.sampling import sampled


@dataclass(frozen=True)
class Problem:
    """A network, rows drawn from it, the share of cells that are missing, and what was asked: ms an iteration."""

    network: str
    n: int
    missing: float
    asked: float
    beside: bool = False

    @property
    def name(self) -> str:
        return f"{self.network} {self.n:,} rows, {self.missing:.0%} missing"


PROBLEMS = (
    Problem("asia", 5_000, 0.1, 0.3, True),
    Problem("alarm", 1_000, 0.2, 1.5, True),
    Problem("child", 5_000, 0.2, 2.5, True),
    Problem("alarm", 10_000, 0.2, 5.0),
    Problem("hepar2", 1_000, 0.1, 2.0),
    Problem("insurance", 10_000, 0.2, 15.0),
    Problem("hailfinder", 10_000, 0.2, 20.0),
    Problem("win95pts", 10_000, 0.1, 5.0),
    Problem("munin1", 1_000, 0.1, 30.0),
    Problem("link", 1_000, 0.1, 30.0),
    Problem("andes", 1_000, 0.1, 30.0),
    Problem("pigs", 1_000, 0.1, 30.0),
    Problem("pathfinder", 1_000, 0.1, 30.0),
    Problem("alarm", 1_000_000, 0.1, 30.0),
)


def network(folder: Path, name: str) -> tuple[BayesNet, BayesNetParams, Any]:
    """The model, its true tables, and the record of the file."""
    path = next(path for path in (folder / f"{name}.bif", folder / f"{name}.bif.gz") if path.exists())
    record = read_network(path)
    parents = tuple(tuple(record.names.index(p) for p in found) for found in record.parents)
    model = BayesNet(Graph(record.names, parents), tuple(map(len, record.states)))
    return model, BayesNetParams(model.layout.flat([np.asarray(table) for table in record.tables])), record


def rows(problem: Problem, model: BayesNet, truth: BayesNetParams) -> np.ndarray:
    """State numbers, NaN where missing."""
    rng = np.random.default_rng(0)
    x = sampled(model.layout, truth.tables, problem.n, rng).astype(np.float32)
    x[rng.random(x.shape) < problem.missing] = np.nan
    return x


def ours(problem: Problem, model: BayesNet, x: np.ndarray, repeats: int) -> dict[str, Any]:
    """CPU milliseconds of the plan and of an iteration, nanoseconds of a multiplication, memory, and a whole fit."""
    source = ArraySource(x, checked=True)
    before = measure.reset_peak()
    made = measure.took(lambda: model.prepared(source))
    peak = measure.high_water_mb() - before
    prepared = made.value
    plan = prepared.plan
    fitting = Fitting(model, prepared, Threads(1))
    even = np.ones(model.layout.total)
    step = fitting.evaluate(BayesNetParams(even / model.layout.sums(even)[model.layout.row_of]))
    start, times = step.params, []
    for _ in range(max(repeats, 1) * 5):
        one = measure.took(lambda step=step: fitting.evaluate(model.m_step(step.stats, step.params)))
        step = one.value
        times.append(one.cpu)
    iteration = statistics.median(times)
    work = float(plan.tapes.work[plan.shape_of].sum())
    found: dict[str, Any] = {
        "plan_ms": 1e3 * made.cpu, "plan_mb": plan.n_bytes / 2**20, "peak_mb": peak, "iteration_ms": 1e3 * iteration,
        "multiplications": work, "ns_per_multiplication": 1e9 * iteration / max(work, 1.0), "components": plan.n_components,
    }  # fmt: skip
    if problem.n <= 10_000:
        whole = measure.took(lambda: fit(model, source, executor=Threads(1), starts=[start]))
        found |= {"fit_s": whole.cpu, "log_likelihood": whole.value.log_likelihood, "iterations": whole.value.n_iter}
    return found


_PYAGRUM = """
import json, sys, time
import pyagrum as gum
net, path, few, many = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
bn = gum.loadBN(net)

def run(iterations):
    learner = gum.BNLearner(path, bn, ["?"])
    learner.setNumberOfThreads(1)
    learner.useSmoothingPrior(1e-3)  # without one it refuses parents that no row shows in some state
    learner.useEMWithRateCriterion(1e-12)
    learner.EMsetMaxIter(iterations)
    cpu = time.process_time()
    found = learner.learnParameters(bn.dag())
    return time.process_time() - cpu, learner.EMnbrIterations(), found

a, b = run(few), run(many)
print(json.dumps({"cpu": (b[0] - a[0]) / max(b[1] - a[1], 1), "made": b[1]}))
"""


def theirs(problem: Problem, record: Any, folder: Path, x: np.ndarray, python: str) -> dict[str, Any] | None:
    """CPU seconds of an iteration of pyAgrum; None where it does not run."""
    with tempfile.TemporaryDirectory() as place:
        path, net = Path(place) / "rows.csv", Path(place) / "net.bif"
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(record.names)
            for row in x:
                table.writerow("?" if np.isnan(v) else record.states[j][int(v)] for j, v in enumerate(row))
        packed = folder / f"{problem.network}.bif.gz"
        plain = folder / f"{problem.network}.bif"
        net.write_bytes(gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_bytes())
        arguments = [python, "-c", _PYAGRUM, str(net), str(path), "1", "3"]
        done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode:
        print(f"pyAgrum did not run: {(done.stderr.strip().splitlines() or ['?'])[-1]}", file=sys.stderr)
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(arguments: Any) -> None:
    folder = Path(arguments.networks)
    python = arguments.pyagrum or sys.executable
    chosen = [p for p in PROBLEMS if not arguments.only or arguments.only in p.name]
    results = []
    head = ("problem", "plan ms", "iteration ms", "asked", "ns/mult", "peak MB", "fit s", "pyAgrum s", "ratio")
    print("{:38}{:>10}{:>14}{:>7}{:>9}{:>9}{:>8}{:>11}{:>9}".format(*head))
    for problem in chosen:
        model, truth, record = network(folder, problem.network)
        x = rows(problem, model, truth)
        ours(problem, model, x[:50], 1)  # compiled code is loaded
        found = ours(problem, model, x, arguments.repeats)
        peer = theirs(problem, record, folder, x, python) if problem.beside else None
        cpu = f"{peer['cpu']:11.2f}{1e3 * peer['cpu'] / found['iteration_ms']:9.0f}" if peer else ""
        print(
            f"{problem.name:38}{found['plan_ms']:10.1f}{found['iteration_ms']:14.3f}{problem.asked:7}"
            f"{found['ns_per_multiplication']:9.1f}{found['peak_mb']:9.1f}{found.get('fit_s', float('nan')):8.2f}{cpu}",
            flush=True,
        )
        results.append({"problem": problem.name, **found, "pyagrum": peer})
    path = measure.save("bayes_net", {"machine": measure.machine(), "problems": results})
    print(f"\nsaved {path}")
