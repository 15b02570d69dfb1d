"""Data beyond memory: a folder of Parquet beside the same rows in memory. CPU and wall seconds of a pass; memory of a whole fit."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import emkit
from benchmarks import measure
from emkit.core.model import EStep

ROW_GROUP = 131_072


def write(folder: Path, rows: int, d: int, k: int, width: str = "float64", each: int = 1_048_576) -> Path:
    """Files of about a million rows of k Gaussian clusters, snappy, no dictionaries; a file at a time in memory."""
    folder.mkdir(parents=True)
    centres = 3.0 * np.random.default_rng(0).normal(size=(k, d))
    for i, begin in enumerate(range(0, rows, each)):
        rng = np.random.default_rng([1, i])
        n = min(each, rows - begin)
        x = (rng.normal(size=(n, d)) + centres[rng.integers(k, size=n)]).astype(width)
        table = pa.table({f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(d)})
        parquet.write_table(table, folder / f"{i:03d}.parquet", row_group_size=ROW_GROUP, use_dictionary=False)
    return folder


def rates(folder: Path, cache: Path, k: int, threads: int, repeats: int) -> dict[str, Any]:
    """Million rows a second of a pass, in memory, from the cache and from Parquet, turn and turn about."""
    streamed, cached = emkit.stream(folder).scan(), emkit.stream(folder, cache=cache).scan()
    memory = emkit.ArraySource(np.concatenate([block.x for block in streamed]))
    model = emkit.FiniteMixture(emkit.Gaussian("full"), k).resolve(streamed)
    rng = np.random.default_rng(0)
    step = EStep(model, model.init(streamed.sample(20_000, rng), rng))
    executor = emkit.Threads(threads)
    sources = {"parquet": streamed, "cache": cached, "memory": memory}
    with executor.session():
        calls = {name: lambda source=source: executor.map_reduce(step, source) for name, source in sources.items()}
        values = {name: call()[1] for name, call in calls.items()}
        took = measure.side_by_side(calls, repeats)
    n = streamed.n_rows / 1e6
    off = max(abs(values[name] / values["memory"] - 1) for name in ("parquet", "cache"))
    return {
        "threads": threads,
        "off": off,
        **{
            name: {
                "per_cpu_second": n / one["cpu"],
                "per_second": n / one["wall"],
                "of_memory_cpu": took["memory"]["cpu"] / one["cpu"],
                "of_memory_wall": took["memory"]["wall"] / one["wall"],
            }
            for name, one in took.items()
        },
    }


def reading(folder: Path, cache: Path) -> dict[str, float]:
    """Million rows a CPU second of reading alone, blocks ready for an E-step."""
    found = {}
    for name, source in {"parquet": emkit.stream(folder), "cache": emkit.stream(folder, cache=cache)}.items():
        source.scan()
        took = min(measure.took(lambda source=source: sum(block.n for block in source)).cpu for _ in range(3))
        found[name] = source.n_rows / 1e6 / took
    return found


def fit(folder: str, cache: str | None, k: int, threads: int) -> dict[str, float]:
    """A whole fit in this process, with the default starts: peak memory, MB, and seconds."""
    begin = measure.peak_mb()
    data: Any = folder if cache is None else emkit.stream(folder, cache=cache)
    took = measure.took(
        lambda: emkit.GaussianMixture(k, tol=0, max_iter=3, random_state=0, n_jobs=threads, algorithm="em").fit(data)
    )
    return {"begin_mb": begin, "peak_mb": measure.peak_mb(), "cpu": took.cpu, "wall": took.wall}


def one_size(home: Path, d: int, k: int, rows: int, repeats: int) -> dict[str, Any]:
    """Rates of one problem."""
    folder, cache = write(home / f"d{d}", rows, d, k), home / f"cache{d}"
    read, found = reading(folder, cache), []
    print(
        f"\nd={d} k={k}, {rows:,} rows; reading alone: Parquet {read['parquet']:.1f}, cache {read['cache']:.1f} million rows "
        "a CPU s"
    )
    print(f"{'threads':8}{'':10}{'Mrows/CPU s':>13}{'of memory':>11}{'Mrows/s':>10}{'of memory':>11}")
    for threads in (1, 2):
        one = rates(folder, cache, k, threads, repeats)
        for name in ("memory", "parquet", "cache"):
            r = one[name]
            print(
                f"{threads:<8}{name:10}{r['per_cpu_second']:13.2f}{r['of_memory_cpu']:11.0%}{r['per_second']:10.2f}"
                f"{r['of_memory_wall']:11.0%}",
                flush=True,
            )
        print(f"        log-likelihoods differ by {one['off']:.0e}, relatively")
        found.append(one)
    shutil.rmtree(folder)
    shutil.rmtree(cache)
    return {"d": d, "k": k, "rows": rows, "reading": read, "rates": found}


def memory(home: Path, sizes: list[int]) -> list[dict[str, Any]]:
    """Peak memory of whole fits of several sizes, d=16 k=16, each in a process of its own."""
    found = []
    print(f"\n{'rows':>12}{'Parquet MB':>12}{'':10}{'peak MB':>9}{'CPU s':>8}{'wall s':>8}")
    for rows in sizes:
        folder, cache = write(home / "m", rows, 16, 16), home / "mc"
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        for where in (None, str(cache)):
            arguments = json.dumps([str(folder), where, 16, 2])
            command = [sys.executable, "-m", "benchmarks", "out_of_core", "--fit", arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            one = {"rows": rows, "parquet_mb": size, "cache": where is not None, **json.loads(done.stdout.splitlines()[-1])}
            kind = "cache" if where else "parquet"
            print(f"{rows:12,}{size:12.0f}  {kind:8}{one['peak_mb']:9.0f}{one['cpu']:8.1f}{one['wall']:8.1f}", flush=True)
            found.append(one)
        shutil.rmtree(folder)
        shutil.rmtree(cache)
    return found


def main(arguments: Any) -> None:
    from benchmarks import out_of_core_hmm

    if arguments.fit:
        print(json.dumps(fit(*json.loads(arguments.fit))))
        return
    if arguments.hmm:
        print(json.dumps(out_of_core_hmm.one(*json.loads(arguments.hmm))))
        return
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="emkit-out-of-core-", dir=arguments.folder) as name:
        home = Path(name)
        if arguments.only in (None, "mixture"):
            problems = [one_size(home, d, k, arguments.rows, arguments.repeats) for d, k in ((16, 16), (4, 4))]
            found["out_of_core"] = {"problems": problems, "memory": memory(home, arguments.sizes)}
        if arguments.only in (None, "hmm"):
            how = (arguments.hmm_rows, arguments.hmm_iterations, arguments.hmm_threads, arguments.repeats)
            found["out_of_core_hmm"] = {"rows": out_of_core_hmm.run(home, *how)}
    about = {**measure.machine(), "pyarrow": pa.__version__}
    for name, results in found.items():
        path = measure.save(name, {"machine": about, **results}, arguments.save if arguments.only else None)
        print(f"\nsaved {path}")
