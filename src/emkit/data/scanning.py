"""The first pass over a stream: what its rows add up to, the levels of its texts, a copy if one is asked for."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError, EmkitError
from emkit.core.memory import let_go
from emkit.core.summary import ColumnSummary, most_rows, summarise
from emkit.data.cache import Cache, Writer
from emkit.data.cells import sorted_levels
from emkit.data.layout import Layout, plain
from emkit.data.parts import StreamPart, Tally
from emkit.data.pieces import Piece

SEQUENCE = "sequence"
"""The role of a column that tells sequences apart, and has a level for each of them."""
MOST_LEVELS = 50_000
_IDENTIFIERS = 50  # more distinct texts than this, each in one row only, are identifiers


@dataclass
class Skipped:
    """What was left out: which piece, how many rows (None: not known), and why."""

    name: str
    rows: int | None
    why: str

    @staticmethod
    def in_words(skipped: "Sequence[Skipped]") -> str | None:
        """How many rows were left out, where, and why; None if none were."""
        if not skipped:
            return None
        known = sum(one.rows or 0 for one in skipped)
        more = " and an unknown number in others" if any(one.rows is None for one in skipped) else ""
        first = skipped[0]
        why = first.why if first.why.startswith(first.name) else f"{first.name}: {first.why}"
        return f"{known} rows{more} were skipped, of {len(skipped)} unreadable part(s); the first: {why}"


@dataclass
class Seen:
    """What a first pass has seen of a part."""

    part: StreamPart
    tally: Tally
    summary: ColumnSummary | None
    files: list[tuple[str, Tally, str]]


@dataclass
class Found:
    """What a first pass has seen of a stream."""

    parts: list[StreamPart]
    n_rows: int
    total_weight: float
    summary: ColumnSummary
    skipped: list[Skipped]


class _Chosen:
    """Which rows are kept for quartiles and starts: those with the smallest hashes. What cannot be among them is let go at once."""

    def __init__(self, rows: int | None, d: int) -> None:
        """``rows``: of all parts, where that is known: so is then how small hashes must be, within six standard deviations."""
        most = most_rows(d)
        share = 1.0 if rows is None else (most + 6.0 * most**0.5) / max(rows, 1)
        self._below: int = 2**64 if share >= 1.0 else int(share * 2.0**64)

    def of(self, summary: ColumnSummary) -> ColumnSummary:
        """A summary of some rows without those that have no chance."""
        if self._below == 2**64:
            return replace(summary, rows=summary.rows.copy())
        kept = np.flatnonzero(summary.hashes < np.uint64(self._below))
        weights = None if summary.row_weights is None else summary.row_weights[kept]
        return replace(summary, rows=summary.rows[kept], hashes=summary.hashes[kept], row_weights=weights)

    def learn(self, summary: ColumnSummary) -> None:
        """As many as are kept have been found with smaller hashes than the largest of these."""
        if len(summary.rows) == most_rows(summary.rows.shape[1]):
            self._below = min(self._below, int(summary.hashes.max()) + 1)


def in_order(task: Callable[[Any], Any], items: Iterable[Any], n_jobs: int) -> Generator[Any, None, None]:
    """``task(item)`` for each item, in order; a bounded number is under way in threads."""
    if n_jobs == 1:
        yield from map(task, items)
        return
    with ThreadPoolExecutor(n_jobs, thread_name_prefix="emkit") as pool:
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(task, item))
                if len(waiting) > n_jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def first_pass(
    parts: Sequence[StreamPart],
    cache: Cache | None,
    on_error: str,
    n_jobs: int,
    tell: Callable[[int], None] = lambda rows: None,
) -> Found:
    """Go through all parts once; ``tell`` hears of the number of rows so far."""
    skipped: list[Skipped] = []
    seen: list[Seen] = []
    total: ColumnSummary | None = None
    sizes = [part.piece.rows for part in parts]
    known = None if None in sizes else sum(size or 0 for size in sizes)
    rows, chosen = 0, _Chosen(known, len(parts[0].layout.columns) if parts else 1)
    numbered = list(enumerate(_with_places(parts)))
    with closing(in_order(lambda item: _seen(item[1], item[0], cache, on_error, chosen), numbered, n_jobs)) as results:
        for several, left_out in results:
            skipped += left_out
            for one in several:
                if one.summary is not None:
                    total = one.summary if total is None else total + one.summary
                    chosen.learn(total)
                    one.summary = None
                rows += one.tally.rows
                seen.append(one)
            tell(rows)
    if total is None:
        what = f"; left out: {skipped[0].why}" if skipped else ""
        raise DataError(f"found 0 row(s): every part is empty{what}")
    let_go()
    weight = sum(one.tally.weight for one in seen)
    if not weight > 0:
        raise DataError("weights: every weight is zero, so there are no data; give some rows a positive weight")
    used = [one for one in seen if one.tally.rows]
    copied = None if cache is None else cache.finish([file for one in used for file in one.files])
    tallies = [(one.part, one.tally) for one in used]
    if copied is not None:
        tallies = [(part, Tally(part.expected[0], 0.0, part.expected[1])) for part in copied if part.expected is not None]
    return Found(_numbered(tallies, rows), rows, weight, total, skipped)


def _numbered(tallies: Sequence[tuple[StreamPart, Tally]], rows: int) -> list[StreamPart]:
    found, start = [], 0
    for part, tally in tallies:
        found.append(part.with_first_pass(tally, start, rows))
        start += tally.rows
    return found


def _with_places(parts: Sequence[StreamPart]) -> list[StreamPart]:
    """Parts that know where they begin where all tell how many rows they have; numbers far apart, for random choices, elsewhere."""
    sizes = [part.piece.rows for part in parts]
    found, start = [], 0
    for i, part in enumerate(parts):
        found.append(replace(part, start=start if None not in sizes else i << 40))
        start += sizes[i] or 0
    return found


def _seen(part: StreamPart, number: int, cache: Cache | None, on_error: str, chosen: _Chosen) -> tuple[list[Seen], list[Skipped]]:
    """A part, or what can be read of it."""
    try:
        return [_see(part, number, cache, chosen)], []
    except EmkitError as error:
        if on_error != "skip":
            raise
        pieces = part.piece.apart()
        if len(pieces) == 1:
            return [], [Skipped(part.piece.called, part.piece.rows, str(error))]
    good: list[Seen] = []
    left_out: list[Skipped] = []
    start = part.start
    for i, piece in enumerate(pieces):
        several, more = _seen(replace(part, piece=piece, start=start), number * 1000 + i, cache, on_error, chosen)
        good, left_out, start = [*good, *several], [*left_out, *more], start + (piece.rows or 0)
    return good, left_out


def _see(part: StreamPart, number: int, cache: Cache | None, chosen: _Chosen) -> Seen:
    tally, total = Tally(), None
    writer = None if cache is None else Writer(cache, number, part.piece.called)
    try:
        for block in part.counted(tally):
            here = chosen.of(summarise(block.x, block.weights, block.start))
            total = here if total is None else total + here
            chosen.learn(total)
            if writer is not None:
                writer.write(block)
    finally:
        if writer is not None:
            writer.close()
    if part.expected is not None and (tally.rows, tally.digest) != part.expected:
        raise DataError(f"{part.piece.called} is damaged: remove it")
    return Seen(part, tally, total, [] if writer is None else writer.files)


# --- levels -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Levels:
    """The distinct values of some columns of a piece."""

    names: tuple[str, ...]
    on_error: str
    identifiers: frozenset[str] = frozenset()
    """Columns that may have any number of them."""

    def __call__(self, piece: Piece) -> dict[str, tuple[set[Any], int]]:
        from pyarrow import ArrowException
        from pyarrow import compute as pc

        found: dict[str, tuple[set[Any], int]] = {name: (set(), 0) for name in self.names}
        try:
            for chunk in piece.chunks(list(self.names)):
                for name in self.names:
                    column = plain(chunk.column(name), name)
                    values = {v for v in pc.unique(column).to_pylist() if v is not None and v == v}
                    before, count = found[name]
                    found[name] = (before | values, count + len(column) - column.null_count)
                    if len(found[name][0]) > MOST_LEVELS and name not in self.identifiers:
                        raise too_many(name, len(found[name][0]))
        except (ArrowException, OSError, DataError) as error:
            if self.on_error == "skip" and not (isinstance(error, DataError) and error.column is not None):
                return self._apart(piece)
            if isinstance(error, EmkitError):
                raise
            raise DataError(f"cannot read {piece.called}: {' '.join(str(error).split())}") from error
        return found

    def _apart(self, piece: Piece) -> dict[str, tuple[set[Any], int]]:
        """What can be read of a piece."""
        found: dict[str, tuple[set[Any], int]] = {name: (set(), 0) for name in self.names}
        pieces = piece.apart()
        for one in pieces if len(pieces) > 1 else []:
            for name, (values, count) in self(one).items():
                found[name] = (found[name][0] | values, found[name][1] + count)
        return found


def too_many(name: str, count: int) -> DataError:
    """The error for a column of texts that is no category."""
    return DataError(
        f"column {name!r} holds {count} different texts or more, nearly one in each row: an identifier, which says nothing about a "
        "row; leave the column out",
        column=name,
    )


def with_levels(pieces: Sequence[Piece], layout: Layout, chosen: Sequence[int], on_error: str, n_jobs: int) -> Columns:
    """The schema with the levels of the chosen columns as all pieces have them, in an order that does not depend on the rows."""
    names = tuple(layout.names[j] for j in chosen)
    total: dict[str, tuple[set[Any], int]] = {name: (set(), 0) for name in names}
    identifiers = frozenset(layout.names[j] for j in chosen if layout.columns[j].role == SEQUENCE)
    with closing(in_order(_Levels(names, on_error, identifiers), pieces, n_jobs)) as results:
        for found in results:
            for name, (values, count) in found.items():
                total[name] = (total[name][0] | values, total[name][1] + count)
    items = list(layout.columns.items)
    for j, name in zip(chosen, names, strict=True):
        items[j] = category_of(items[j], *total[name])
    return Columns(tuple(items), layout.columns.named)


def category_of(column: Column, levels: set[Any], count: int) -> Column:
    """The column as a category with these levels, which ``count`` cells have. Raises DataError for what is none."""
    texts = any(isinstance(level, str) for level in levels)
    each = texts and len(levels) > _IDENTIFIERS and len(levels) == count
    if (len(levels) > MOST_LEVELS or each) and column.role != SEQUENCE:
        raise too_many(column.name, len(levels))
    return Column(column.name, "category", _tidy(levels, column), column.role)


def _tidy(levels: set[Any], column: Column) -> tuple[Any, ...]:
    """Levels in order; whole numbers as integers. Raises DataError for numbers that are none."""
    if not all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return sorted_levels(levels)
    bad = [level for level in levels if level != level or level in (float("inf"), float("-inf")) or level != int(level)]
    if bad:
        raise DataError(
            f"column {column.name!r} holds {bad[0]:g}, a number with a fraction, and a category is a whole number or a text; leave "
            "the column out, cut it into intervals, or make it text if its values are categories",
            column=column.name,
        )
    return tuple(sorted(int(level) for level in levels))
