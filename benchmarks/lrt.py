"""The bootstrap likelihood-ratio test: how long 200 replicates take, and whether p values are uniform under the null hypothesis."""

import argparse
import os
import time
from typing import Any

import numpy as np
from scipy.stats import kstest

from benchmarks import measure
from emkit import GaussianMixture, likelihood_ratio_test


def timed(replicates: int, processes: int | None) -> dict[str, Any]:
    """Two against three components, 500 rows of two columns, no early stop: wall-clock time, and CPU time of all processes."""
    from joblib.externals.loky import get_reusable_executor

    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.0, 1.0, (250, 2)), rng.normal(2.5, 1.0, (250, 2))])
    before, begin = os.times(), time.perf_counter()
    found = likelihood_ratio_test(
        GaussianMixture(2), GaussianMixture(3), x, n_replicates=replicates, stop_after=None, random_state=1, n_jobs=processes
    )
    wall = time.perf_counter() - begin
    if processes != 1:
        get_reusable_executor().shutdown(wait=True)  # whose time counts once they have ended
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    return {"replicates": replicates, "wall": wall, "cpu": cpu, "p value": found.p_value, "statistic": found.statistic}


def uniform(simulations: int, replicates: int, rows: int) -> dict[str, Any]:
    """P values of one against two components where there is one, at default settings; and how uniform they are."""
    values = []
    for s in range(simulations):
        x = np.random.default_rng([7, s]).normal(size=(rows, 1))
        found = likelihood_ratio_test(GaussianMixture(1), GaussianMixture(2), x, n_replicates=replicates, random_state=s, n_jobs=1)
        values.append(found.p_value)
        if (s + 1) % 20 == 0:
            p, small = kstest(values, "uniform").pvalue, np.mean(np.array(values) <= 0.05)
            print(
                f"{s + 1} simulations: Kolmogorov-Smirnov p {p:.3f}, at most .05: {small:.3f}",
                flush=True,
            )
    test = kstest(values, "uniform")
    share = {str(level): float(np.mean(np.array(values) <= level)) for level in (0.05, 0.1, 0.25, 0.5)}
    return {"simulations": simulations, "rows": rows, "replicates": replicates, "ks p": test.pvalue, "share at most": share}


def main(arguments: argparse.Namespace) -> None:
    """Both parts, or one."""
    out: dict[str, Any] = {"machine": measure.machine()}
    if arguments.only in (None, "time"):
        out["time"] = timed(arguments.replicates, arguments.processes)
        print(out["time"], flush=True)
    if arguments.only in (None, "uniform"):
        out["uniform"] = uniform(arguments.simulations, 99, 100)
        print(out["uniform"], flush=True)
    print(f"wrote {measure.save('lrt', out)}")
