"""E-steps on local clusters beside one process: time, CPU, bytes on the wire; a model of the cost at 1,000 workers; Spark's MLlib.

d=16, k=16, full covariances, float64. Rows lie in files, so that what travels to a worker are paths. All processes run on this
machine: with W workers on fewer than W cores wall time says nothing, and CPU time stands beside it.
"""

import logging
import os
import pickle
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import measure
from emkit import Block, ClusterError, FiniteMixture, Gaussian, Threads
from emkit.core.block import Source
from emkit.core.block_source import BlockSource
from emkit.core.columns import Columns
from emkit.core.model import EStep

D, K = 16, 16
PART = 16_384  # rows of a part
NETWORK = {"bytes/s": 1.25e9, "latency": 5e-4}
"""Assumed of a cluster's network: 10 Gbit/s to each machine, half a millisecond for a message."""


class FilePart:
    """Some rows in a file of their own."""

    def __init__(self, path: Path, start: int, n_rows: int):
        self.path, self.start, self.n_rows = path, start, n_rows

    def read(self) -> Block:
        return Block(np.load(self.path), start=self.start, source_rows=self.n_rows)


class Files(Source):
    """Rows drawn from sixteen overlapping Gaussians, written to a folder."""

    def __init__(self, folder: Path, n: int):
        rng = np.random.default_rng(0)
        self.columns, self.n_rows, self.total_weight = Columns.numbered(D), n, float(n)
        centres = 2.0 * rng.standard_normal((K, D))
        self._parts = []
        for i, start in enumerate(range(0, n, PART)):
            rows = min(PART, n - start)
            np.save(folder / f"{i}.npy", centres[rng.integers(K, size=rows)] + rng.standard_normal((rows, D)))
            self._parts.append(FilePart(folder / f"{i}.npy", start, n))

    def parts(self) -> list[FilePart]:
        return self._parts

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        return BlockSource([self._parts[0].read()]).sample(n, rng)


def on_the_wire() -> tuple[int, int]:
    """Bytes that this process has received and sent so far over the TCP connections that it holds: what the kernel counts."""
    import socket

    received, sent = 0, 0
    for entry in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{entry}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry))) as one:
                info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:  # no longer there, or not TCP
            continue
        if len(info) >= 136:  # tcpi_bytes_acked and tcpi_bytes_received of struct tcp_info
            sent += int.from_bytes(info[120:128], sys.byteorder)
            received += int.from_bytes(info[128:136], sys.byteorder)
    return received, sent


def local(step: EStep, source: Source, passes: int) -> measure.Took:
    """Passes in this process on one thread, over blocks that are read already."""
    blocks = BlockSource(list(source))
    here = Threads(1)
    with here.session():
        here.map_reduce(step, blocks)
        return measure.took(lambda: [here.map_reduce(step, blocks) for _ in range(passes)])


class Dask:
    """Clusters of one thread a worker, which stay while they are measured turn and turn about."""

    def __init__(self, workers: int, step: EStep, source: Source):
        from distributed import Client, LocalCluster

        from emkit import DaskExecutor

        self.cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL, memory_limit=0
        )
        self.client = Client(self.cluster, set_as_default=False)
        self.executor, self.step, self.source = DaskExecutor(self.client), step, source
        self._session = self.executor.session()
        self._session.__enter__()
        for _ in range(2):
            self.found = self.executor.map_reduce(step, source)

    def passes(self, many: int) -> dict[str, float]:
        """Seconds a pass, CPU seconds of all workers, and bytes down to and up from each, the largest."""
        before = self.client.run(time.process_time), self.client.run(on_the_wire)
        took = measure.took(lambda: [self.executor.map_reduce(self.step, self.source) for _ in range(many)])
        after = self.client.run(time.process_time), self.client.run(on_the_wire)
        return {
            "wall": took.wall / many,
            "cpu": sum(after[0][w] - before[0][w] for w in after[0]) / many,
            "client cpu": took.cpu / many,
            "down": max(after[1][w][0] - before[1][w][0] for w in after[1]) / many,
            "up": max(after[1][w][1] - before[1][w][1] for w in after[1]) / many,
        }

    def close(self) -> None:
        self._session.__exit__(None, None, None)
        self.client.close()
        self.cluster.close()


def scaling(step: EStep, source: Source, counts: list[int], repeats: int, passes: int) -> dict[str, Any]:
    """One process and clusters of so many workers, turn and turn about."""
    clusters = {count: Dask(count, step, source) for count in counts}
    expected = Threads(1).map_reduce(step, source)
    scale = np.abs(expected[0].pack()).max()
    differ = {c: float(np.abs(d.found[0].pack() - expected[0].pack()).max() / scale) for c, d in clusters.items()}
    alone, there = [], {count: [] for count in counts}  # type: ignore[var-annotated]
    for _ in range(repeats):
        one = local(step, source, passes)
        alone.append({"wall": one.wall / passes, "cpu": one.cpu / passes})
        for count, cluster in clusters.items():
            there[count].append(cluster.passes(passes))
    overhead = _per_task(clusters[counts[-1]].client)
    for cluster in clusters.values():
        cluster.close()
    rows = {count: {name: statistics.median(turn[name] for turn in turns) for name in turns[0]} for count, turns in there.items()}
    one_process = {name: statistics.median(turn[name] for turn in alone) for name in ("wall", "cpu")}
    first = counts[0]
    for count in counts:
        pairs = zip(there[count], alone, there[first], strict=True)
        ratios = [(a["cpu"] / b["cpu"], c["wall"] / a["wall"]) for a, b, c in pairs]
        rows[count]["cpu to one process"] = statistics.median(cpu for cpu, _ in ratios)
        rows[count]["speed-up"] = statistics.median(wall for _, wall in ratios)
        rows[count]["speed-up, best"] = max(wall for _, wall in ratios)
        rows[count]["difference"] = differ[count]
    return {"one process": one_process, "workers": rows, "seconds a task": overhead}


