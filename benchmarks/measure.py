"""Paired timing, peak memory, machine description, JSON."""

import contextlib
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np


def seconds(fn: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    begin = time.perf_counter()
    fn()
    return time.perf_counter() - begin


@dataclass
class Took:
    """What a call took, and what it returned."""

    cpu: float
    """Seconds of all threads of this process."""
    wall: float
    value: Any = None


def took(fn: Callable[[], Any]) -> Took:
    """CPU and wall-clock time of one call, its warnings not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cpu, wall = time.process_time(), time.perf_counter()
        value = fn()
        return Took(time.process_time() - cpu, time.perf_counter() - wall, value)


def side_by_side(calls: Mapping[str, Callable[[], Any]], repeats: int, least: float = 0.0) -> dict[str, Any]:
    """Median CPU and wall seconds of each, turn and turn about, and the median of the ratios of CPU time to the last one's.

    ``least``: seconds that a turn lasts at least: calls that are shorter are repeated in it, and their mean is taken.
    """
    counts = {name: max(1, round(least / max(took(call).cpu, 1e-4))) if least else 1 for name, call in calls.items()}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    wall: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            one = took(lambda call=call, n=counts[name]: [call() for _ in range(n)] and None)
            cpu[name].append(one.cpu / counts[name])
            wall[name].append(one.wall / counts[name])
    last = list(calls)[-1]
    ratios = {name: statistics.median(a / b for a, b in zip(cpu[name], cpu[last], strict=True)) for name in calls}
    return {
        name: {"cpu": statistics.median(cpu[name]), "wall": statistics.median(wall[name]), "ratio": ratios[name]} for name in calls
    }


def per_iteration(fit: Callable[[int], Any], iterations: int) -> float:
    """Seconds of one iteration: a fit of 1 + ``iterations`` less a fit of 1, so that reading data and starting do not count."""
    few = seconds(lambda: fit(1))
    many = seconds(lambda: fit(1 + iterations))
    return (many - few) / iterations


def paired(ours: Callable[[], float], theirs: Callable[[], float], repeats: int) -> dict[str, Any]:
    """Turn and turn about, so that a drifting machine hits both; medians, and the median of the ratios pair by pair."""
    a, b = [], []
    for _ in range(repeats):
        b.append(theirs())
        a.append(ours())
    ratios = [t / o for o, t in zip(a, b, strict=True)]
    return {
        "ours": statistics.median(a),
        "theirs": statistics.median(b),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "repeats": repeats,
    }


def peak_mb() -> float:
    """Peak resident memory of this program so far, or since ``reset_peak``, MB.

    What ``getrusage`` says begins with the memory of the program that started this one.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def reset_peak() -> float:
    """Forget the peak so far (Linux), and return the memory in use now, MB."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024.0
    return 0.0


def in_fresh_process(arguments: list[str]) -> dict[str, Any]:
    """Run ``python -m benchmarks ...`` in a process of its own and read the JSON on its last line."""
    done = subprocess.run([sys.executable, "-m", "benchmarks", *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    packages = {}
    for name in ("emkit", "numpy", "numba", "scikit-learn", "hmmlearn"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"date": date.today().isoformat(), "cpu": model, "cores": cores, "python": platform.python_version(), **packages}


def save(name: str, result: dict[str, Any], path: Path | None = None) -> Path:
    """Write JSON to ``path``, by default in benchmarks/results/."""
    if path is None:
        path = Path(__file__).parent / "results" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1, default=lambda v: v.tolist() if isinstance(v, np.ndarray) else float(v)))
    return path
