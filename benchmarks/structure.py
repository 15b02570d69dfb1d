"""Graphs of Bayesian networks learnt from rows: BIC, distance from the truth and time, beside pgmpy 1.1.2 and pyAgrum 3.3.1.

Networks are BIF files in the folder that ``--networks`` names. From each, 5,000 rows are drawn for each seed, and their columns
shuffled: complete, and with a tenth of the cells missing at random. pyAgrum and pgmpy are run by the interpreters that
``--pyagrum`` and ``--pgmpy`` name, or by this one. On rows with holes pyAgrum's MIIC is tried: pyAgrum 3.3.1 refuses them.

All scores are BIC in nats, log-likelihood less log(n) / 2 for each free entry of a table, and higher is better. Every graph, the
true one as well, is scored by one piece of code: emkit fits the tables to the same rows. Distances are structural Hamming distances
between equivalence classes. Times are CPU seconds of one thread. Those of emkit are of ``BayesianNetwork.learn``, from a data
frame to fitted tables, and beside it of the search alone. Those of the others are of the search alone, without imports and reading
of rows. Compiled code is loaded before, on another small data set.
"""

import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from benchmarks import measure
from benchmarks.bayes_net import network
from emkit import BayesianNetwork
from emkit.core.compiled import compiling
from emkit.estimators.structure_search import Hunt
from emkit.models.bayesnet.sampling import sampled
from emkit.models.bayesnet.structure.climbing import RESTARTS

Edges = list[tuple[str, str]]

_ROWS = 5_000
_MISSING = 0.1
_STEPS = (0, 5, RESTARTS)  # restarts of emkit's searches; the last is the default
_LIMIT = 240  # CPU seconds of a run of another library, its imports too
_CLOSE = 1e-3  # nats: a score that is lower by less has reached another


@dataclass(frozen=True)
class Problem:
    """A network, and how many data sets are drawn from it."""

    network: str
    seeds: int


PROBLEMS = (Problem("asia", 5), Problem("child", 3), Problem("insurance", 3), Problem("alarm", 3))


@dataclass(frozen=True)
class Peer:
    """A search of another library.

    Attributes
    ----------
    name : str
    library : {"pyagrum", "pgmpy"}
    how : str
        What its script is told.
    holes : bool
        Whether it is also asked to learn from rows with holes, of the first seed.
    seeds : int or None
        How many data sets it is given; None is all.
    """

    name: str
    library: str
    how: str
    holes: bool = False
    seeds: int | None = None


PEERS = (
    Peer("pyAgrum greedy", "pyagrum", "greedy"),
    Peer("pyAgrum tabu", "pyagrum", "tabu"),
    Peer("pyAgrum MIIC", "pyagrum", "miic", holes=True),
    Peer("pgmpy", "pgmpy", "", seeds=1),
)

_SCRIPTS = {
    "pyagrum": """
import json, sys, time
import pyagrum as gum
path, how = sys.argv[1:3]
gum.setNumberOfThreads(1)
spent, reading, times = 0.0, 0.0, 0
while spent < 0.2:  # short searches are repeated, and the mean is told
    cpu = time.process_time()
    learner = gum.BNLearner(path, ["?"])
    learner.setNumberOfThreads(1)
    reading += time.process_time() - cpu
    if how == "miic":
        learner.useMIIC()
    else:
        learner.useScoreBIC()
        learner.useNoPrior()
        learner.useGreedyHillClimbing() if how == "greedy" else learner.useLocalSearchWithTabuList()
    cpu = time.process_time()
    dag = learner.learnDAG()
    spent += time.process_time() - cpu
    times += 1
edges = [[learner.nameFromId(a), learner.nameFromId(b)] for a, b in dag.arcs()]
found = {"cpu": spent / times, "reading": reading / times, "repeats": times, "edges": edges, "version": gum.__version__}
print(json.dumps(found))
""",
    "pgmpy": """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
import pgmpy
from pgmpy.estimators import HillClimbSearch
cpu = time.process_time()
rows = pd.read_csv(sys.argv[1], dtype="category", na_values=["?"], keep_default_na=False)
read = time.process_time() - cpu
cpu = time.process_time()
found = HillClimbSearch(rows).estimate(scoring_method="bic-d", show_progress=False)
cpu = time.process_time() - cpu
print(json.dumps({"cpu": cpu, "reading": read, "edges": [list(edge) for edge in found.edges()], "version": pgmpy.__version__}))
""",
}


