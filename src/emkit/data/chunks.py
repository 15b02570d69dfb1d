"""Rows that lie elsewhere, in chunks that others keep: partitions of a Dask collection or of a Spark data frame."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import pairwise
from operator import add
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.core.summary import ColumnSummary, summarise
from emkit.data.rows import ArraySource, block_bounds
from emkit.data.scanning import category_of
from emkit.data.validate import check_matrix, check_weights

Chunk = tuple[np.ndarray, np.ndarray | None]
"""Rows (n, d) and their weights (n,); none for all ones. A chunk may have no rows."""


def is_dask(X: Any) -> bool:
    """Whether it is a Dask array or data frame; does not import Dask."""
    return type(X).__module__.split(".")[0] in ("dask", "dask_expr") and hasattr(X, "to_delayed")


def read_chunk(x: Any, weights: Any, names: Sequence[str], number: int) -> Chunk:
    """A chunk as float32 or float64, checked.

    Raises
    ------
    DataError
        Naming the chunk by its number, the column, and the row within the chunk.
    """
    try:
        return _read(np.asarray(x), weights, names)
    except DataError as error:
        raise DataError(f"partition {number}: {error}", column=error.column, row=error.row) from error


def _read(x: np.ndarray, weights: Any, names: Sequence[str]) -> Chunk:
    if x.ndim != 2 or x.shape[1] != len(names):
        raise DataError(f"it has shape {x.shape}; each must have all {len(names)} columns")
    if not len(x):
        return np.empty((0, len(names)), x.dtype if x.dtype == np.float32 else np.float64), None if weights is None else np.empty(0)
    # A chunk whose every weight is zero is fine, if others have some.
    w = None if weights is None else np.asarray(weights, dtype=np.float64)
    return check_matrix(x, names, every_column=False), w if w is not None and w.size and not w.any() else check_weights(w, len(x))


def blocks_of(chunk: Chunk, start: int, n_rows: int, columns: Columns) -> list[Block]:
    """The blocks of a chunk whose first row has the number ``start`` among ``n_rows``: views of it."""
    x, weights = chunk
    bounds = block_bounds(len(x), len(columns)).tolist() if len(x) else []
    return [
        Block(
            x[a:b],
            None if weights is None else weights[a:b],
            start=start + a,
            missing=bool(np.isnan(x[a:b]).any()),
            source_rows=n_rows,
            columns=columns,
        )
        for a, b in pairwise(bounds)
    ]


@dataclass(frozen=True)
class ChunkPart:
    """Some rows of a chunk, fetched when they are read."""

    source: "ChunkSource"
    chunk: int
    begin: int
    end: int

    def read(self) -> Block:
        """The rows, in this process."""
        start, source = int(self.source.starts[self.chunk]), self.source
        rows = source.ask_one(_slice, self.chunk, self.begin, self.end)
        (block,) = blocks_of(rows, start + self.begin, source.n_rows, source.columns)
        return block


class ChunkSource(Source):
    """A Source over chunks elsewhere. You implement ``ask``, ``ask_one`` and ``recode``; what is asked for should be small.

    Parameters
    ----------
    columns : Columns
    """

    def __init__(self, columns: Columns):
        self.columns = columns
        counted = self.ask(_count)
        self.lengths = np.array([n for n, _, _ in counted], dtype=np.int64)
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.n_rows = int(self.lengths.sum())
        self.total_weight = float(sum(weight for _, weight, _ in counted))
        self.dtype: Any = np.result_type(*(width for _, _, width in counted)) if counted else np.float64
        if self.n_rows < 2:
            raise DataError(f"found {self.n_rows} row(s); at least 2 are needed")
        if not self.total_weight > 0:
            raise DataError("sample_weight: every weight is zero, so there are no data; give some rows a positive weight")

    @abstractmethod
    def ask(self, fn: Callable[..., Any], *each: Sequence[Any]) -> list[Any]:
        """``fn(chunk, ...)`` of every chunk where it lies, in order; further arguments are one for each chunk."""

    @abstractmethod
    def ask_one(self, fn: Callable[..., Any], chunk: int, *more: Any) -> Any:
        """``fn(chunk, ...)`` of one of them."""

    @property
    def labelled(self) -> bool:
        """Nothing is known of labels."""
        return False

    @property
    def width(self) -> Any:
        """float32 if every chunk is, or else float64."""
        return np.float32 if self.dtype == np.float32 else np.float64

    def distinct(self) -> "ChunkSource":
        """Equal rows are not looked for."""
        return self

    @abstractmethod
    def recode(self, levels: dict[int, np.ndarray]) -> None:
        """From now on these columns, of whole numbers, have the place of each cell among the levels instead."""

    def with_columns(self, columns: Columns) -> Self:
        """The same rows under a schema in which kinds are told apart."""
        other = copy(self)
        other.columns = columns
        other.__dict__.pop("kept", None)
        return other

    def with_levels(self, chosen: Sequence[int]) -> Self:
        """The same rows with the chosen columns of numbers as categories: a pass finds their levels."""
        open_ended = [j for j in chosen if self.columns[j].levels is None]
        if not open_ended:
            return self
        found, items = self.ask(partial(_values, chosen=open_ended)), list(self.columns.items)
        for i, j in enumerate(open_ended):
            levels: set[float] = set().union(*(some[i][0] for some in found))
            items[j] = category_of(items[j], levels, sum(some[i][1] for some in found))
        other = self.with_columns(Columns(tuple(items), self.columns.named))
        other.__dict__.pop("summary", None)
        other.recode({j: np.array(items[j].levels, dtype=np.float64) for j in open_ended})
        return other

    @cached_property
    def summary(self) -> ColumnSummary:
        """Gathered where the chunks lie."""
        found = self.summary_of(np.asarray)
        for j in np.flatnonzero(np.isinf(found.low)).tolist():
            raise DataError(f"{self.columns.called(j)} has no observed value (all missing); drop it", column=self.columns[j].name)
        return found

    def summary_of(self, change: Callable[[np.ndarray], np.ndarray]) -> ColumnSummary:
        """Of changed rows, where the chunks lie."""
        found = self.ask(partial(_summary, change=change), self.starts.tolist())
        return reduce(add, (part for part in found if part is not None))

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """At most ``n`` rows of positive weight, brought here."""
        usable = np.array(self.ask(_usable), dtype=np.int64)
        if not int(usable.sum()):
            raise DataError("no row has a positive weight")
        many = int(usable.sum())
        chosen = np.sort(rng.choice(many, n, replace=False)) if n < many else np.arange(many)
        starts = np.cumsum(usable) - usable
        cuts = np.split(chosen, np.searchsorted(chosen, starts[1:]))
        found = [
            chunk for chunk in self.ask(_taken, [cut - start for cut, start in zip(cuts, starts, strict=True)]) if len(chunk[0])
        ]
        weights = None if found[0][1] is None else np.concatenate([w for _, w in found if w is not None])
        return ArraySource(np.concatenate([x for x, _ in found]), weights, self.columns, checked=True)

    def parts(self) -> Sequence[ChunkPart]:
        """For whoever works on them in this process."""
        return [
            ChunkPart(self, i, a, b)
            for i, n in enumerate(self.lengths.tolist()) if n
            for a, b in pairwise(block_bounds(n, len(self.columns)).tolist())
        ]  # fmt: skip


def _count(chunk: Chunk) -> tuple[int, float, Any]:
    x, weights = chunk
    return len(x), float(len(x) if weights is None else np.sum(weights, dtype=np.float64)), x.dtype


def _usable(chunk: Chunk) -> int:
    x, weights = chunk
    return len(x) if weights is None else int(np.count_nonzero(weights))


def _summary(chunk: Chunk, start: int, change: Callable[[np.ndarray], np.ndarray]) -> ColumnSummary | None:
    x, weights = chunk
    return summarise(change(x), weights, start) if len(x) else None


def _values(chunk: Chunk, chosen: Sequence[int]) -> list[tuple[set[float], int]]:
    """The distinct values of some columns, and how many cells are observed."""
    columns = [chunk[0][:, j][~np.isnan(chunk[0][:, j])] for j in chosen]
    return [(set(np.unique(values).tolist()), len(values)) for values in columns]


def recoded(chunk: Chunk, levels: dict[int, np.ndarray]) -> Chunk:
    """Cells of some columns as places among their levels. Raises DataError for a cell that is no level: the rows have changed."""
    x = chunk[0].copy()
    for j, known in levels.items():
        seen = ~np.isnan(x[:, j])
        place = np.searchsorted(known, x[seen, j])
        if not np.array_equal(known[np.minimum(place, len(known) - 1)], x[seen, j]):
            raise DataError("the rows have changed since the first pass: every pass must see the same rows")
        x[seen, j] = place
    return x, chunk[1]


def codes(found: np.ndarray, there: np.ndarray, name: str) -> np.ndarray:
    """Places among the levels of texts, -1 where there is none, as float64; NaN where nothing is ``there``, (n,).

    Raises
    ------
    DataError
        For a text that is no level: the rows have changed since the levels were asked for.
    """
    if (there & (found < 0)).any():
        raise DataError(f"column {name!r} has other texts than in the first pass: every pass must see the same rows", column=name)
    return np.where(there, found, np.nan)


def _taken(chunk: Chunk, rows: np.ndarray) -> Chunk:
    """Of the rows that have a weight, these."""
    x, weights = chunk
    if weights is None:
        return x[rows], None
    rows = np.flatnonzero(weights)[rows]
    return x[rows], weights[rows]


def _slice(chunk: Chunk, begin: int, end: int) -> Chunk:
    x, weights = chunk
    return x[begin:end], None if weights is None else weights[begin:end]
