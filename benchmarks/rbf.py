"""RBFRegressor beside what scikit-learn has: test R2, how often intervals hold, and CPU time, on ten problems."""

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import ndtri
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

from benchmarks import measure
from benchmarks.regressions import NAMES, houses, make
from emkit import RBFRegressor

_GAMMA = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]


def _scaled(model: Any) -> Any:
    return make_pipeline(StandardScaler(), model)


class _KMeansUnits:
    """The recipe of 1995: clusters, one width, ridge."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "_KMeansUnits":
        best = -np.inf
        fold = np.random.default_rng(0).integers(0, 3, len(y))
        for k in (4, 10, 25, 60):
            for factor in (0.5, 1.0, 2.0):
                for alpha in (1e-3, 1e-1, 10.0):
                    if k > len(y) // 4:
                        continue
                    scores = [
                        r2_score(y[fold == f], self._one(x[fold != f], y[fold != f], k, factor, alpha).predict(x[fold == f]))
                        for f in range(3)
                    ]
                    if np.mean(scores) > best:
                        best, self.chosen = float(np.mean(scores)), (k, factor, alpha)
        self.model = self._one(x, y, *self.chosen)
        return self

    def _one(self, x: np.ndarray, y: np.ndarray, k: int, factor: float, alpha: float) -> Any:
        scaler = StandardScaler().fit(x)
        centres = KMeans(k, n_init=1, random_state=0).fit(scaler.transform(x)).cluster_centers_
        gaps = ((centres[:, None] - centres[None]) ** 2).sum(axis=2)
        width = factor * float(np.sqrt(np.median(gaps[gaps > 0]))) / np.sqrt(2)

        def phi(rows: np.ndarray) -> np.ndarray:
            z = scaler.transform(rows)
            return np.asarray(np.exp(-((z[:, None] - centres[None]) ** 2).sum(axis=2) / (2 * width**2)))

        return make_pipeline(FunctionTransformer(phi), Ridge(alpha)).fit(x, y)

    def predict(self, x: np.ndarray) -> Any:
        return self.model.predict(x)


def _process(each: bool) -> Callable[[int], Any]:
    def build(d: int) -> Any:
        kernel = ConstantKernel(1.0) * RBF(np.ones(d) if each else 1.0, (1e-2, 1e3)) + WhiteKernel(0.1, (1e-6, 10.0))
        return _scaled(GaussianProcessRegressor(kernel, normalize_y=True, random_state=0))

    return build


def _erbf() -> Any:
    from erbf import ERBFRegressor

    return _scaled(ERBFRegressor())


PEERS: dict[str, Callable[[int], Any]] = {
    "SVR, grid": lambda d: GridSearchCV(
        _scaled(SVR()), {"svr__C": [0.1, 1, 10, 100, 1000], "svr__gamma": _GAMMA, "svr__epsilon": [0.01, 0.1]}, cv=3
    ),
    "KernelRidge, grid": lambda d: GridSearchCV(
        _scaled(KernelRidge(kernel="rbf")),
        {"kernelridge__alpha": [1e-4, 1e-3, 1e-2, 0.1, 1], "kernelridge__gamma": _GAMMA}, cv=3,
    ),
    "GaussianProcessRegressor": _process(False),
    "the same, a scale per column": _process(True),
    "MLPRegressor": lambda d: _scaled(MLPRegressor(random_state=0)),
    "HistGradientBoosting": lambda d: HistGradientBoostingRegressor(random_state=0),
    "k-means and ridge, grid": lambda d: _KMeansUnits(),
    "erbf": lambda d: _erbf(),
}  # fmt: skip


def ours(data: tuple[np.ndarray, ...], seed: int) -> dict[str, Any]:
    x, y, new, seen, true = data
    begin = time.process_time()
    model = RBFRegressor(random_state=seed).fit(x, y)
    cpu = time.process_time() - begin
    mean, std = model.predict(new, return_std=True)
    held = float(np.mean(np.abs(seen - mean) < ndtri(0.95) * std))
    return {"r2": r2_score(true, mean), "held": held, "cpu": cpu, "units": f"{model.n_units_} {model.units_}"}


def theirs(build: Callable[[int], Any], data: tuple[np.ndarray, ...]) -> dict[str, Any]:
    x, y, new, _, true = data
    begin = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        level, size = y.mean(), y.std()
        model = build(x.shape[1]).fit(x, (y - level) / size)
    cpu = time.process_time() - begin
    return {"r2": r2_score(true, level + size * model.predict(new)), "cpu": cpu}


def large() -> dict[str, Any]:
    """200,000 rows of eight columns, 50 units of one kind."""
    x, f, noise = houses(np.random.default_rng(0), 202_000)
    y = f + noise * np.random.default_rng(1).normal(size=len(f))
    before = measure.reset_peak()
    begin = time.process_time()
    model = RBFRegressor(50, units="plain", random_state=0).fit(x[:200_000], y[:200_000])
    cpu = time.process_time() - begin
    memory = measure.peak_mb() - before
    return {"cpu": cpu, "r2": r2_score(f[200_000:], model.predict(x[200_000:])), "MB": memory}


def main(arguments: Any) -> None:
    names = [name for name in NAMES if not arguments.only or arguments.only in name]
    RBFRegressor(4, random_state=0).fit(np.arange(60.0)[:, None], np.sin(np.arange(60.0)))  # nothing is timed that loads
    table: dict[str, Any] = {}
    for name in names:
        runs: dict[str, list[dict[str, Any]]] = {"emkit": []}
        for seed in range(arguments.seeds):
            data = make(name, seed)
            runs["emkit"].append(ours(data, seed))
            if seed < arguments.peer_seeds:
                for called, build in PEERS.items():
                    runs.setdefault(called, []).append(theirs(build, data))
        table[name] = {
            called: {"r2": float(np.mean([r["r2"] for r in of])), "cpu": float(np.median([r["cpu"] for r in of]))}
            for called, of in runs.items()
        }
        table[name]["emkit"]["held"] = float(np.mean([r["held"] for r in runs["emkit"]]))
        line = ", ".join(f"{called} {found['r2']:.3f} ({found['cpu']:.2f} s)" for called, found in table[name].items())
        print(f"{name}: intervals hold {table[name]['emkit']['held']:.3f}; {line}", flush=True)
    result: dict[str, Any] = {"machine": measure.machine(), "seeds": arguments.seeds, "problems": table}
    if len(names) == len(NAMES):
        called = list(table[names[0]])
        result["mean"] = {c: float(np.mean([table[name][c]["r2"] for name in names])) for c in called}
        print("mean:", ", ".join(f"{c} {value:.3f}" for c, value in result["mean"].items()))
        result["large"] = large()
        print(f"200,000 rows: {result['large']}")
    print(measure.save("rbf", result, arguments.save))
