"""Spark data frames as data: rows go from Spark to its Python workers in Arrow batches, in every pass anew."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import ClusterError, DataError, EmkitError
from emkit.data.chunks import Chunk, ChunkSource, blocks_of, codes, read_chunk, recoded
from emkit.data.scanning import MOST_LEVELS, category_of
from emkit.execute.futures import Blocks

_TEXTS = ("string", "varchar", "char")
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "boolean", "decimal")


class SparkSource(ChunkSource):
    """The partitions of a Spark data frame; null is a missing cell.

    Cache the frame (``frame.cache()``), or Spark works it out anew in each iteration.

    Parameters
    ----------
    frame : pyspark.sql.DataFrame
    sample_weight : str, optional
        The column with the weights.
    executor : SparkExecutor
    texts : bool
        Whether columns may be strings, whose levels a pass over each finds.

    Raises
    ------
    DataError
        Naming a column of another kind, or column and row of a cell that cannot be used; if a later pass over the frame
        sees other rows than the first.
    """

    def __init__(self, frame: Any, sample_weight: str | None, executor: Any, texts: bool = False):
        if sample_weight is not None and (not isinstance(sample_weight, str) or sample_weight not in frame.columns):
            raise DataError(f"sample_weight={sample_weight!r}: give the name of a column of the Spark data frame")
        names = [name for name in frame.columns if name != sample_weight]
        self._executor, self.frame, self.names, self.weight = executor, frame, names, sample_weight
        self._levels: dict[int, np.ndarray] = {}
        self.lengths = np.zeros(0, np.int64)  # until they are counted
        kinds = dict(frame.dtypes)
        for name, kind in kinds.items():
            if not kind.startswith(_NUMBERS) and not (texts and kind.startswith(_TEXTS) and name != sample_weight):
                what = "neither number nor string" if texts else "not a number"
                raise DataError(f"column {name!r} holds {kind}, which is {what}; encode or drop it", column=name)
        super().__init__(Columns(tuple(self._column(name, kinds[name]) for name in names), True))

    def _column(self, name: str, kind: str) -> Column:
        if not kind.startswith(_TEXTS):
            return Column(name, "binary" if kind == "boolean" else "count" if kind.endswith("int") else "real")
        frame = self.frame.select(self.frame[f"`{name}`"]).na.drop().groupBy(f"`{name}`").count()
        found = run(lambda: frame.limit(MOST_LEVELS + 1).collect())
        return category_of(Column(name), {value for value, _ in found}, sum(count for _, count in found))

    def recode(self, levels: dict[int, np.ndarray]) -> None:
        """In every pass, as the rows are read."""
        self._levels = self._levels | levels

    @property
    def usual_executor(self) -> Any:
        """Where the rows are."""
        return self._executor

    def ask(self, fn: Callable[..., Any], *each: Sequence[Any]) -> list[Any]:
        """One pass over the frame."""
        return self._run(fn, list(zip(*each, strict=True)) if each else None)

    def ask_one(self, fn: Callable[..., Any], chunk: int, *more: Any) -> Any:
        """One pass, in which all other partitions are read in vain."""
        return self._run(lambda rows, mine: fn(rows, *more) if mine else None, [(i == chunk,) for i in range(len(self.lengths))])[
            chunk
        ]

    def each_partition(self, fn: Callable[[Blocks], Any]) -> list[Any]:
        """``fn`` of the blocks of every partition."""
        n_rows, columns = self.n_rows, self.columns
        return self.ask(lambda rows, start: fn(Blocks(blocks_of(rows, start, n_rows, columns))), self.starts.tolist())

    def _run(self, fn: Callable[..., Any], more: Any) -> list[Any]:
        columns, weight, known, levels = self.columns, self.weight, self.lengths.tolist(), self._levels

        def of_partition(batches: Any) -> Any:
            import pyarrow as pa
            from pyspark import TaskContext
            from pyspark.cloudpickle import dumps

            number = TaskContext.get().partitionId()
            try:
                rows = recoded(_chunk(list(batches), columns, weight, number), levels)
                if known and len(rows[0]) != known[number]:
                    raise DataError(
                        f"partition {number} had {known[number]} row(s), and now {len(rows[0])}: the frame is not the same "
                        "in every pass; cache it, or write it to files"
                    )
                found = fn(rows, *(more[number] if more else ()))
            except EmkitError as error:
                found = error
            yield pa.RecordBatch.from_pydict({"partition": pa.array([number], pa.int32()), "found": [dumps(found)]})

        from pickle import loads

        rows = sorted(run(lambda: self.frame.mapInArrow(of_partition, "partition int, found binary").collect()))
        return checked([loads(found) for _, found in rows])


def _chunk(batches: Sequence[Any], columns: Columns, weight: str | None, number: int) -> Chunk:
    batches = [batch for batch in batches if batch.num_rows]
    if not batches:
        return np.empty((0, len(columns))), None if weight is None else np.empty(0)
    matrices = [np.column_stack([_cells(batch.column(c.name), c) for c in columns.items]) for batch in batches]
    weights = None if weight is None else np.concatenate([_cells(batch.column(weight), Column(weight)) for batch in batches])
    return read_chunk(np.concatenate(matrices), weights, columns.names, number)


def _cells(cells: Any, column: Column) -> np.ndarray:
    """Numbers, or the places of texts among the column's levels."""
    import pyarrow as pa
    from pyarrow import compute as pc

    if cells.type in (pa.string(), pa.large_string()):
        found = pc.index_in(cells, value_set=pa.array(column.levels, type=cells.type)).fill_null(-1)
        return codes(found.to_numpy(zero_copy_only=False), cells.is_valid().to_numpy(zero_copy_only=False), column.name)
    return np.asarray(cells.to_numpy(zero_copy_only=False))


_LOST = (
    "SparkContext was shut down",
    "stopped SparkContext",
    "Python worker exited",
    "Python worker crashed",
    "ExecutorLost",
    "crashed",
)


def run(job: Callable[[], Any]) -> Any:
    """The job's results. What says that workers died too often, or that Spark is gone, becomes a ClusterError."""
    from py4j.protocol import Py4JError, Py4JNetworkError
    from pyspark import SparkContext
    from pyspark.errors import PySparkException

    try:
        return job()
    except (Py4JNetworkError, ConnectionError) as error:
        raise ClusterError(f"the Spark session is gone ({type(error).__name__}: {error})") from error
    except (Py4JError, PySparkException, AttributeError) as error:
        if SparkContext._active_spark_context is None:
            raise ClusterError("the Spark session was stopped") from error
        why = next((sign for sign in _LOST if sign in str(error)), None)
        if why is None:
            raise
        raise ClusterError(f"Spark gave up ({why}); spark.task.maxFailures says how often a task may be lost") from error


def checked(found: list[Any]) -> list[Any]:
    """What was found in partitions; raises the first error of ours that is among it, as it was raised there."""
    for item in found:
        if isinstance(item, EmkitError):
            raise item
    return found
