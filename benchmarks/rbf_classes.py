"""RBFClassifier beside four of scikit-learn's classifiers: accuracy and log loss on rows that were left out."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine, make_moons
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from benchmarks import measure
from emkit import RBFClassifier

Rows = tuple[np.ndarray, np.ndarray]


def _spiral(seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    arm, turn = rng.integers(2, size=2400), 3.0 * np.pi * np.sqrt(rng.random(2400))
    x = np.column_stack([turn * np.cos(turn + np.pi * arm), turn * np.sin(turn + np.pi * arm)])
    return x + 0.6 * rng.normal(size=x.shape), arm


def _friedman(seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(2400, 10))
    f = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    return x, (f + rng.normal(size=2400) > 14).astype(int)


PROBLEMS: dict[str, tuple[Callable[[int], Rows], int]] = {
    "moons, 2 columns": (lambda seed: make_moons(2400, noise=0.25, random_state=seed), 400),
    "two spirals, 2 columns": (_spiral, 400),
    "friedman1 cut at 14, 10 columns": (_friedman, 400),
    "breast cancer, 30 columns": (lambda seed: load_breast_cancer(return_X_y=True), 284),
    "wine, 13 columns, 3 classes": (lambda seed: load_wine(return_X_y=True), 89),
}


def _svc() -> Any:
    pipeline = make_pipeline(StandardScaler(), SVC(probability=True, random_state=0))
    return GridSearchCV(pipeline, {"svc__C": [0.1, 1, 10, 100], "svc__gamma": [0.01, 0.1, 1, "scale"]}, cv=3)


PEERS: dict[str, Callable[[], Any]] = {
    "SVC, grid": _svc,
    "GPC": lambda: make_pipeline(StandardScaler(), GaussianProcessClassifier(1.0 * RBF(), random_state=0)),
    "boosting": lambda: HistGradientBoostingClassifier(random_state=0),
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
}


def main(arguments: Any) -> None:
    table: dict[str, Any] = {}
    RBFClassifier(4, random_state=0).fit(np.arange(60.0)[:, None], np.arange(60) > 30)  # nothing is timed that loads
    for name, (make, n) in PROBLEMS.items():
        runs: dict[str, list[tuple[float, float, float]]] = {}
        for seed in range(arguments.seeds):
            x, y = make(seed)
            train, test, seen, kept = train_test_split(x, y, train_size=n, random_state=seed, stratify=y)
            for called, build in {"emkit": lambda s=seed: RBFClassifier(random_state=s), **PEERS}.items():
                model = build()
                took = measure.took(lambda m=model, a=train, b=seen: m.fit(a, b))
                p = model.predict_proba(test)
                runs.setdefault(called, []).append((float(np.mean(p.argmax(axis=1) == kept)), float(log_loss(kept, p)), took.cpu))
        table[name] = {
            c: dict(zip(("accuracy", "log_loss", "cpu"), np.mean(r, axis=0).tolist(), strict=True)) for c, r in runs.items()
        }
        shown = ", ".join(f"{c} {r['accuracy']:.3f} / {r['log_loss']:.3f} ({r['cpu']:.2f} s)" for c, r in table[name].items())
        print(f"{name}: {shown}", flush=True)
    print(measure.save("rbf_classes", {"machine": measure.machine(), "seeds": arguments.seeds, "problems": table}, arguments.save))
