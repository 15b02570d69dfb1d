"""Gaussian mixture regression beside the package gmr: the same joint distribution, the same questions."""

from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import GaussianMixtureRegressor

PROBLEMS = (("2 inputs, 1 target, 5 components", 2, 1, 5), ("8 inputs, 2 targets, 10 components", 8, 2, 10))


def _data(n: int, d: int, p: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) + 2.0 * rng.integers(-1, 2, size=(n, 1))
    y = np.column_stack([np.sin(x[:, j % d]) + 0.3 * x.sum(axis=1) for j in range(p)]) + 0.2 * rng.normal(size=(n, p))
    return x, y


def compare(name: str, d: int, p: int, k: int, n: int, repeats: int) -> dict[str, Any]:
    """CPU seconds for the means of n rows; and with a fifth of the inputs missing, where gmr is asked row by row."""
    from gmr import GMM

    x, y = _data(n + 2000, d, p)
    model = GaussianMixtureRegressor(k, random_state=0, n_init=1, max_iter=50).fit(x[n:], y[n:] if p > 1 else y[n:, 0])
    theirs = GMM(k, model.weights_, model.means_, model.covariances_, random_state=0)
    known, asked = np.arange(d), x[:n]
    ours, other = model.predict(asked).reshape(n, p), theirs.predict(known, asked)
    holes = np.where(np.random.default_rng(1).random(asked.shape) < 0.2, np.nan, asked)[:2000]

    def row_by_row() -> np.ndarray:
        out = np.empty((len(holes), p))
        for i, row in enumerate(holes):
            seen = np.flatnonzero(~np.isnan(row))
            if len(seen):
                out[i] = theirs.predict(seen, row[None, seen])[0, -p:]
            else:
                out[i] = (model.weights_ @ model.means_)[-p:]
        return out

    result: dict[str, Any] = {"problem": name, "rows": n}
    result["difference"] = float(np.abs(ours - other).max())
    result["difference_with_holes"] = float(np.abs(model.predict(holes).reshape(-1, p) - row_by_row()).max())
    calls = {"emkit": lambda: model.predict(asked), "gmr": lambda: theirs.predict(known, asked)}
    result["complete"] = measure.side_by_side(calls, repeats, least=0.2)
    result["holes"] = measure.side_by_side({"emkit": lambda: model.predict(holes), "gmr": row_by_row}, repeats)
    return result


def alone(n: int, share: float) -> dict[str, Any]:
    """CPU seconds of what gmr has no call for: n rows of 10 columns, 10 components, cells missing with probability ``share``."""
    x, y = _data(n, 9, 1, seed=2)
    model = GaussianMixtureRegressor(10, random_state=0, n_init=1, max_iter=30).fit(x[:10_000], y[:10_000, 0])
    table = np.column_stack([x, y])
    table[np.random.default_rng(3).random(table.shape) < share] = np.nan
    inputs = table[:, :9]
    calls = {
        "mean and sd of the target": lambda: model.predict(inputs, return_std=True),
        "interval of 90 %": lambda: model.predict_interval(inputs),
        "draw": lambda: model.sample(inputs),
        "every missing cell, with sd": lambda: model.complete(table, return_std=True),
    }
    seconds = {name: measure.took(call).cpu for name, call in calls.items()}
    return {"rows": n, "missing": share, "patterns": len(np.unique(np.isnan(inputs), axis=0)), "cpu": seconds}


def main(arguments: Any) -> None:
    rows = [compare(*problem, n=arguments.rows, repeats=arguments.repeats) for problem in PROBLEMS]
    others = [alone(5 * arguments.rows, share) for share in (0.0, 0.05, 0.2)]
    for row in (*rows, *others):
        print(row)
    machine = measure.machine() | {"gmr": version("gmr")}
    print(measure.save("gmr", {"machine": machine, "rows": rows, "alone": others}, arguments.save))