def rows(folder: Path, name: str, seed: int, n: int = _ROWS) -> tuple[pd.DataFrame, pd.DataFrame, Edges]:
    """Texts, columns shuffled: without holes, and with a tenth of the cells missing; and the true arcs."""
    model, truth, record = network(folder, name)
    rng = np.random.default_rng(seed)
    x = sampled(model.layout, truth.tables, n, rng)
    whole = pd.DataFrame({name: [f"s{state}" for state in x[:, j]] for j, name in enumerate(record.names)})
    whole = whole[list(rng.permutation(whole.columns))]
    holes = whole.mask(rng.random(whole.shape) < _MISSING)
    edges = [(parent, child) for child, parents in zip(record.names, record.parents, strict=True) for parent in parents]
    return whole, holes, edges


def scored(frame: pd.DataFrame, edges: Edges, true: Edges) -> dict[str, Any]:
    """The BIC of a graph whose tables emkit fits to the rows, and its distance from the true one.

    One start, available cases: those that "auto" chooses on a sample of the rows have zeros that the other rows contradict, and
    end up to 9 nats lower.
    """
    net = measure.took(lambda: BayesianNetwork(edges, random_state=0, n_jobs=1, n_init=1).fit(frame)).value
    return {"score": -0.5 * net.bic(), "distance": net.distance(true), "arcs": len(edges)}


def ours(frame: pd.DataFrame, true: Edges, seed: int, restarts: int) -> dict[str, Any]:
    """A search by emkit: its time, that of its search alone, its graph, and what it says itself of its score."""
    searches: list[float] = []

    def timed(hunt: Any) -> Any:
        took = measure.took(lambda: learn(hunt))
        searches.append(took.cpu)
        return took.value

    learn = Hunt.learn
    with patch.object(Hunt, "learn", timed):
        took = measure.took(lambda: BayesianNetwork.learn(frame, random_state=seed, n_jobs=1, restarts=restarts))
    learnt = took.value.search_
    found = {"cpu": took.cpu, "search": searches[0], "edges": learnt.edges, "told": learnt.score, "restarts": restarts}
    return found | scored(frame, learnt.edges, true)


