"""What users wait for: a default fit in a warm process, from a cold one with the import, and iterations of one short sequence."""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hmmlearn import hmm as hmmlearn_module
from sklearn.mixture import GaussianMixture as Theirs

from benchmarks import measure
from benchmarks.problems import chain, clouds, faithful, iris
from emkit import GaussianHMM, GaussianMixture

WARM: dict[str, tuple[int, Callable[[], np.ndarray]]] = {
    "n=2,000 d=2 k=3 full, apart": (3, lambda: clouds(2000, 2, 3, 6.0)),
    "n=2,000 d=2 k=3 full, overlapping": (3, lambda: clouds(2000, 2, 3, 2.0)),
    "iris, three, full": (3, iris),
    "faithful, two, full": (2, faithful),
    "n=100,000 d=2 k=5 full, apart": (5, lambda: clouds(100_000, 2, 5, 6.0)),
    "n=100,000 d=2 k=5 full, overlapping": (5, lambda: clouds(100_000, 2, 5, 2.0)),
}
STEPS = (100, 200, 330, 340, 500, 1000, 2000)
COLD = {
    "ours": "from emkit import GaussianMixture",
    "theirs": "from sklearn.mixture import GaussianMixture",
}


def in_this_process(name: str, repeats: int) -> dict[str, Any]:
    """Default fits in turns with scikit-learn's, in a process that has fitted a few rows before: run in a fresh one."""
    k, data = WARM[name]
    x, small = data(), clouds(60, 2, 2, 5.0)
    for make in (GaussianMixture, Theirs):
        measure.took(lambda make=make: make(2, random_state=0).fit(small))
    seeds = iter(range(1_000_000))
    calls = {
        "ours": lambda: GaussianMixture(k, random_state=next(seeds)).fit(x),
        "n_init=10": lambda: Theirs(k, n_init=10, random_state=next(seeds)).fit(x),
        "theirs": lambda: Theirs(k, random_state=next(seeds)).fit(x),
    }
    if len(x) > 10_000:
        del calls["n_init=10"]
    # The first fit of many rows loads a kernel: users wait for that, too. It is told apart.
    first = measure.took(calls["ours"])
    return {**measure.side_by_side(calls, repeats), "first": {"cpu": first.cpu, "wall": first.wall}}


def cold_once(code: str, path: str) -> dict[str, float]:
    """CPU and wall seconds of a process of its own, from its start to its end."""
    text = f"import numpy as np, warnings\nwarnings.simplefilter('ignore')\nx = np.load({path!r})\n{code}\n"
    before = os.times()
    took = measure.took(lambda: subprocess.run([sys.executable, "-c", text], check=True))
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"cpu": cpu, "wall": took.wall}


def cold(name: str, repeats: int) -> dict[str, Any]:
    """Import and default fit, turn and turn about; ``import`` is the import alone."""
    k, data = WARM[name]
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "x.npy")
        np.save(path, data())
        for _ in range(repeats):
            for who, line in COLD.items():
                found.setdefault(f"{who} import", []).append(cold_once(line, path))
                fit = f"{line}\nGaussianMixture({k}, random_state=0).fit(x)"
                found.setdefault(who, []).append(cold_once(fit, path))
    row: dict[str, Any] = {
        who: {what: statistics.median(one[what] for one in all_of_it) for what in ("cpu", "wall")}
        for who, all_of_it in found.items()
    }
    for what in ("cpu", "wall"):
        row[f"ratio_{what}"] = statistics.median(a[what] / b[what] for a, b in zip(found["ours"], found["theirs"], strict=True))
    return row


def sequence(steps: int, repeats: int) -> dict[str, Any]:
    """Milliseconds of CPU of one iteration, one sequence of two Gaussian states; hmmlearn's quicker implementation."""
    rng = np.random.default_rng(3)
    x = (2.0 * chain(steps, 2, 0.9, rng) + rng.standard_normal(steps))[:, None]
    start = {"startprob": np.full(2, 0.5), "transmat": np.array([[0.8, 0.2], [0.2, 0.8]]), "means": np.array([[0.0], [1.0]])}
    variances = np.ones((2, 1))

    def ours(n: int) -> Any:
        values = {f"{name}_init": value for name, value in start.items()}
        return GaussianHMM(2, n_iter=n, tol=0, prior=None, covariances_init=variances, **values).fit(x)

    def theirs(n: int) -> Any:
        model = hmmlearn_module.GaussianHMM(
            2, "diag", n_iter=n, tol=-np.inf, init_params="", implementation="scaling", min_covar=0, covars_prior=0, covars_weight=1
        )
        model.startprob_, model.transmat_, model.means_ = (value.copy() for value in start.values())
        model.covars_ = variances.copy()
        return model.fit(x)

    many = max(20, 20_000 // steps)

    def each(fit: Callable[[int], Any]) -> float:
        return 1000 * (measure.took(lambda: fit(1 + many)).cpu - measure.took(lambda: fit(1)).cpu) / many

    apart = float(np.abs(measure.took(lambda: ours(2)).value.means_ - measure.took(lambda: theirs(2)).value.means_).max())
    if not apart < 1e-6:
        raise AssertionError(f"one sequence of {steps} steps: the means differ by {apart:g} after two updates")
    return {**measure.paired(lambda: each(ours), lambda: each(theirs), repeats), "steps": steps}


def fresh(name: str, repeats: int) -> dict[str, Any]:
    return measure.in_fresh_process(["answer", "--fresh", name, "--repeats", str(repeats)])


def table(arguments: Any, name: str) -> dict[str, Any]:
    chosen = [problem for problem in WARM if name in problem or name in ("cold", "warm")]
    found: dict[str, Any] = {"warm": {}, "cold": {}, "sequence": []}
    print("CPU ms, median; wall in brackets")
    for problem in [p for p in chosen if not (arguments.quick and "100,000" in p)] if name != "cold" else []:
        row = found["warm"][problem] = fresh(problem, arguments.repeats)
        told = "   ".join(f"{who} {_ms(row[who])}" for who in row)
        print(f"warm  {problem:38}{told}   ratio {row['ours']['ratio']:.1f}", flush=True)
    for problem in [p for p in chosen if "2,000" in p][: 1 if arguments.quick else 2] if name != "warm" else []:
        row = found["cold"][problem] = cold(problem, arguments.repeats)
        told = "   ".join(f"{who} {_ms(row[who])}" for who in ("ours", "theirs", "ours import", "theirs import"))
        print(f"cold  {problem:38}{told}   ratio {row['ratio_cpu']:.2f}, wall {row['ratio_wall']:.2f}", flush=True)
    for steps in (STEPS[:2] if arguments.quick else STEPS) if name in ("", "sequence") else ():
        row = sequence(steps, arguments.repeats)
        found["sequence"].append(row)
        print(
            f"one sequence of {steps:5d} steps, ms an iteration: ours {row['ours']:.3f}, hmmlearn scaling {row['theirs']:.3f}, "
            f"ours / theirs {1 / row['ratio']:.2f}",
            flush=True,
        )
    return found


def _ms(row: dict[str, float]) -> str:
    return f"{1000 * row['cpu']:.1f} ({1000 * row['wall']:.1f})"
