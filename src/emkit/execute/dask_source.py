"""Dask arrays and data frames as data: their partitions stay with the workers."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.data.chunks import Chunk, ChunkSource, blocks_of, read_chunk
from emkit.execute.futures import Blocks, shares


def is_dask(X: Any) -> bool:
    """Whether it is a Dask array or data frame; does not import Dask."""
    return type(X).__module__.split(".")[0] in ("dask", "dask_expr") and hasattr(X, "to_delayed")


class DaskSource(ChunkSource):
    """The partitions of a Dask collection, computed once and kept by the workers for as long as the source is.

    Parameters
    ----------
    X : dask array (n, d), or dask data frame of numbers
        Chunks of whole rows.
    sample_weight : dask array or series (n,), optional
        Cut as ``X`` is.
    executor : DaskExecutor

    Raises
    ------
    DataError
        Naming a column that is not one of numbers; naming column and row of a cell that cannot be used.
    """

    def __init__(self, X: Any, sample_weight: Any, executor: Any):
        from dask import delayed

        self._executor, self.client = executor, executor.client
        columns, pieces = _pieces(X)
        weights = _weights(sample_weight, len(pieces))
        names = [column.name for column in columns.items]
        reading = delayed(read_chunk, pure=False)
        self.chunks = self.client.compute([reading(x, w, names, i) for i, (x, w) in enumerate(zip(pieces, weights, strict=True))])
        super().__init__(columns)

    @property
    def usual_executor(self) -> Any:
        """Where the chunks are."""
        return self._executor

    def ask(self, fn: Callable[..., Any], *each: Sequence[Any]) -> list[Any]:
        """One task a chunk."""
        found = self.client.map(fn, self.chunks, *each, pure=False)
        return list(self.client.gather(found))

    def ask_one(self, fn: Callable[..., Any], chunk: int, *more: Any) -> Any:
        """One task."""
        return self.client.submit(fn, self.chunks[chunk], *more, pure=False).result()

    def shares(self, workers: int, key: str) -> list[Any]:
        """The blocks of consecutive chunks for each worker, as futures; views of what it has already."""
        dealt: Any = shares(list(zip(self.chunks, self.starts.tolist(), strict=True)), workers)  # type: ignore[arg-type]
        return [
            self.client.submit(
                _blocks, [c for c, _ in some], [s for _, s in some], self.n_rows, self.columns, key=f"{key}-{i}", retries=2
            )
            for i, some in enumerate(dealt)
        ]


def _blocks(chunks: Sequence[Chunk], starts: Sequence[int], n_rows: int, columns: Columns) -> Blocks:
    found = chain.from_iterable(blocks_of(c, s, n_rows, columns) for c, s in zip(chunks, starts, strict=True))
    return Blocks(list(found))


def _pieces(X: Any) -> tuple[Columns, list[Any]]:
    """The schema, and a delayed array for each partition."""
    if hasattr(X, "columns"):
        names = [str(name) for name in X.columns]
        for name, kind in zip(names, X.dtypes, strict=True):
            if not getattr(kind, "_is_numeric", getattr(kind, "kind", "O") in "biuf"):
                raise DataError(f"column {name!r} holds {kind}, and partitions must be numbers; encode or drop it", column=name)
        return Columns.of_names(names), X.map_partitions(_matrix, meta=np.empty((0, len(names)))).to_delayed().ravel().tolist()
    if X.ndim != 2:
        raise DataError(f"expected a 2-D array of rows and columns, got {X.ndim} dimension(s)")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return Columns.numbered(X.shape[1], "real"), X.to_delayed().ravel().tolist()


def _matrix(frame: Any) -> np.ndarray:
    width = np.float32 if all(kind == np.float32 for kind in frame.dtypes) else np.float64
    return np.asarray(frame.to_numpy(dtype=width, na_value=np.nan))


def _weights(sample_weight: Any, many: int) -> list[Any]:
    """A delayed vector for each partition, or None for each."""
    if sample_weight is None:
        return [None] * many
    if not is_dask(sample_weight):
        raise DataError("sample_weight must be a Dask array or series with the partitions of X: dask.array.from_array(...)")
    found = sample_weight.to_delayed()
    pieces = np.asarray(found, dtype=object).ravel().tolist()
    if len(pieces) != many:
        raise DataError(f"sample_weight has {len(pieces)} partition(s) and X {many}; both must be cut alike")
    return pieces
