"""One pass of online EM: how much of the way to the optimum it covers, how many iterations of EM that is worth, and what it takes.

Gaps are in nats of the objective between the start and the optimum that EM reaches from where the online pass ended; never in per
cent of a log-likelihood, whose zero is arbitrary.
"""

import statistics
import time
from argparse import Namespace
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import EM, ArraySource, FiniteMixture, Gaussian, OnlineEM, Problem, Threads, iterate
from emkit.algorithms.auto import Auto
from emkit.core.fit import Rules, run

_MOST = 200  # iterations of EM that are counted


@dataclass(frozen=True)
class Case:
    """A mixture of ``k`` Gaussians in ``d`` columns; ``apart`` is the standard deviation of their means. What is asked of it."""

    name: str
    n: int
    d: int
    k: int
    apart: float
    closed: float | None = None
    passes: float | None = None
    worth: int | None = None

    def data(self, seed: int) -> np.ndarray:
        """Rows (n, d)."""
        rng = np.random.default_rng(seed)
        means = self.apart * rng.standard_normal((self.k, self.d))
        factors = rng.standard_normal((self.k, self.d, self.d)) * 0.3 + np.eye(self.d)
        kind = rng.integers(self.k, size=self.n)
        x = rng.standard_normal((self.n, self.d))
        for j in range(self.k):
            mine = kind == j
            x[mine] = x[mine] @ factors[j].T + means[j]
        return x


CASES = (
    Case("n=1,000,000 d=4 k=4", 1_000_000, 4, 4, 1.0, closed=0.99),
    Case("n=2,000,000 d=16 k=16", 2_000_000, 16, 16, 0.6, passes=1.25, worth=10),
)


def measured(case: Case, seed: int, repeats: int) -> dict[str, Any]:
    """One data set."""
    source = ArraySource(case.data(seed), checked=True)
    model = FiniteMixture(Gaussian(), case.k).resolve(source)
    model.compile(source)
    start = model.init(source.sample(20_000, np.random.default_rng(seed)), np.random.default_rng(seed))
    problem = Problem(model, source, Threads(1))
    online = OnlineEM(evaluate=False)
    found, times, passes = None, [], []
    for _ in range(repeats):
        passes.append(_seconds(lambda: problem.evaluate(start)))
        taken = measure.took(lambda: run(problem, online, start, Rules()))
        found = taken.value
        times.append(taken.cpu)
    assert found is not None
    first, last = problem.evaluate(start).objective, problem.evaluate(found.params).objective
    # The optimum takes long on data of that size, and is only needed for a gap.
    best = run(problem, Auto(), found.params, Rules(tol=1e-2)).objective if case.closed is not None else None
    worth = _MOST
    for step in iterate(problem, EM(), start):
        if step.objective >= last or step.iteration >= _MOST:
            worth = step.iteration
            break
    return {
        "seed": seed,
        "start": None if best is None else first - best,
        "left": None if best is None else last - best,
        "closed": None if best is None else (last - first) / (best - first),
        "worth": worth,
        "passes": statistics.median(a / b for a, b in zip(times, passes, strict=True)),
        "cpu_pass": statistics.median(passes),
        "cpu_online": statistics.median(times),
    }


def _seconds(call: Any) -> float:
    begin = time.process_time()
    call()
    return time.process_time() - begin


def main(arguments: Namespace) -> None:
    """Run and print."""
    result: dict[str, Any] = {"machine": measure.machine(), "cases": {}}
    for case in CASES:
        if arguments.only and arguments.only not in case.name:
            continue
        print(f"{case.name}, means {case.apart:g} apart", flush=True)
        rows = []
        for seed in range(arguments.seeds):
            row = measured(case, seed, arguments.repeats)
            rows.append(row)
            gap = (
                ""
                if row["closed"] is None
                else f"{-row['left']:.1f} of {-row['start']:.0f} nats left: {row['closed']:.2%} closed; "
            )
            print(
                f"  seed {seed}: {gap}worth {row['worth']} iterations of EM; {row['passes']:.2f} passes of CPU time "
                f"({row['cpu_online']:.3f} s, a pass {row['cpu_pass']:.3f} s)",
                flush=True,
            )
        result["cases"][case.name] = rows
    print(measure.save("online", result, arguments.save))
