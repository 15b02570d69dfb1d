"""Sequences beyond memory: a hidden Markov model of a folder of Parquet beside the same rows in memory, fitted and decoded.

Everything runs in a process of its own, so that its peak memory is that of one thing alone.
"""

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute as pc
from pyarrow import parquet

import emkit
from benchmarks import measure
from benchmarks.out_of_core import ROW_GROUP

D, K = 4, 4
MEAN_LENGTH = 200


def write(folder: Path, rows: int, each: int = 1_048_576) -> Path:
    """Files of about a million rows: sequences of some 200 steps, of four Gaussian states, across files."""
    folder.mkdir(parents=True)
    last = 0
    for i, begin in enumerate(range(0, rows, each)):
        rng = np.random.default_rng([1, i])
        n = min(each, rows - begin)
        who = last + np.cumsum(rng.random(n) < 1 / MEAN_LENGTH)
        last = int(who[-1])
        stay = np.cumsum(rng.random(n) < 0.05)  # stays of twenty steps on average
        state = rng.integers(K, size=int(stay[-1]) + 1)[stay]
        x = rng.normal(size=(n, D)) + centres()[state]
        table = pa.table({"who": who, **{f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(D)}})
        parquet.write_table(table, folder / f"{i:03d}.parquet", row_group_size=ROW_GROUP, use_dictionary=False)
    return folder


def centres() -> np.ndarray:
    return 1.5 * np.random.default_rng(0).normal(size=(K, D))


def model(iterations: int, threads: int) -> emkit.HMM:
    """One start, the same whatever the rows are read from."""
    init = {
        "startprob": np.full(K, 1 / K),
        "transmat": 0.8 * np.eye(K) + 0.2 / K,
        "means": centres() + 0.5,
        "covariances": np.ones((K, D)),
    }
    settings: dict[str, Any] = {"n_init": 1, "tol": 0, "max_iter": iterations, "algorithm": "em", "n_jobs": threads}
    return emkit.HMM(K, sequence="who", init=init, **settings)


def one(what: str, how: str, folder: str, iterations: int, threads: int) -> dict[str, Any]:
    """A fit, or a prediction that is written to files, in this process: CPU and wall seconds, and peak memory, MB."""
    begin, out = measure.peak_mb(), Path(folder).with_name("decoded")
    hmm = model(iterations, threads)
    if what == "predict":  # by a model of the first few rows
        hmm.set_params(max_iter=1).fit(parquet.ParquetFile(Path(folder) / "000.parquet").read_row_group(0).slice(0, 10_000))

    def act(rows: Any) -> None:
        if what == "fit":
            hmm.fit(rows)
        elif how == "stream":
            hmm.predict_to(rows, out)
        else:
            out.mkdir()
            for name, values in hmm.table(rows).items():
                rows = rows.append_column(name, pa.array(np.ascontiguousarray(values)))
            parquet.write_table(rows, out / "all.parquet")

    streamed = how == "stream"
    reading = measure.Took(0.0, 0.0, folder) if streamed else measure.took(lambda: parquet.read_table(folder, use_threads=False))
    took = measure.took(lambda: act(reading.value))
    peak = measure.peak_mb()
    value = hmm.result_.log_likelihood if what == "fit" else _total(out)
    return {
        "begin_mb": begin,
        "peak_mb": peak,
        "read_cpu": reading.cpu,
        "cpu": reading.cpu + took.cpu,
        "wall": reading.wall + took.wall,
        "value": value,
    }


def _total(out: Path) -> float:
    """Of all probabilities of the first state."""
    return float(sum(pc.sum(parquet.read_table(path, columns=["p0"])["p0"]).as_py() for path in out.iterdir()))


def run(home: Path, sizes: list[int], iterations: int, threads: int, repeats: int) -> list[dict[str, Any]]:
    """Fits and predictions of several sizes, from files and in memory; medians over turns, turn and turn about."""
    print(f"\nHMM, d={D} K={K}, sequences of some {MEAN_LENGTH} steps; {iterations} iterations; {threads} thread(s)")
    print(f"{'rows':>12}  {'':8}{'':8}{'CPU s':>8}{'of it reading':>15}{'wall s':>8}{'peak MB':>9}")
    rows = []
    for n in sizes:
        folder = write(home / "walks", n)
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        for what in ("fit", "predict"):
            found: dict[str, list[dict[str, Any]]] = {"stream": [], "memory": []}
            for _ in range(repeats):
                for how, several in found.items():
                    shutil.rmtree(home / "decoded", ignore_errors=True)
                    asked = json.dumps([what, how, str(folder), iterations, threads])
                    several.append(measure.in_fresh_process(["out_of_core", "--hmm", asked]))
            row: dict[str, Any] = {"rows": n, "parquet_mb": size, "what": what, "iterations": iterations, "threads": threads}
            for how, several in found.items():
                row[how] = {name: statistics.median(one[name] for one in several) for name in several[0]}
                r = row[how]
                print(
                    f"{n:12,}  {what:8}{how:8}{r['cpu']:8.1f}{r['read_cpu']:15.1f}{r['wall']:8.1f}{r['peak_mb']:9.0f}",
                    flush=True,
                )
            row["off"] = abs(row["stream"]["value"] / row["memory"]["value"] - 1)
            print(f"{'':14}{what:8}values differ by {row['off']:.0e}, relatively")
            rows.append(row)
        shutil.rmtree(folder)
    return rows