def theirs(peer: Peer, python: str, frame: pd.DataFrame, true: Edges) -> dict[str, Any]:
    """A search by another library; the reason where it does not end well.

    The order of pgmpy's moves, and so its graph, depends on how Python hashes texts: that is held fixed.
    """
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "rows.csv"
        frame.to_csv(path, index=False, na_rep="?")
        try:
            done = subprocess.run(
                [python, "-c", _SCRIPTS[peer.library], str(path), peer.how], capture_output=True, text=True, timeout=4 * _LIMIT,
                env={**os.environ, "PYTHONPATH": "", "PYTHONHASHSEED": "0"}, preexec_fn=_limited,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return {"failed": f"no result after {4 * _LIMIT} s on the clock"}
    if done.returncode == -signal.SIGXCPU:
        return {"failed": f"no result after {_LIMIT} s of CPU time"}
    if done.returncode:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or [f"ended with {done.returncode}"]
        return {"failed": lines[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | scored(frame, [(a, b) for a, b in found["edges"]], true)


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_LIMIT, _LIMIT + 5))


def reached(searches: list[dict[str, Any]], peers: dict[str, Any]) -> dict[str, Any]:
    """The search with the fewest restarts that comes to the best score of the others, its time, and that of all searches up to it.

    ``searches``: by emkit, with more and more restarts.
    """
    ended = {name: found for name, found in peers.items() if "score" in found}
    if not ended:
        return {}
    name = max(ended, key=lambda name: ended[name]["score"])
    best = {"peer": name, "score": ended[name]["score"], "peer_cpu": ended[name]["cpu"], "restarts": None}
    spent = 0.0
    for one in searches:
        spent += one["cpu"]
        if one["score"] >= best["score"] - _CLOSE:
            return best | {"restarts": one["restarts"], "cpu": one["cpu"], "search": one["search"], "cpu_of_all": spent}
    return best


def on_whole(frame: pd.DataFrame, true: Edges, seed: int, pythons: dict[str, str]) -> dict[str, Any]:
    """Rows without holes: emkit with more and more restarts, and every other search."""
    searches = [ours(frame, true, seed, restarts) for restarts in _STEPS]
    asked = [peer for peer in PEERS if peer.seeds is None or seed < peer.seeds]
    peers = {peer.name: theirs(peer, pythons[peer.library], frame, true) for peer in asked}
    return {
        "seed": seed, "truth": scored(frame, true, true), "emkit": searches[-1], "searches": searches, "peers": peers,
        "reached": reached(searches, peers),
    }  # fmt: skip


def on_holes(frame: pd.DataFrame, true: Edges, seed: int, pythons: dict[str, str]) -> dict[str, Any]:
    """Rows with holes: emkit, and whoever might learn from them."""
    asked = [peer for peer in PEERS if peer.holes and not seed]
    peers = {peer.name: theirs(peer, pythons[peer.library], frame, true) for peer in asked}
    return {"seed": seed, "truth": scored(frame, true, true), "emkit": ours(frame, true, seed, RESTARTS), "peers": peers}


def summary(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each search: medians over the data sets on which it ended, scores as differences from those of the truth."""

    def line(called: str, found: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
        ended = [(one, run) for one, run in found if "score" in one]
        failed = sorted({one["failed"] for one, _ in found if "failed" in one})
        out: dict[str, Any] = {"search": called, "ended": len(ended), "runs": len(found), "failed": failed}
        if ended:
            gains = [one["score"] - run["truth"]["score"] for one, run in ended]
            out |= {
                "cpu": statistics.median(one["cpu"] for one, _ in ended),
                "search_cpu": statistics.median(one.get("search", one["cpu"]) for one, _ in ended),
                "gain": statistics.median(gains),
                "gains": gains,
                "distance": statistics.median(one["distance"] for one, _ in ended),
                "distances": [one["distance"] for one, _ in ended],
            }
        return out

    lines = []
    for place, restarts in enumerate(_STEPS if "searches" in runs[0] else ()):
        lines.append(line(f"emkit, {restarts} restarts", [(run["searches"][place], run) for run in runs]))
    if not lines:
        lines.append(line(f"emkit, {RESTARTS} restarts", [(run["emkit"], run) for run in runs]))
    for name in dict.fromkeys(name for run in runs for name in run["peers"]):
        lines.append(line(name, [(run["peers"][name], run) for run in runs if name in run["peers"]]))
    return lines


def show(called: str, runs: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    scores = ", ".join(f"{run['truth']['score']:.2f}" for run in runs)
    print(f"\n{called}; BIC of the true graph: {scores}")
    head = ("search", "runs", "CPU s", "search s", "BIC less the true", "distance")
    print("    {:24}{:>6}{:>12}{:>12}{:>20}{:>10}".format(*head))
    for one in lines:
        runs_of = f"{one['ended']}/{one['runs']}"
        if "gain" in one:
            times, worth = f"{one['cpu']:12.3f}{one['search_cpu']:12.3f}", f"{one['gain']:20.2f}{one['distance']:10g}"
            print(f"    {one['search']:24}{runs_of:>6}{times}{worth}")
        for reason in one["failed"]:
            print(f"    {one['search']:24}{runs_of:>6}  {reason}")
    for run in runs:
        best = run.get("reached")
        if best and best["restarts"] is None:
            print(f"    seed {run['seed']}: the best of the others, {best['peer']}, is not reached")
        elif best:
            print(
                f"    seed {run['seed']}: the best of the others, {best['peer']} in {best['peer_cpu']:.3f} s, is reached with "
                f"{best['restarts']} restarts in {best['cpu']:.3f} s, {best['search']:.3f} s of them search; "
                f"{best['cpu_of_all']:.3f} s with the runs before"
            )
    sys.stdout.flush()


def warmed(folder: Path) -> float:
    """CPU seconds that it takes to load compiled code: searches over a small data set, with holes and without."""

    def all_kernels() -> None:
        whole, holes, _ = rows(folder, PROBLEMS[0].network, 1_000, 300)
        with compiling(True):
            for frame in (whole, holes):
                BayesianNetwork.learn(frame, random_state=0, n_jobs=1)

    return measure.took(all_kernels).cpu


def main(arguments: Any) -> None:
    folder = Path(arguments.networks)
    pythons = {"pyagrum": arguments.pyagrum or sys.executable, "pgmpy": arguments.pgmpy or sys.executable}
    chosen = [p for p in PROBLEMS if not arguments.only or arguments.only in p.network]
    loading, results = warmed(folder), []
    print(f"compiled code loaded in {loading:.2f} s, which no time below has in it")
    for problem in chosen:
        data = [rows(folder, problem.network, seed) for seed in range(min(problem.seeds, arguments.seeds or problem.seeds))]
        for called, holes, learn in (("complete", 0, on_whole), (f"{_MISSING:.0%} missing", 1, on_holes)):
            runs = [learn(found[holes], found[2], seed, pythons) for seed, found in enumerate(data)]
            lines, name = summary(runs), f"{problem.network} {_ROWS:,} rows, {called}"
            show(name, runs, lines)
            results.append({"problem": name, "summary": lines, "runs": runs})
            path = measure.save(
                "structure", {"machine": measure.machine(), "loading": loading, "problems": results}, arguments.save
            )
    print(f"\nsaved {path}")
