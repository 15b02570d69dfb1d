"""How often 95 % intervals hold the truth: three models, simulated, intervals from the observed information."""

from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import HMM, GaussianMixture, LatentClass

LEVEL = 0.95


@dataclass(frozen=True)
class Simulation:
    """A model whose parameters are known: ``draw`` makes data, ``fit`` a fit begun at the truth."""

    name: str
    truth: dict[str, np.ndarray]
    draw: Callable[[np.random.Generator], Any]
    fit: Callable[[Any], Any]
    about: dict[str, Any]


def _mixture(n: int = 500) -> Simulation:
    truth = {"weights": np.array([0.4, 0.6]), "means": np.array([[0.0], [3.0]]), "covariances": np.array([[[1.0]], [[1.0]]])}

    def draw(rng: np.random.Generator) -> np.ndarray:
        return rng.normal(np.array([0.0, 3.0])[(rng.random(n) >= 0.4).astype(int)])[:, None]

    def fit(x: np.ndarray) -> Any:
        return GaussianMixture(2, prior=None, init=truth, order_by=None).fit(x)

    return Simulation(f"mixture of two normals, n {n}", truth, draw, fit, {})


def _classes(n: int = 600) -> Simulation:
    rng = np.random.default_rng(0)
    high, low = rng.uniform(0.7, 0.9, 5), rng.uniform(0.15, 0.35, 5)
    yes = np.stack([high, low])
    truth = {"weights": np.array([0.45, 0.55]), "probs": np.stack([1.0 - yes, yes], axis=-1)}

    def draw(rng: np.random.Generator) -> np.ndarray:
        return (rng.random((n, 5)) < yes[(rng.random(n) >= 0.45).astype(int)]).astype(int)

    def fit(x: np.ndarray) -> Any:
        return LatentClass(2, init=truth, order_by=None).fit(x)

    return Simulation(f"two latent classes of five items, n {n}", truth, draw, fit, {})


def _chain(sequences: int = 40, steps: int = 25) -> Simulation:
    truth = {
        "startprob": np.array([0.5, 0.5]), "transmat": np.array([[0.8, 0.2], [0.3, 0.7]]),
        "means": np.array([[0.0], [2.5]]), "covariances": np.array([[1.0], [1.0]]),
    }  # fmt: skip
    lengths = [steps] * sequences

    def draw(rng: np.random.Generator) -> np.ndarray:
        states = np.empty((sequences, steps), dtype=int)
        states[:, 0] = rng.random(sequences) < 0.5
        for t in range(1, steps):
            states[:, t] = rng.random(sequences) >= truth["transmat"][states[:, t - 1], 0]
        return rng.normal(truth["means"][states.ravel(), 0])[:, None]

    def fit(x: np.ndarray) -> Any:
        return HMM(2, prior=None, init=truth, order_by=None).fit(x, lengths=lengths)

    return Simulation(
        f"hidden Markov model of two states, {sequences} sequences of {steps}", truth, draw, fit, {"lengths": lengths}
    )


SIMULATIONS = (_mixture, _classes, _chain)


def run(times: int, methods: tuple[str, ...] = ("observed", "sandwich")) -> list[dict[str, Any]]:
    """For each model and method, how often an interval holds the truth, by parameter and in all."""
    rows = []
    for make in SIMULATIONS:
        one = make()
        for method in methods:
            held: dict[str, list[np.ndarray]] = {name: [] for name in one.truth}
            begin = process_time()
            for seed in range(times):
                x = one.draw(np.random.default_rng([7, seed]))
                ends = one.fit(x).conf_int(x, level=LEVEL, method=method, **one.about)
                for name, truth in one.truth.items():
                    low, high = np.moveaxis(ends[name].reshape(*truth.shape, 2), -1, 0)
                    held[name].append(np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high)))
            shares = {name: float(np.nanmean(found)) for name, found in held.items()}
            every = float(np.nanmean(np.concatenate([np.ravel(found) for found in held.values()])))
            seconds = process_time() - begin
            rows.append({"model": one.name, "method": method, "times": times, "held": every, **shares, "cpu_s": round(seconds, 1)})
            by = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
            print(f"{one.name:<60} {method:<9} {every:.3f}   {by}   {seconds:.0f} s", flush=True)
    return rows


def speed(n: int = 10_000) -> dict[str, float]:
    """CPU seconds for all standard errors of a mixture of four normals of four columns, full covariances."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4)) + 3.0 * rng.integers(4, size=n)[:, None] * np.array([1.0, -1.0, 0.5, 1.0])
    model, found = GaussianMixture(4, random_state=0).fit(x), {}
    for method in ("observed", "sandwich"):
        model.standard_errors(x[:500], method=method)  # nothing is timed that loads
        begin = process_time()
        model.standard_errors(x, method=method)
        found[method] = process_time() - begin
    return found


def main(arguments: Any) -> None:
    result = {"machine": measure.machine(), "level": LEVEL, "rows": run(arguments.times), "cpu_s_of_four_components": speed()}
    print(f"four components of four columns, 10,000 rows: {result['cpu_s_of_four_components']} CPU seconds")
    print(measure.save("coverage", result, arguments.save))
