"""Hidden Markov models: emkit beside hmmlearn, the same start, the same number of iterations, the same parameters at the end."""

import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from hmmlearn import hmm as theirs_module

from benchmarks import measure
from emkit import CategoricalHMM, GaussianHMM


@dataclass(frozen=True)
class Problem:
    """K states, sequences x steps, and the ratios asked for."""

    name: str
    emission: str
    k: int
    sequences: int
    steps: int
    asked_scaling: float
    asked_log: float
    iterations: int

    @property
    def memory_allowed_mb(self) -> float:
        """Above data and results."""
        return 2 * self.n * self.k * 8 / 2**20 + 32

    @property
    def n(self) -> int:
        return self.sequences * self.steps

    def data(self) -> tuple[np.ndarray, list[int]]:
        """Drawn from a sticky chain."""
        rng = np.random.default_rng(3)
        states = np.zeros(self.n, dtype=int)
        jump = rng.random(self.n) < 0.2
        fresh = rng.integers(0, self.k, self.n)
        for t in range(1, self.n):
            states[t] = fresh[t] if jump[t] else states[t - 1]
        if self.emission == "categorical":
            probs = rng.dirichlet(np.full(20, 0.5), self.k)
            draw = rng.random((self.n, 1))
            return (draw > np.cumsum(probs, axis=1)[states]).sum(axis=1).clip(0, 19)[:, None], [self.steps] * self.sequences
        centres = 3.0 * rng.standard_normal((self.k, 2))
        return centres[states] + rng.standard_normal((self.n, 2)), [self.steps] * self.sequences

    def start(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The same for both."""
        rng = np.random.default_rng(5)
        start = {
            "startprob": np.full(self.k, 1 / self.k),
            "transmat": np.full((self.k, self.k), 0.5 / self.k) + 0.5 * np.eye(self.k),
        }
        if self.emission == "categorical":
            return {**start, "probs": rng.dirichlet(np.ones(20), self.k)}
        means = x[np.sort(rng.choice(len(x), self.k, replace=False))]
        return {**start, "means": means, "covariances": np.ones((self.k, 2))}


PROBLEMS = (
    Problem("Gaussian d=2 K=4, 2000 x 100", "gaussian", 4, 2000, 100, 10, 40, 4),
    Problem("Gaussian d=2 K=8, 1 x 200000", "gaussian", 8, 1, 200_000, 5, 15, 3),
    Problem("Gaussian d=2 K=64, 1 x 50000", "gaussian", 64, 1, 50_000, 12, 50, 1),
    Problem("categorical 20 K=8, 2000 x 100", "categorical", 8, 2000, 100, 6, 40, 3),
)
LONG = Problem("Gaussian d=2 K=4, 1 x 10000000", "gaussian", 4, 1, 10_000_000, 0, 0, 2)
"""Ours alone: does it fit into memory?"""


def fit_ours(problem: Problem, x: np.ndarray, lengths: list[int], start: dict[str, np.ndarray], iterations: int) -> Any:
    inits = {f"{name}_init": value for name, value in start.items()}
    make = CategoricalHMM if problem.emission == "categorical" else GaussianHMM
    extra = {"n_features": 20} if problem.emission == "categorical" else {}
    return make(problem.k, n_iter=iterations, tol=0, prior=None, **inits, **extra).fit(x, lengths)


def fit_theirs(
    problem: Problem, x: np.ndarray, lengths: list[int], start: dict[str, np.ndarray], iterations: int, implementation: str
) -> Any:
    common = {"n_iter": iterations, "tol": -np.inf, "init_params": "", "implementation": implementation}
    if problem.emission == "categorical":
        model = theirs_module.CategoricalHMM(problem.k, n_features=20, **common)
        model.emissionprob_ = start["probs"].copy()
    else:
        model = theirs_module.GaussianHMM(problem.k, "diag", covars_prior=0, covars_weight=0, means_weight=0, min_covar=0, **common)
        model.means_, model.covars_ = start["means"].copy(), start["covariances"].copy()
    model.startprob_, model.transmat_ = start["startprob"].copy(), start["transmat"].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x, lengths)


def apart(problem: Problem, ours: Any, theirs: Any) -> float:
    """Largest difference between the two libraries' parameters."""
    pairs = [(ours.transmat_, theirs.transmat_), (ours.startprob_, theirs.startprob_)]
    if problem.emission == "categorical":
        pairs.append((ours.emissionprob_, theirs.emissionprob_))
    else:
        pairs += [(ours.means_, theirs.means_), (ours.covars_, theirs.covars_)]
    return max(float(np.abs(a - b).max()) for a, b in pairs)


def row_of(problem: Problem, repeats: int) -> dict[str, Any]:
    x, lengths = problem.data()
    start = problem.start(x)
    ours, theirs = fit_ours(problem, x, lengths, start, 2), fit_theirs(problem, x, lengths, start, 2, "scaling")
    difference = apart(problem, ours, theirs)
    if not difference < 1e-6:
        raise AssertionError(f"{problem.name}: the two libraries' parameters differ by {difference:g} after two updates")

    def iteration_ours() -> float:
        return measure.per_iteration(lambda count: fit_ours(problem, x, lengths, start, count), 3 * problem.iterations)

    def iteration_theirs(implementation: str) -> float:
        # hmmlearn needs at least a second iteration to say so; the difference of 1 + n and 1 is what counts.
        return measure.per_iteration(
            lambda count: fit_theirs(problem, x, lengths, start, count, implementation), problem.iterations
        )

    scale = 1e9 / problem.n
    row: dict[str, Any] = {"problem": problem.name, "apart": difference}
    for implementation, asked in (("scaling", problem.asked_scaling), ("log", problem.asked_log)):
        found = measure.paired(iteration_ours, lambda i=implementation: iteration_theirs(i), repeats)
        row[implementation] = {**found, "ours_ns": found["ours"] * scale, "theirs_ns": found["theirs"] * scale, "asked": asked}
    theirs_log = fit_theirs(problem, x, lengths, start, 1, "log")
    ours_same = fit_ours(problem, x, lengths, start, 1)
    for what, call_ours, call_theirs in (
        ("viterbi", lambda: ours_same.decode(x, lengths), lambda model: model.decode(x, lengths)),
        ("posterior", lambda: ours_same.predict_proba(x, lengths), lambda model: model.predict_proba(x, lengths)),
    ):
        call_ours()
        for implementation, model, asked in (("scaling", theirs, 3), ("log", theirs_log, 5)):
            found = measure.paired(
                lambda call=call_ours: measure.seconds(call),
                lambda call=call_theirs, m=model: measure.seconds(lambda: call(m)),
                repeats,
            )
            row[f"{what} {implementation}"] = {
                **found,
                "ours_ns": found["ours"] * scale,
                "theirs_ns": found["theirs"] * scale,
                "asked": asked,
            }
    row["memory_mb"] = measure.in_fresh_process(["hmm", "--memory", problem.name])["mb"]
    row["memory_allowed_mb"] = problem.memory_allowed_mb
    return row


def peak_above_data(problem: Problem) -> dict[str, float]:
    """Peak memory of a fit of two iterations beyond data and loaded code, MB, and its seconds. Run in a fresh process."""
    x, lengths = problem.data()
    start = problem.start(x)
    small = 40_000 if problem.k < 16 else 2_000
    fit_ours(problem, x[:small], [small], start, 1)
    from emkit import ArraySource
    from emkit.families.gaussian.family import Gaussian
    from emkit.models.hmm.compiled import compile_recursions

    if problem.emission == "gaussian":
        Gaussian("diag").compile(ArraySource(x, checked=True), problem.k)
    compile_recursions()
    before = measure.reset_peak()
    seconds = measure.seconds(lambda: fit_ours(problem, x, lengths, start, 2))
    return {"mb": measure.peak_mb() - before, "seconds": seconds}


def main(arguments: Any) -> None:
    if arguments.memory:
        print(json.dumps(peak_above_data(next(p for p in (*PROBLEMS, LONG) if p.name == arguments.memory))))
        return
    rows = []
    for problem in PROBLEMS:
        if arguments.only and arguments.only not in problem.name:
            continue
        row = row_of(problem, arguments.repeats)
        rows.append(row)
        print(f"{problem.name}   memory {row['memory_mb']:.0f} MB (allowed {row['memory_allowed_mb']:.0f})")
        for what in ("scaling", "log", "viterbi scaling", "viterbi log", "posterior scaling", "posterior log"):
            one = row[what]
            print(
                f"  {what:20}ours {one['ours_ns']:9.1f} ns/step   hmmlearn {one['theirs_ns']:9.0f}   "
                f"ratio {one['ratio']:6.1f}   asked {one['asked']:g}",
                flush=True,
            )
    result: dict[str, Any] = {"machine": measure.machine(), "rows": rows}
    if not arguments.only or arguments.only in LONG.name:
        long = measure.in_fresh_process(["hmm", "--memory", LONG.name])
        result["long"] = {**long, "problem": LONG.name, "allowed_mb": LONG.memory_allowed_mb}
        print(
            f"{LONG.name}   memory {long['mb']:.0f} MB (allowed {LONG.memory_allowed_mb:.0f})   "
            f"{long['seconds']:.1f} s for two iterations"
        )
    print(f"\nsaved {measure.save('hmm', result)}")
