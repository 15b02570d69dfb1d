"""Gaussian mixtures on torch tensors: emkit, beside its own compiled code and scikit-learn's array API, on the CPU and on a card.

d=16, k=16, full covariances. On the CPU everything has one thread, and CPU seconds of an iteration are compared. Where torch finds
a card, wall seconds of an iteration there stand beside those of one pass over the rows at the bandwidth that a copy reaches.
"""

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn import config_context
from sklearn.mixture import GaussianMixture as Peer

from benchmarks import measure
from emkit import EM, ArraySource, FiniteMixture, Gaussian, TensorSource, Threads, TorchExecutor
from emkit.core.block import Source
from emkit.core.executor import Executor
from emkit.core.fit import Problem

D, K = 16, 16


def rows(n: int, width: Any) -> np.ndarray:
    """Drawn from sixteen overlapping Gaussians."""
    rng = np.random.default_rng(0)
    centres = 2.0 * rng.standard_normal((K, D))
    return np.asarray(centres[rng.integers(K, size=n)] + rng.standard_normal((n, D)), dtype=width)


def start(x: np.ndarray) -> tuple[FiniteMixture, Any]:
    """A resolved model, and where it starts."""
    sample = ArraySource(x[:20_000])
    model = FiniteMixture(Gaussian(), K).resolve(sample)
    return model, model.init(sample, np.random.default_rng(1))


def iteration(model: FiniteMixture, params: Any, source: Source, executor: Executor) -> Callable[[], Any]:
    """One EM iteration."""
    problem = Problem(model, source, executor)
    step = EM().begin(problem, params)
    return lambda: EM().advance(problem, step)


def peer(params: Any, x: Any, iterations: int) -> Any:
    """A fit by scikit-learn on a tensor: so many iterations from the same start."""

    def there(a: np.ndarray) -> Any:
        return torch.as_tensor(a, dtype=x.dtype, device=x.device)

    given = {
        "weights_init": there(params.weights),
        "means_init": there(params.components.means),
        "precisions_init": there(params.components.whitener.precisions()),
    }
    with config_context(array_api_dispatch=True):
        return Peer(K, init_params="random", tol=0.0, max_iter=iterations, random_state=0, **given).fit(x)


def on_cpu(n: int, width: Any, repeats: int) -> dict[str, Any]:
    """CPU seconds of an iteration of each, and the largest difference of statistics from those of compiled code."""
    x = rows(n, width)
    model, params = start(x)
    here, there = ArraySource(x), TensorSource(torch.from_numpy(x))
    compiled, tensors = iteration(model, params, here, Threads(1)), iteration(model, params, there, TorchExecutor("cpu"))
    differences = [
        np.abs(a - b).max() / np.abs(b).max()
        for a, b in zip(tensors().stats.flatten().values(), compiled().stats.flatten().values(), strict=True)
    ]
    few, many = (
        [measure.took(lambda i=i: peer(params, there.x, i)).cpu for _ in range(max(repeats // 2, 1))] for i in (1, 4)
    )  # fmt: skip
    timed = measure.side_by_side({"emkit, tensors": tensors, "emkit, compiled": compiled}, repeats)
    return {
        "rows": n,
        "width": np.dtype(width).name,
        "difference": float(max(differences)),
        "cpu": {name: one["cpu"] for name, one in timed.items()}
        | {"scikit-learn, tensors": (statistics.median(many) - statistics.median(few)) / 3},
    }


def memory(n: int) -> dict[str, Any]:
    """MB above the rows at the peak of a pass over tensors of n rows, and of four times as many."""
    found = {}
    for many in (n, 4 * n):
        x = rows(many, np.float64)
        model, params = start(x)
        source = TensorSource(torch.from_numpy(x))
        before = measure.reset_peak()
        iteration(model, params, source, TorchExecutor("cpu"))()
        found[str(many)] = measure.peak_mb() - before
    return found


def on_card(n: int, width: Any, repeats: int) -> dict[str, Any]:
    """Wall seconds of an iteration on the card, of one pass over the rows at its bandwidth, and of scikit-learn there."""
    x = rows(n, width)
    model, params = start(x)
    there = torch.from_numpy(x).cuda()
    copy = torch.empty_like(there)

    def copied() -> None:
        copy.copy_(there)
        torch.cuda.synchronize()

    def peers(iterations: int) -> float:
        peer(params, there, iterations)
        return measure.seconds(lambda: (peer(params, there, iterations), torch.cuda.synchronize()))

    step = iteration(model, params, TensorSource(there), TorchExecutor("cuda"))
    copied()
    step()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    seconds = statistics.median(measure.seconds(step) for _ in range(repeats))
    peak = torch.cuda.max_memory_allocated() - held
    one_pass = min(measure.seconds(copied) for _ in range(10)) / 2  # a copy reads, and writes as much
    return {
        "card": torch.cuda.get_device_name(),
        "rows": n,
        "width": np.dtype(width).name,
        "wall": {"emkit": seconds, "scikit-learn": (peers(4) - peers(1)) / 3, "one pass over the rows": one_pass},
        "times one pass": seconds / one_pass,
        "bytes/s of a copy": 2 * there.element_size() * there.numel() / (2 * one_pass),
        "MB above the rows": peak / 2**20,
    }


def main(arguments: Any) -> None:
    """Print, and save as JSON."""
    torch.set_num_threads(1)
    widths = (np.float64, np.float32)
    result: dict[str, Any] = {"machine": measure.machine() | {"torch": torch.__version__}, "d": D, "k": K}
    result["memory"] = memory(arguments.rows)  # first: later there is room left over from before
    result["cpu"] = [on_cpu(arguments.rows, width, arguments.repeats) for width in widths]
    result["card"] = None
    if torch.cuda.is_available():
        result["card"] = [on_card(arguments.card_rows, width, arguments.repeats) for width in widths]
    for row in (
        *result["cpu"],
        {"MB above the rows": result["memory"]},
        *(result["card"] or ["no card: nothing was measured on one"]),
    ):
        print(row)
    print(measure.save("torch", result, arguments.save))
