"""Tables of columns of different kinds: what an iteration costs, and what it keeps in memory. No peer does the same in Python."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import emkit
from benchmarks import measure
from emkit.core.fit import Problem as Fitting


@dataclass(frozen=True)
class Problem:
    """A table, the family of its columns, and the seconds asked for an iteration: CPU on one thread, wall on two."""

    name: str
    k: int
    family: Callable[[], Any]
    data: Callable[[], np.ndarray]
    cpu: float
    wall: float | None = None


def people() -> np.ndarray:
    """1,000,000 rows: 4 normal columns, 2 of counts, 4 of categories, 5 % of the cells missing."""
    rng = np.random.default_rng(1)
    n, k = 1_000_000, 8
    kind = rng.integers(k, size=n)
    x = np.empty((n, 10))
    x[:, :4] = rng.normal(size=(n, 4)) + 3.0 * rng.normal(size=(k, 4))[kind]
    x[:, 4:6] = rng.poisson(rng.uniform(1.0, 30.0, (k, 2))[kind])
    for j in range(6, 10):
        x[:, j] = (rng.random(n)[:, None] > np.cumsum(rng.dirichlet(np.ones(5), k)[kind], axis=1)[:, :-1]).sum(axis=1)
    x[rng.random(x.shape) < 0.05] = np.nan
    return x


def amounts() -> np.ndarray:
    """1,000,000 x 4 amounts that repeat: about 2,300 to 3,400 distinct values a column."""
    return np.round(np.random.default_rng(2).gamma(2.0, 300.0, (1_000_000, 4))) + 1.0


def table() -> Any:
    """The family of ``people``."""
    return emkit.PerColumn({
        (0, 1, 2, 3): emkit.Gaussian("diag"), (4, 5): emkit.Poisson(), (6, 7, 8, 9): emkit.Categorical()
    })  # fmt: skip


PROBLEMS = (
    Problem("mixed 1,000,000 x 10, K=8, 5 % missing", 8, table, people, 0.15, 0.2),
    Problem("StudentT 1,000,000 x 4, K=8", 8, emkit.StudentT, amounts, 0.15),
    Problem("Gamma 1,000,000 x 4, K=8", 8, emkit.Gamma, amounts, 0.15),
)


def started(problem: Problem, threads: int) -> tuple[Fitting, Any, Any, Any]:
    """The fit after one iteration: the first one encodes."""
    source = emkit.ArraySource(problem.data())
    model = emkit.FiniteMixture(problem.family(), problem.k).resolve(source)
    rng = np.random.default_rng(0)
    small = source.sample(2000, rng)
    fitting = Fitting(model, source, emkit.Threads(threads))
    params = model.init(small, rng)
    step = fitting.evaluate(params)
    return fitting, model, params, step


def iterations(problem: Problem, threads: int, repeats: int) -> list[measure.Took]:
    """E-step and M-step, as often as asked."""
    fitting, model, params, step = started(problem, threads)
    times = []
    for _ in range(repeats + 1):

        def once(params: Any = params, step: Any = step) -> Any:
            new = model.m_step(step.stats, params)
            return new, fitting.evaluate(new)

        one = measure.took(once)
        params, step = one.value
        times.append(one)
    return times[1:]


def row_by_row(problem: Problem) -> float:
    """How far the log-likelihood is from the sum over rows of NumPy's, relatively, in the first 50,000 rows."""
    x = problem.data()[:50_000]
    source = emkit.ArraySource(x)
    model = emkit.FiniteMixture(problem.family(), problem.k).resolve(source)
    params = model.init(source, np.random.default_rng(0))
    from emkit.core.compiled import compiling

    with compiling(True):
        coded = model.family.joint_pass(params.components, params.log_weights, source.joined()).log_likelihood
    plain = model.family.plain_pass(params.components, params.log_weights, source.joined()).log_likelihood
    return abs(coded - plain) / abs(plain)


def memory(problem: Problem) -> dict[str, float]:
    """Peak of an iteration above what there is after the first: data and codes."""
    fitting, model, params, step = started(problem, 1)
    before = measure.reset_peak()
    for _ in range(3):
        params = model.m_step(step.stats, params)
        step = fitting.evaluate(params)
    return {"mb": measure.peak_mb() - before}


def main(arguments: Any) -> None:
    chosen = [p for p in PROBLEMS if not arguments.only or arguments.only in p.name]
    if arguments.memory:
        print(json.dumps(memory(next(p for p in PROBLEMS if p.name == arguments.memory))))
        return
    rows = []
    print(f"{'problem':44}{'CPU s':>9}{'asked':>7}{'wall s, 2 threads':>19}{'asked':>7}{'MB above':>10}{'off, relatively':>17}")
    for problem in chosen:
        one = statistics.median(t.cpu for t in iterations(problem, 1, arguments.repeats))
        two = statistics.median(t.wall for t in iterations(problem, 2, arguments.repeats))
        found = subprocess.run(
            [sys.executable, "-m", "benchmarks", "mixed", "--memory", problem.name], capture_output=True, text=True, check=True
        )
        mb, off = json.loads(found.stdout.splitlines()[-1])["mb"], row_by_row(problem)
        asked = "" if problem.wall is None else problem.wall
        print(f"{problem.name:44}{one:9.4f}{problem.cpu:7}{two:19.4f}{asked:>7}{mb:10.1f}{off:17.1e}", flush=True)
        rows.append({"problem": problem.name, "cpu": one, "wall_two_threads": two, "mb_above": mb, "off": off})
    path = measure.save("mixed", {"machine": measure.machine(), "problems": rows})
    print(f"\nsaved {path}")
