"""E-steps on a Spark cluster: the Python workers keep the blocks; parameters are broadcast, sums of statistics come back."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

from emkit.core.block import Source
from emkit.core.errors import ClusterError, EmkitError, ParameterError
from emkit.execute import futures
from emkit.execute.futures import FAN_IN, SMALL, Blocks, OnCluster
from emkit.execute.spark_source import SparkSource, checked, run

_KEPT: dict[tuple[str, int], Blocks] = {}
"""In a Python worker: the blocks of the shares that it has worked on, by fit and number."""


class SparkExecutor(OnCluster):
    """Executor on the Python workers of a Spark session.

    The parts of a source become an RDD with one share for each core. A Python worker reads a share when it first works on it and
    keeps the blocks; a share that comes to another worker, as when one has died, is read again there, and the sums have the same
    bits. Of a Spark data frame each iteration sends the rows through ``mapInArrow``. Samples are worked on in this process.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        With ``spark.python.worker.reuse``, which is the default; ``spark.task.maxFailures`` says how many deaths of workers a pass
        survives, and is 1 in a local session unless its master is ``local[cores,failures]``.
    shares : int, optional
        How many; by default as many as there are cores.
    local_rows : int
        Sources of so few rows are worked on in this process.

    Raises
    ------
    ClusterError
        If a worker has another version of emkit or numba than this process; from a fit, if the cluster goes away.
    """

    own_source = SparkSource

    def __init__(self, spark: Any, *, shares: int | None = None, local_rows: int = SMALL):
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            raise futures.not_installed("pyspark", "spark") from None
        if not isinstance(spark, SparkSession):
            raise ParameterError(f"spark={spark!r}: give a pyspark.sql.SparkSession", parameter="executor")
        super().__init__(local_rows)
        self.spark = spark
        self.shares = spark.sparkContext.defaultParallelism if shares is None else shares

    def check_workers(self) -> None:
        """By a task on each core."""
        context, n = self.spark.sparkContext, self.shares
        found = run(context.parallelize(range(n), n).mapPartitionsWithIndex(_versions).collect)
        futures.refuse_other_versions(dict(found))

    def on_each_share(self, how: Callable[..., Any], fn: Any, source: Source, sums: bool) -> list[Any]:
        """With sums, those of as many shares as the tree adds at a time, where these are many."""
        if isinstance(source, SparkSource):
            return source.each_partition(lambda blocks: how(fn, blocks))
        from pyspark import cloudpickle

        packed = cloudpickle.dumps(fn)  # Spark's own broadcast refuses functions without a name, such as of a Custom family
        sent = run(lambda: self.spark.sparkContext.broadcast(packed))
        try:
            name, rdd = self._rdd(source)
            alive = [name for _, name, _ in self._dealt.values()]
            found = rdd.map(lambda numbered: (numbered[0], _tried(how, sent, name, alive, *numbered)))
            many = rdd.getNumPartitions()
            while sums and many > FAN_IN:
                many = -(-many // FAN_IN)
                found = found.map(lambda item: (item[0] // FAN_IN, item)).groupByKey(many).mapValues(_in_order)
            return checked([item for _, item in sorted(run(found.collect), key=lambda pair: pair[0])])
        finally:
            with suppress(ClusterError):
                run(sent.destroy)
            if not self._depth:
                self._dealt.pop(id(source), None)

    def _rdd(self, source: Source) -> tuple[str, Any]:
        """The source's shares with their numbers, one to a partition, and the name under which workers keep their blocks."""
        if id(source) not in self._dealt:
            dealt = list(enumerate(futures.shares(source.parts(), self.shares)))
            self._dealt[id(source)] = source, uuid4().hex, self.spark.sparkContext.parallelize(dealt, len(dealt))
        _, name, rdd = self._dealt[id(source)]
        return name, rdd


def _versions(i: int, rows: Any) -> Iterator[tuple[str, dict[str, str]]]:
    import socket

    yield f"{i} on {socket.gethostname()}", futures.versions()


def _blocks(name: str, alive: list[str], number: int, parts: Any) -> Blocks:
    """In a worker: what it keeps of a share, read now if it has none. What belongs to fits that are over is forgotten."""
    for key in [key for key in _KEPT if key[0] not in alive]:
        del _KEPT[key]
    if (name, number) not in _KEPT:
        _KEPT[name, number] = futures.load(parts)
    return _KEPT[name, number]


def _tried(how: Callable[..., Any], sent: Any, name: str, alive: list[str], number: int, parts: Any) -> Any:
    """In a worker. Errors of ours are handed back: Spark would raise what it makes of their text."""
    from pickle import loads

    try:
        return how(loads(sent.value), _blocks(name, alive, number, parts))
    except EmkitError as error:
        return error


def _in_order(items: Any) -> Any:
    found = [item for _, item in sorted(items, key=lambda pair: pair[0])]
    return next((item for item in found if isinstance(item, EmkitError)), None) or futures.add(found)
