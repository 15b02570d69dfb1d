"""Gaussian mixtures: emkit beside scikit-learn, the same start, the same number of iterations, the same answer."""

import json
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.mixture import GaussianMixture as Theirs

from benchmarks import measure
from emkit import GaussianMixture as Ours


@dataclass(frozen=True)
class Problem:
    """K components in d columns, n rows, and the ratio asked for."""

    name: str
    n: int
    d: int
    k: int
    covariance: str
    asked: float
    iterations: int
    known: bool = False
    apart: float = 2.0
    width: str = "float64"

    def data(self) -> np.ndarray:
        """Overlapping components, so that every row has several responsibilities worth computing."""
        rng = np.random.default_rng(7)
        centres = self.apart * rng.standard_normal((self.k, self.d))
        x = np.empty((self.n, self.d), dtype=self.width)
        for a in range(0, self.n, 65536):
            m = min(65536, self.n - a)
            x[a : a + m] = centres[rng.integers(0, self.k, m)] + rng.standard_normal((m, self.d))
        return x

    def start(self) -> dict[str, Any]:
        """The same for both: means near the true ones, equal weights, the identity as covariances.

        Not K random rows: in 64 columns some components would start with a row of their own, and no maximum likelihood.
        """
        centres = self.apart * np.random.default_rng(7).standard_normal((self.k, self.d))
        rng = np.random.default_rng(11)
        eye = np.eye(self.d)
        precisions = {
            "spherical": np.ones(self.k),
            "diag": np.ones((self.k, self.d)),
            "tied": eye,
            "full": np.broadcast_to(eye, (self.k, self.d, self.d)).copy(),
        }[self.covariance]
        means = centres + 0.5 * rng.standard_normal((self.k, self.d))
        return {"means_init": means, "weights_init": np.full(self.k, 1 / self.k), "precisions_init": precisions}


PROBLEMS = (
    Problem("1-D k=2 known variance", 2_000_000, 1, 2, "spherical", 15, 6, known=True),
    Problem("d=2 k=8 full", 1_000_000, 2, 8, "full", 25, 4),
    Problem("d=16 k=16 diag", 500_000, 16, 16, "diag", 8, 4),
    Problem("d=16 k=16 full", 500_000, 16, 16, "full", 15, 2),
    Problem("d=64 k=32 full", 100_000, 64, 32, "full", 6, 2),
)


def fit_ours(problem: Problem, x: np.ndarray, start: dict[str, Any], iterations: int) -> Ours:
    fixed = {"covariances": 1.0, "weights": start["weights_init"]} if problem.known else None
    return Ours(
        problem.k, covariance_type=problem.covariance, tol=0, max_iter=iterations, prior=None, n_init=1, fixed=fixed, **start
    ).fit(x)


