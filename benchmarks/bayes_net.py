"""Bayesian networks with missing cells: an iteration of EM, the plan, and the whole fit, beside pyAgrum 3.3.1 and pgmpy 1.1.2.

Networks are BIF files in the folder that ``--networks`` names, such as the ``example_models`` of the package pgmpy 0.1.26. pyAgrum
and pgmpy are run by the interpreters that ``--pyagrum`` and ``--pgmpy`` name, or by this one: they may live in environments of
their own. CPU time, one thread. The likelihood of the rows that each reaches is computed here, from its tables.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import ArraySource, Threads, fit
from emkit.core.compiled import compiling
from emkit.core.fit import Problem as Fitting
from emkit.io.networks.dispatch import read_network, write_network
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
    peak = measure.peak_mb() - before
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
tables = {}
for node in b[2].nodes():
    table = b[2].cpt(node)  # its own variable comes first among the names, and its states last in the array
    own, parents = table.variable(0), [table.variable(i) for i in range(1, table.nbrDim())]
    tables[own.name()] = {
        "parents": [p.name() for p in parents], "states": {v.name(): list(v.labels()) for v in (own, *parents)},
        "values": table.toarray().tolist(), "axes": [v.name() for v in (*reversed(parents), own)],
    }
print(json.dumps({"cpu": (b[0] - a[0]) / max(b[1] - a[1], 1), "made": b[1], "tables": tables}))
"""

_PGMPY = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from pgmpy.estimators import ExpectationMaximization
from pgmpy.models import DiscreteBayesianNetwork
from pgmpy.readwrite import BIFReader
net, path, few, many = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:5])
rows = pd.read_csv(path, na_values=["?"], dtype=str, keep_default_na=False)
edges = BIFReader(net).get_model().edges()

def run(iterations):
    model = DiscreteBayesianNetwork(edges)
    model.add_nodes_from(rows.columns)
    cpu = time.process_time()
    found = ExpectationMaximization(model, rows).get_parameters(max_iter=iterations, atol=0.0, show_progress=False, seed=0)
    return time.process_time() - cpu, found

b = run(many)
tables = {}
for cpd in b[1]:
    names = list(cpd.variables)
    tables[cpd.variable] = {"states": cpd.state_names, "values": cpd.values.tolist(), "axes": names}
print(json.dumps({"cpu": b[0] / many, "made": many, "tables": tables}))
"""


def coded(record: Any) -> Any:
    """The same network with names and states that every program reads."""
    called = {name: f"n{i}" for i, name in enumerate(record.names)}
    states = tuple(tuple(f"s{k}" for k in range(len(found))) for found in record.states)
    return replace(
        record, names=tuple(called.values()), states=states, parents=tuple(tuple(called[p] for p in ps) for ps in record.parents)
    )


def reached(model: BayesNet, record: Any, x: np.ndarray, tables: dict[str, Any]) -> float:
    """The log-likelihood of the rows under another library's tables: axes by name, states by label."""
    found = []
    for node, name in enumerate(record.names):
        told = tables[name]
        wanted = [*(record.names[p] for p in model.graph.parents[node]), name]
        values = np.transpose(np.asarray(told["values"]), [told["axes"].index(axis) for axis in wanted])
        for axis, member in enumerate(wanted):
            states = [told["states"][member].index(state) for state in record.states[record.names.index(member)]]
            values = np.take(values, states, axis=axis)
        found.append(values)
    return float(model.e_step(BayesNetParams(model.layout.flat(found)), ArraySource(x, checked=True).joined())[1])


def theirs(model: BayesNet, record: Any, x: np.ndarray, how: tuple[str, str, str]) -> Any:
    """CPU seconds of an iteration of another library, and the log-likelihood it has reached; the reason where it does not run."""
    called, python, script = how
    with tempfile.TemporaryDirectory() as place:
        path, net = Path(place) / "rows.csv", Path(place) / "net.bif"
        record = coded(record)
        with open(path, "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(record.names)
            for row in x:
                table.writerow("?" if np.isnan(v) else record.states[j][int(v)] for j, v in enumerate(row))
        write_network(record, net)
        arguments = [python, "-c", script, str(net), str(path), "1", "3"]
        done = subprocess.run(arguments, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""})
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if "rror" in line] or ["?"]
        reason = lines[-1]
        print(f"{called} did not run: {reason}", file=sys.stderr)
        return {"failed": reason}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    try:
        found["log_likelihood"] = reached(model, record, x, found.pop("tables"))
    except (KeyError, ValueError) as error:  # rows with holes were dropped, and states with them
        found["log_likelihood"] = f"states are lacking: {error}"
    return found


def main(arguments: Any) -> None:
    folder = Path(arguments.networks)
    peers = [
        ("pyAgrum", arguments.pyagrum or sys.executable, _PYAGRUM),
        ("pgmpy", arguments.pgmpy or sys.executable, _PGMPY),
    ]
    chosen = [p for p in PROBLEMS if not arguments.only or arguments.only in p.name]
    results = []
    head = ("problem", "plan ms", "iteration ms", "asked", "ns/mult", "peak MB", "fit s", "log-likelihood")
    print("{:38}{:>10}{:>14}{:>7}{:>9}{:>9}{:>8}{:>16}".format(*head))
    for problem in chosen:
        model, truth, record = network(folder, problem.network)
        x = rows(problem, model, truth)
        with compiling(True):
            ours(problem, model, x[:50], 1)  # compiled code is loaded
            found = ours(problem, model, x, arguments.repeats)
        print(
            f"{problem.name:38}{found['plan_ms']:10.1f}{found['iteration_ms']:14.3f}{problem.asked:7}"
            f"{found['ns_per_multiplication']:9.1f}{found['peak_mb']:9.1f}{found.get('fit_s', float('nan')):8.2f}"
            f"{found.get('log_likelihood', float('nan')):16.4f}",
            flush=True,
        )
        for how in peers if problem.beside else ():
            peer = found[how[0]] = theirs(model, record, x, how)
            if "cpu" in peer:
                ratio = 1e3 * peer["cpu"] / found["iteration_ms"]
                value = peer["log_likelihood"]
                print(
                    f"    {how[0]}: {peer['cpu']:.2f} s an iteration, {ratio:.0f} times ours; after {peer['made']}: {value}",
                    flush=True,
                )
        results.append({"problem": problem.name, **found})
    path = measure.save("bayes_net", {"machine": measure.machine(), "problems": results})
    print(f"\nsaved {path}")
