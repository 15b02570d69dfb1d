"""``select`` on mclust's grid for Old Faithful and iris, beside mclust itself where R has it; the true number of classes by BIC."""

import argparse
import shutil
import statistics
import subprocess
import time
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.shapes import DATA, floors, rows
from emkit import GaussianMixture, Mixture, select

EXPECTED = {"faithful": {"n_components": 3, "covariance_type": "EEE"}, "iris": {"n_components": 2, "covariance_type": "VEV"}}
TARGET = 20.0  # seconds of CPU time
SIMULATED, NEEDED = 20, 18
_R = """
suppressMessages(library(mclust))
x <- read.csv("{path}")[, 1:{d}]
took <- system.time(found <- Mclust(x, G=1:9, verbose=FALSE))
cat(found$modelName, found$G, took[["user.self"]], "\\n")
"""


def grid(name: str, drop: bool, repeats: int) -> dict[str, Any]:
    """The fourteen shapes with 1 to 9 components at default starts: what is chosen, CPU time, cells that reach mclust."""
    x, took = rows(name), []
    for seed in range(repeats):
        begin = time.process_time()
        found = select(
            GaussianMixture(n_jobs=1),
            x,
            grid={"n_components": range(1, 10), "covariance_type": "all"},
            drop=drop,
            random_state=seed,
        )
        took.append(time.process_time() - begin)
    table, floor = found.table, floors(name)
    cells = list(zip(table["covariance_type"], table["n_components"], table["bic"], table["mark"], strict=True))
    fitted = [(shape, k, -bic) for shape, k, bic, _ in cells if not np.isnan(bic)]
    known = [(value, floor[shape, k]) for shape, k, value in fitted if not np.isnan(floor[shape, k])]
    out = {
        "data": name,
        "drop": drop,
        "cpu": took,
        "chosen": found.best_params_,
        "as expected": found.best_params_ == EXPECTED[name],
        "fitted": len(fitted),
        "slivers": sum(mark == "sliver" for *_, mark in cells),
        "reach mclust and the best known": sum(value >= bound - 0.1 for value, bound in known),
        "compared": len(known),
    }
    cpu = statistics.median(took)
    print(
        f"{name}, {'hopeless cells dropped' if drop else 'every cell'}: {cpu:.1f} s of CPU time (asked: {TARGET:g}), "
        f"{out['fitted']} of {len(cells)} cells fitted, chosen {found.best_params_}; "
        f"{out['reach mclust and the best known']} of {out['compared']} within .1 of mclust and the best known BIC",
        flush=True,
    )
    return out


def by_mclust(name: str) -> dict[str, Any] | str:
    """The same by R's mclust."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return "Rscript is not installed"
    code = _R.format(path=DATA / f"{name}.csv", d=rows(name).shape[1])
    ran = subprocess.run([rscript, "-e", code], capture_output=True, text=True, check=False)
    if ran.returncode:
        return f"mclust did not run: {ran.stderr.strip()[-200:]}"
    shape, k, seconds = ran.stdout.split()
    return {"chosen": {"n_components": int(k), "covariance_type": shape}, "cpu": float(seconds)}


def mixed_table(seed: int, n: int = 500) -> tuple[np.ndarray, int]:
    """Two to four classes over two numbers, two counts and two yes-or-no columns; and how many there are."""
    rng = np.random.default_rng([11, seed])
    k = int(rng.integers(2, 5))
    z = rng.choice(k, size=n, p=rng.dirichlet(np.full(k, 8.0)))
    order = [rng.permutation(k) for _ in range(4)]
    numbers = [rng.normal(2.5 * order[j][z], 1.0) for j in range(2)]
    counts = [rng.poisson(np.array([1.0, 4.0, 9.0, 16.0])[order[2 + j][z]]) for j in range(2)]
    yes = [rng.random(n) < rng.uniform(0.1, 0.9, k)[z] for _ in range(2)]
    return np.column_stack([*numbers, *counts, *yes]).astype(float), k


FAMILIES = {0: "gaussian", 1: "gaussian", 2: "poisson", 3: "poisson", 4: "bernoulli", 5: "bernoulli"}


def simulated() -> dict[str, Any]:
    """How often BIC finds the number of classes of simulated mixed tables."""
    pairs = []
    begin = time.process_time()
    for seed in range(SIMULATED):
        x, k = mixed_table(seed)
        found = select(Mixture(family=FAMILIES, n_jobs=1), x, grid={"n_components": range(1, 8)}, random_state=seed)
        pairs.append((k, found.best_params_["n_components"]))
    right = sum(k == got for k, got in pairs)
    took = time.process_time() - begin
    print(
        f"simulated mixed tables: {right} of {SIMULATED} numbers of classes found (asked: {NEEDED}), {took:.1f} s of CPU time",
        flush=True,
    )
    return {"found": right, "of": SIMULATED, "true and chosen": pairs, "cpu": took}


def main(arguments: argparse.Namespace) -> None:
    """All parts, or one."""
    out: dict[str, Any] = {"machine": measure.machine(), "grids": [], "mclust": {}}
    for name in EXPECTED:
        if arguments.only in (None, name):
            out["grids"] += [grid(name, drop, arguments.repeats) for drop in ((True, False) if arguments.all else (True,))]
            out["mclust"][name] = by_mclust(name)
            print(f"{name}, mclust: {out['mclust'][name]}", flush=True)
    if arguments.only in (None, "simulated"):
        out["simulated"] = simulated()
    print(f"wrote {measure.save('select', out)}")