def fit_theirs(problem: Problem, x: np.ndarray, start: dict[str, Any], iterations: int) -> Theirs:
    model = Theirs(
        problem.k, covariance_type=problem.covariance, tol=0, max_iter=iterations, reg_covar=0,
        init_params="random_from_data", random_state=0, **start,
    )  # fmt: skip
    # With every starting value given, scikit-learn still estimates covariances from its own first guess, of single rows: skip it.
    model._initialize = lambda X, resp, **_: _take_start(model, start, X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(x)


def _take_start(model: Theirs, start: dict[str, Any], x: np.ndarray) -> None:
    model.weights_ = start["weights_init"].astype(x.dtype)
    model.means_ = start["means_init"].astype(x.dtype)
    precisions = start["precisions_init"].astype(x.dtype)
    if model.covariance_type in ("full", "tied"):
        model.precisions_cholesky_ = np.linalg.cholesky(precisions)
    else:
        model.precisions_cholesky_ = np.sqrt(precisions)


def agree(problem: Problem, x: np.ndarray, start: dict[str, Any]) -> float:
    """Largest difference of means after three iterations, in standard deviations; with a known variance, theirs differs."""
    if problem.known:
        return float("nan")
    ours, theirs = fit_ours(problem, x, start, 3), fit_theirs(problem, x, start, 3)
    worst = float(np.abs(ours.means_ - theirs.means_).max())
    limit = 1e-8 if problem.width == "float64" else 1e-2
    if not worst < limit:
        raise AssertionError(f"{problem.name}: the two libraries disagree by {worst:g} after three iterations")
    return worst


def peak_above_data(problem: Problem, who: str) -> float:
    """Peak memory of a fit of two iterations beyond what was resident before it, MB. Run in a fresh process."""
    x = problem.data()
    start = problem.start()
    # Loading code is not the fit's memory.
    if who == "theirs":
        Theirs(1, covariance_type=problem.covariance).fit(x[:1000])
    else:
        Ours(1, covariance_type=problem.covariance).fit(x[:1000])
        from emkit import ArraySource
        from emkit.families.gaussian.family import Gaussian

        Gaussian(problem.covariance).compile(ArraySource(x, checked=True), problem.k)
    before = measure.reset_peak()
    (fit_ours if who == "ours" else fit_theirs)(problem, x, start, 2)
    return measure.peak_mb() - before


def iterations_table(problems: list[Problem], repeats: int) -> list[dict[str, Any]]:
    rows = []
    print(
        f"{'problem':26}{'ours':>10}{'sklearn':>10}{'ratio':>8}{'asked':>7}{'MB ours':>9}{'MB theirs':>10}   "
        "(ns per row and component)"
    )
    for problem in problems:
        x = problem.data()
        start = problem.start()
        fit_ours(problem, x, start, 1)  # compiles, or loads what was compiled
        apart = agree(problem, x, start)
        scale = 1e9 / (problem.n * problem.k)
        found = measure.paired(
            lambda x=x, s=start, p=problem: scale_of(fit_ours, p, x, s),
            lambda x=x, s=start, p=problem: scale_of(fit_theirs, p, x, s),
            repeats,
        )
        del x
        memory = {
            who: measure.in_fresh_process(["mixture", "--memory", f"{who}:{problem.name}"])["mb"] for who in ("ours", "theirs")
        }
        row = {**found, "problem": problem.name, "asked": problem.asked, "apart": apart, "memory": memory}
        row["ours"], row["theirs"] = found["ours"] * scale, found["theirs"] * scale
        rows.append(row)
        print(
            f"{problem.name:26}{row['ours']:10.2f}{row['theirs']:10.1f}{row['ratio']:8.1f}{problem.asked:7.0f}"
            f"{memory['ours']:9.1f}{memory['theirs']:10.0f}",
            flush=True,
        )
    return rows


def scale_of(fit: Any, problem: Problem, x: np.ndarray, start: dict[str, Any]) -> float:
    return measure.per_iteration(lambda count: fit(problem, x, start, count), problem.iterations)


def widths_table(problems: list[Problem], repeats: int) -> list[dict[str, Any]]:
    """float32 against our own float64, where d >= 16."""
    rows = []
    print(f"\n{'problem':26}{'float32':>10}{'float64':>10}{'ratio':>8}{'asked':>7}   (ns per row and component, ours)")
    for problem in problems:
        if problem.d < 16:
            continue
        x = problem.data()
        small = x.astype(np.float32)
        start = problem.start()
        fit_ours(problem, small, start, 1)
        scale = 1e9 / (problem.n * problem.k)
        found = measure.paired(
            lambda x=small, s=start, p=problem: scale_of(fit_ours, p, x, s),
            lambda x=x, s=start, p=problem: scale_of(fit_ours, p, x, s),
            repeats,
        )
        rows.append({**found, "problem": problem.name, "asked": 1.4})
        print(
            f"{problem.name:26}{found['ours'] * scale:10.2f}{found['theirs'] * scale:10.2f}{found['ratio']:8.2f}{1.4:7.1f}",
            flush=True,
        )
    return rows


SOLUTION = (
    Problem("d=2 k=5 full, apart", 100_000, 2, 5, "full", 0, 0, apart=6.0),
    Problem("d=2 k=5 full, overlapping", 100_000, 2, 5, "full", 0, 0),
    Problem("d=8 k=6 full, n=100,000", 100_000, 8, 6, "full", 0, 0),
    Problem("d=16 k=10 diag, n=100,000", 100_000, 16, 10, "diag", 0, 0),
    Problem("d=2 k=3 full, n=2,000, apart", 2_000, 2, 3, "full", 0, 0, apart=6.0),
    Problem("d=2 k=3 full, n=2,000, overlap", 2_000, 2, 3, "full", 0, 0),
)


def solution_table(repeats: int) -> list[dict[str, Any]]:
    """Default settings of each: time, and whether within 1e-3 nats per 1,000 rows of the best log-likelihood that any fit found."""
    rows = []
    print(
        f"\n{'time to solution, defaults':30}{'ours s':>9}{'sklearn s':>10}"
        f"{'ours reached':>14}{'theirs reached':>16}{'our gap':>10}{'their gap':>12}"
    )
    for problem in SOLUTION:
        x = problem.data()
        times: dict[str, list[float]] = {"ours": [], "theirs": []}
        values: dict[str, list[float]] = {"ours": [], "theirs": []}
        for seed in range(max(repeats, 3)):
            for who, make in (
                ("ours", lambda s, p=problem: Ours(p.k, covariance_type=p.covariance, random_state=s)),
                ("theirs", lambda s, p=problem: Theirs(p.k, covariance_type=p.covariance, random_state=s)),
            ):
                begin = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = make(seed).fit(x)
                times[who].append(time.perf_counter() - begin)
                values[who].append(float(np.sum(model.score_samples(x))))
        # The best known: every fit above, and one with many starts run to the end.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            best = Ours(
                problem.k, covariance_type=problem.covariance, prior=None, n_init=20, tol=1e-6, max_iter=3000, random_state=99
            ).fit(x)
        top = max(best.result_.log_likelihood, *values["ours"], *values["theirs"])
        limit = 1e-3 * problem.n / 1000
        reached = {who: sum(top - v <= limit for v in values[who]) for who in values}
        gap = float(np.median([top - v for v in values["theirs"]]))
        row = {
            "problem": problem.name,
            "seeds": len(times["ours"]),
            "ours_seconds": float(np.median(times["ours"])),
            "theirs_seconds": float(np.median(times["theirs"])),
            "ours_reached": reached["ours"],
            "theirs_reached": reached["theirs"],
            "ours_gap": float(np.median([top - v for v in values["ours"]])),
            "theirs_gap": gap,
            "best_log_likelihood": top,
        }
        rows.append(row)
        print(
            f"{problem.name:30}{row['ours_seconds']:9.2f}{row['theirs_seconds']:10.2f}"
            f"{reached['ours']:9d} of {row['seeds']}{reached['theirs']:11d} of {row['seeds']}{row['ours_gap']:10.3g}{gap:12.3g}",
            flush=True,
        )
    return rows


def main(arguments: Any) -> None:
    if arguments.memory:
        who, name = arguments.memory.split(":", 1)
        problem = next(p for p in PROBLEMS if p.name == name)
        print(json.dumps({"mb": peak_above_data(problem, who)}))
        return
    problems = [p for p in PROBLEMS if not arguments.only or arguments.only in p.name]
    rows = iterations_table(problems, arguments.repeats)
    widths = widths_table(problems, arguments.repeats)
    solutions = [] if arguments.skip_solution else solution_table(arguments.repeats)
    path = measure.save("mixture", {"machine": measure.machine(), "iterations": rows, "widths": widths, "solution": solutions})
    print(f"\nsaved {path}")
