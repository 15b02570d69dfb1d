"""Sequences beyond memory: a stream one of whose columns says which sequence a row belongs to, in blocks of whole sequences.

The rows of a sequence stand together and in order, but where they lie, in which row group or file, follows from how the files were
written. A pass over the stream finds where sequences begin. A part then is the sequences that begin in one part of the stream; the
last of them may go on in the next ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.block import Block, LongPart, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.core.parallel import available_cores
from emkit.core.selected import SelectedColumns
from emkit.core.summary import ColumnSummary
from emkit.data.layout import ROWS
from emkit.data.parts import StreamPart, joined
from emkit.data.scanning import SEQUENCE, in_order
from emkit.data.sequence_runs import Runs, changes, find_runs, key_alone
from emkit.data.sequences import SequenceSource
from emkit.data.stream import HELD, Stream, stream


def sequence_stream(
    data: Any, sequence: str | None, weights: str | None = None, like: Columns | None = None, unseen: str = "error"
) -> "SequenceStream":
    """Sequences in files or behind a callable as a Source.

    Parameters
    ----------
    data : as for ``stream``, or a Stream with the sequence column among its columns
    sequence : str
        The column that says which sequence a row belongs to.
    weights : str, optional
        The column of weights, the same in all rows of a sequence.
    like : Columns, optional
        Those of a fit, for new rows.
    unseen : {"error", "missing"}
        What a text is that was not there in the fit.

    Raises
    ------
    DataError, ParameterError
        Naming what cannot be used.
    """
    if sequence is None:
        raise ParameterError(
            "data that are read as a stream need a column that says which sequence a row belongs to: set sequence=",
            parameter="sequence",
        )
    wanted = None if like is None or not like.named else [*like.names, sequence]
    rows = data if isinstance(data, Stream) else stream(data, columns=wanted, weights=weights, unseen=unseen)
    schema = rows.declared.columns
    names = schema.names
    if sequence not in names:
        raise DataError(f"no column {sequence!r}; the columns are {', '.join(names)}", column=sequence)
    others = [j for j, name in enumerate(names) if name != sequence]
    if not others:
        raise DataError(f"there is no column beside {sequence!r}", column=sequence)
    last = names.index(sequence)
    key = replace(schema[last], role=SEQUENCE)
    if like is None:
        return SequenceStream(rows.arranged([*others, last], Columns((*schema.some(others).items, key)), unseen))
    if like.named:
        lost = [name for name in like.names if name not in names]
        if lost:
            raise DataError(f"the stream has no column {lost[0]!r}, which the fit had", column=lost[0])
        place = [names.index(name) for name in like.names]
        return SequenceStream(rows.arranged([*place, last], Columns((*like.items, key)), unseen))
    if len(like) != len(others):
        raise DataError(f"the data have {len(others)} columns beside {sequence!r}, the fit had {len(like)}")
    items = [replace(known, name=names[j]) for known, j in zip(like.items, others, strict=True)]
    return SequenceStream(rows.arranged([*others, last], Columns((*items, key)), unseen), like)


class SequenceStream(Source):
    """A Source over whole sequences that are read when they are needed. Make one with ``sequence_stream``.

    Blocks have 16,384 rows or somewhat more, since they end where a sequence does; a sequence longer than that is a block of its
    own, and has to fit in memory.

    Parameters
    ----------
    rows : Stream
        Its last column says which sequence a row belongs to.
    columns : Columns, optional
        The schema of the other columns, where it is not the stream's.
    """

    in_memory = False

    def __init__(self, rows: Stream, columns: Columns | None = None):
        self.rows, self._columns = rows, columns

    @property
    def columns(self) -> Columns:  # type: ignore[override]
        """All but the one that tells sequences apart."""
        found = self._columns or self.rows.declared.columns.some(range(len(self.rows.declared.columns) - 1))
        known = all(column.levels != () for column in found.items)  # so that no pass is needed
        return found if known else self.rows.columns.some(range(len(found)))

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        """Steps of all sequences."""
        return self.rows.n_rows

    @property
    def total_weight(self) -> float:  # type: ignore[override]
        """Of all steps."""
        return self.rows.total_weight

    @property
    def labelled(self) -> bool:
        """Nothing is known of labels."""
        return False

    @property
    def width(self) -> Any:
        """As the stream's."""
        return self.rows.width

    @cached_property
    def lengths(self) -> np.ndarray:
        """Of the sequences, (S,), in order."""
        return np.diff(self._begins(self._runs), append=self.n_rows)

    def _begins(self, runs: list[Runs]) -> np.ndarray:
        """Rows of the whole stream at which sequences begin, (S,)."""
        return np.concatenate([run.begins + part.start for run, part in zip(runs, self.rows.parts(), strict=True)])

    @cached_property
    def _runs(self) -> list[Runs]:
        """Of each part of the stream. Raises DataError for a sequence in two places, and for one with several weights."""
        found: list[Runs] = []
        last: Runs | None = None
        parts = self.rows.parts()
        with closing(in_order(find_runs, [key_alone(part) for part in parts], available_cores())) as all_runs:
            for run, part in zip(all_runs, parts, strict=True):
                now = run if last is None else run.after(last, self._called)
                found.append(now)
                last = now if now.rows else last
                self._refuse_missing(now, part)
        self._refuse_torn(found)
        return found

    def called(self, sequence: int) -> str:
        """A sequence, by its number, in the user's words."""
        return self._called(float(np.concatenate([run.keys for run in self._runs])[sequence]))

    def _called(self, key: float) -> str:
        """By its key."""
        levels = self.rows.columns[len(self.rows.columns) - 1].levels
        return f"sequence {levels[int(key)]!r}" if levels is not None else f"sequence {key:g}"

    def _refuse_missing(self, run: Runs, part: StreamPart) -> None:
        if run.missing is not None:
            name = self.rows.columns[len(self.rows.columns) - 1].name
            where = part.piece.where(run.missing)
            raise DataError(f"column {name!r}, {where}, is missing; every row belongs to a sequence", column=name)

    def _refuse_torn(self, runs: list[Runs]) -> None:
        keys = np.concatenate([run.keys for run in runs])
        each, first = np.unique(keys, return_index=True)
        if len(each) == len(keys):
            return
        again = np.ones(len(keys), dtype=bool)
        again[first] = False
        i = int(np.argmax(again))
        place = self.rows.place(int(self._begins(runs)[i]))
        raise torn(self._called(float(keys[i])), place)

    def parts(self) -> Sequence["SequencePart"]:
        """The sequences that begin in each part of the stream."""
        runs, own = self._runs, self.rows.parts()
        units = np.cumsum([0, *(len(run.begins) for run in runs)])
        found = []
        for i, (run, part) in enumerate(zip(runs, own, strict=True)):
            if not len(run.begins):
                continue
            tail = []
            for later, more in zip(runs[i + 1 :], own[i + 1 :], strict=True):
                ends = int(later.begins[0]) if len(later.begins) else later.rows
                if ends:
                    tail.append((more, ends))
                if len(later.begins):
                    break
            about = (int(units[i]), len(run.begins), self.n_rows, self.columns)
            found.append(SequencePart(part, int(run.begins[0]), tuple(tail), *about))
        return found

    @cached_property
    def summary(self) -> ColumnSummary:  # type: ignore[override]
        """Of the stream's first pass."""
        return SelectedColumns(self.rows, range(len(self.rows.columns) - 1)).summary

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Whole sequences, drawn until they have ``n`` rows, in memory; of one that is longer a stretch. None of weight 0."""
        if n >= self.n_rows:
            return self
        lengths = self.lengths
        usable = np.arange(len(lengths))
        if self._runs[0].weights is not None:
            usable = np.flatnonzero(np.concatenate([run.weights for run in self._runs if run.weights is not None]))
        order = rng.permutation(usable)
        picked = np.sort(order[: int(np.searchsorted(np.cumsum(lengths[order]), n)) + 1])
        found: list[Block] = []
        for part in self.parts():
            wanted = picked[(picked >= part.unit) & (picked < part.unit + part.count)]
            for block in part.blocks() if len(wanted) else ():
                here = wanted[(wanted >= block.start) & (wanted < block.start + block.units)]
                found += [block.take(here - block.start)] if len(here) else []
        whole = self._in_memory(Block.join(found))
        return whole.sample(n, rng) if len(picked) == 1 else whole

    def _in_memory(self, block: Block) -> SequenceSource:
        return SequenceSource(block.x, block.lengths, block.weights, self.columns, checked=True)

    def held(self) -> Source:
        """The sequences in memory if they are few, or else themselves."""
        return self if self.n_rows > HELD else self._in_memory(self.joined())

    def joined(self) -> Block:
        """Everything as one block. Raises DataError where that is too much."""
        self.rows.check_joined()
        return super().joined()

    def left_out(self) -> str | None:
        """As the stream says."""
        return self.rows.left_out()

    def user_row(self, row: int) -> int:
        """The number of the row among all of them."""
        return row

    def place(self, row: int) -> str:
        """By file and row group."""
        return self.rows.place(row)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("kept", "summary", "lengths")}


@dataclass(frozen=True)
class SequencePart(LongPart):
    """The sequences that begin in a part of a stream: small and picklable.

    Attributes
    ----------
    own : StreamPart
    head : int
        Its rows that belong to a sequence which began before.
    tail : tuple of (StreamPart, int)
        Later parts, with as many of their rows as the last sequence goes on for.
    unit, count : int
        Number of its first sequence, and how many there are.
    source_rows : int
        Rows of the whole source.
    columns : Columns
    """

    own: StreamPart
    head: int
    tail: tuple[tuple[StreamPart, int], ...]
    unit: int
    count: int
    source_rows: int
    columns: Columns

    def blocks(self) -> Iterator[Block]:
        """Blocks of whole sequences."""
        unit = self.unit
        for x, weights in whole_sequences(self._rows(), _last_column):
            block = self._block(x, weights, unit)
            yield block
            unit += block.units

    def _rows(self) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """All its rows, a block of the stream at a time."""
        skip = self.head
        for block in self.own.blocks():
            begin = min(skip, block.n)
            skip -= begin
            if begin < block.n:
                yield block.x[begin:], None if block.weights is None else block.weights[begin:]
        for part, left in self.tail:
            for block in part.blocks():
                take = min(left, block.n)
                left -= take
                yield block.x[:take], None if block.weights is None else block.weights[:take]
                if not left:
                    break

    def _block(self, x: np.ndarray, weights: np.ndarray | None, unit: int) -> Block:
        begins = changes(x[:, -1], np.nan)
        cells = np.ascontiguousarray(x[:, :-1])
        w = None if weights is None else np.asarray(weights)[begins]
        missing = bool(np.isnan(cells).any())
        return Block(cells, w, unit, missing, np.diff(begins, append=len(x)), self.source_rows, None, self.columns)


def torn(called: str, place: str) -> DataError:
    """The error about a sequence in two places."""
    return DataError(
        f"{called} goes on in {place} after rows of others: in a stream the rows of a sequence must stand together; sort the files "
        "by it"
    )


def refuse_order(order: str | None) -> None:
    """Raise ParameterError if a column is to put the steps of a stream in order."""
    if order is not None:
        raise ParameterError(
            "order= beside a stream: sequences are read in the order in which their rows stand; sort the files, and leave it out",
            parameter="order",
        )


Rows = tuple[np.ndarray, np.ndarray | None]
"""Rows (n, d), and something beside them, (n,), or nothing."""


def whole_sequences(runs: Iterable[Rows], key: Callable[[Rows], np.ndarray]) -> Iterator[Rows]:
    """Runs of rows joined, and cut at the first end of a sequence after 16,384 rows; ``key`` (n,) tells sequences apart."""
    rows, cut, last = 0, 0, np.nan
    held: list[Rows] = []
    for run in runs:
        keys = key(run)
        new = changes(keys, last)
        cut = rows + int(new[-1]) if len(new) else cut
        held.append(run)
        rows, last = rows + len(keys), float(keys[-1])
        if rows >= ROWS and cut:
            x, beside = joined(held)
            yield x[:cut], None if beside is None else beside[:cut]
            held, rows, cut = [(x[cut:], None if beside is None else beside[cut:])], rows - cut, 0
    if rows:
        yield joined(held)


def _last_column(rows: Rows) -> np.ndarray:
    return rows[0][:, -1]