def _per_task(client: Any, many: int = 500) -> float:
    """CPU seconds that scheduler and client, which share a process here, need for a task that does nothing."""
    return min(measure.took(lambda: client.gather(client.map(int, range(many), pure=False))).cpu / many for _ in range(3))


def at_scale(step: EStep, stats: Any, cpu_per_row: float, task: float, rows: float, workers: int) -> dict[str, float]:
    """Seconds of one pass on many workers: a sum of measured parts, one after the other, and of what is assumed of the network."""
    from emkit.execute import futures

    down, up = len(pickle.dumps(step)), len(pickle.dumps((stats, 0.0)))
    levels, left = 0, workers
    sums = 0
    while left > 1:
        left = -(-left // futures.FAN_IN)
        levels, sums = levels + 1, sums + left
    add = measure.took(lambda: [futures.add([(stats, 0.0)] * futures.FAN_IN) for _ in range(20)]).wall / 20
    one_way = NETWORK["latency"] + down / NETWORK["bytes/s"]
    parts = {
        "work": cpu_per_row * rows / workers,
        "parameters out": np.log2(workers) * one_way,  # each worker that has them passes them on to another one
        "tasks": task * (workers + sums),  # by one scheduler, one after the other
        "sums back": levels * (NETWORK["latency"] + futures.FAN_IN * up / NETWORK["bytes/s"] + add),
    }
    return {**parts, "pass": float(sum(parts.values())), "efficiency": parts["work"] / float(sum(parts.values()))}


def mllib(folder: Path, n: int, repeats: int, iterations: int) -> dict[str, Any]:
    """An iteration of Spark's own GaussianMixture beside one of ours on the same session, turn and turn about."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyspark.ml.clustering import GaussianMixture as Theirs
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import SparkSession

    from emkit import SparkExecutor, fit

    os.environ["PYSPARK_PYTHON"] = sys.executable
    (folder / "spark").mkdir()
    source = Files(folder / "spark", n)
    x = source.joined().x
    names = [f"x{j}" for j in range(D)]
    pq.write_table(pa.table(dict(zip(names, x.T, strict=True))), folder / "rows.parquet")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
    spark = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    frame = VectorAssembler(inputCols=names, outputCol="features").transform(spark.read.parquet(str(folder / "rows.parquet")))
    frame = frame.select("features").repartition(2).cache()
    frame.count()
    executor, model = SparkExecutor(spark, shares=2, local_rows=0), FiniteMixture(Gaussian(), K)
    start = model.resolve(source).init(source.sample(4000, np.random.default_rng(0)), np.random.default_rng(0))

    def theirs(many: int) -> Any:
        return Theirs(k=K, maxIter=many, tol=0.0, seed=0).fit(frame)

    def ours(many: int) -> Any:
        return fit(model, source, executor=executor, starts=[start], tol=0, max_iter=many, algorithm="em")

    with executor.session():
        theirs(1), ours(1)
        found = measure.paired(
            lambda: measure.per_iteration(ours, 4 * iterations), lambda: measure.per_iteration(theirs, iterations), repeats
        )
    spark.stop()
    return {"n": n, **found}


def main(arguments: Any) -> None:
    result: dict[str, Any] = {"machine": measure.machine()}
    print(result["machine"], "load", os.getloadavg())
    counts = [count for count in (1, 2, 4) if count <= result["machine"]["cores"]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.only in (None, "dask"):
            result["dask"] = _dask_part(folder, counts, arguments)
        if arguments.only in (None, "spark"):
            result["mllib"] = _or_why(lambda: mllib(folder, arguments.spark_rows, arguments.repeats, 3))
            print("Spark MLlib", result["mllib"])
    print(measure.save("cluster", result))


def _dask_part(folder: Path, counts: list[int], arguments: Any) -> dict[str, Any]:
    source = Files(folder, arguments.rows)
    model = FiniteMixture(Gaussian(), K).resolve(BlockSource([source.parts()[0].read()]))
    step = EStep(model, model.init(source.sample(4000, np.random.default_rng(0)), np.random.default_rng(0)))
    stats, _ = step(source.parts()[0].read())
    found: dict[str, Any] = {"rows": arguments.rows, "bytes of the E-step": len(pickle.dumps(step))}
    found["bytes of the statistics"] = len(pickle.dumps((stats, 0.0)))
    found |= scaling(step, source, counts, arguments.repeats, arguments.passes)
    per_row = found["one process"]["cpu"] / arguments.rows
    for rows in (1e9, 1e10):
        found[f"1,000 workers, {rows:g} rows"] = at_scale(step, stats, per_row, found["seconds a task"], rows, 1000)
    for key, value in found.items():
        print(key, value)
    return found


def _or_why(part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return part()
    except (ImportError, ClusterError) as error:
        return {"skipped": str(error)}
