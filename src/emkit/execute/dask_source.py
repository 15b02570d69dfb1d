"""Dask arrays and data frames as data: their partitions stay with the workers."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError
from emkit.data.chunks import Chunk, ChunkSource, blocks_of, codes, is_dask, read_chunk, recoded
from emkit.data.scanning import category_of
from emkit.execute.futures import Blocks, shares


class DaskSource(ChunkSource):
    """The partitions of a Dask collection, computed once and kept by the workers for as long as the source is.

    Parameters
    ----------
    X : dask array (n, d), or dask data frame
        Chunks of whole rows.
    sample_weight : dask array or series (n,), optional
        Cut as ``X`` is.
    executor : DaskExecutor
    texts : bool
        Whether columns of a data frame may be texts or categories, whose levels a pass over them finds.

    Raises
    ------
    DataError
        Naming a column of another kind; naming column and row of a cell that cannot be used.
    """

    def __init__(self, X: Any, sample_weight: Any, executor: Any, texts: bool = False):
        from dask import delayed

        self._executor, self.client = executor, executor.client
        columns, pieces = _pieces(X, texts, self.client)
        weights = weights_of(sample_weight, len(pieces))
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

    def recode(self, levels: dict[int, np.ndarray]) -> None:
        """By the workers, who keep the new chunks."""
        self.chunks = self.client.map(partial(recoded, levels=levels), self.chunks, pure=False)

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


_KINDS = {"b": "binary", "i": "count", "u": "count", "f": "real"}


def _pieces(X: Any, texts: bool, client: Any) -> tuple[Columns, list[Any]]:
    """The schema, and a delayed array for each partition."""
    if hasattr(X, "columns"):
        items, read = [], []
        for name, kind in zip(X.columns, X.dtypes, strict=True):
            letter = getattr(kind, "kind", "O")
            items.append(Column(str(name), _KINDS.get(letter, "category")))
            if letter in _KINDS:
                continue
            if letter != "O" or not texts:
                wanted = "numbers or texts" if texts else "numbers"
                raise DataError(
                    f"column {str(name)!r} holds {kind}, and partitions must be {wanted}; encode or drop it", column=str(name)
                )
            read.append(len(items) - 1)
        for j, (levels, count) in zip(read, _levels(X, [X.columns[j] for j in read], client), strict=True):
            items[j] = category_of(items[j], levels, count)
        columns = Columns(tuple(items), True)
        return columns, X.map_partitions(_matrix, columns, meta=np.empty((0, len(items)))).to_delayed().ravel().tolist()
    if X.ndim != 2:
        raise DataError(f"expected a 2-D array of rows and columns, got {X.ndim} dimension(s)")
    if X.numblocks[1] > 1:
        X = X.rechunk({1: -1})
    return Columns.numbered(X.shape[1], _KINDS.get(X.dtype.kind, "real")), X.to_delayed().ravel().tolist()


def _levels(X: Any, names: Sequence[Any], client: Any) -> list[tuple[set[Any], int]]:
    """The distinct cells of columns of texts, and how many there are: each partition's found by a worker."""
    from dask import delayed

    if not names:
        return []
    found = client.gather(client.compute([delayed(_texts, pure=False)(part) for part in X[list(names)].to_delayed()]))
    levels: list[set[Any]] = [set().union(*(some[i][0] for some in found)) for i in range(len(names))]
    return [(values, sum(some[i][1] for some in found)) for i, values in enumerate(levels)]


def _texts(frame: Any) -> list[tuple[set[Any], int]]:
    """Of one partition. Raises DataError for a cell that is neither text nor number."""
    out = []
    for name in frame.columns:
        cells = frame[name].dropna().tolist()
        for value in cells:
            if not isinstance(value, str | bool | int | float):
                text = f"column {str(name)!r} holds {value!r}, which is neither text nor number; encode or drop it"
                raise DataError(text, column=str(name))
        out.append((set(cells), len(cells)))
    return out


def _matrix(frame: Any, columns: Columns) -> np.ndarray:
    if not columns.has_levels:
        width = np.float32 if all(kind == np.float32 for kind in frame.dtypes) else np.float64
        return np.asarray(frame.to_numpy(dtype=width, na_value=np.nan))
    out = np.empty((len(frame), len(columns)))
    for j, column in enumerate(columns.items):
        cells = frame.iloc[:, j]
        if column.levels is None:
            out[:, j] = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            place = {level: i for i, level in enumerate(column.levels)}
            found = np.array([place.get(value, -1) for value in cells.tolist()], dtype=np.int64)
            out[:, j] = codes(found, cells.notna().to_numpy(dtype=bool), column.name)
    return out


def weights_of(sample_weight: Any, many: int) -> list[Any]:
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
