"""Streams: data that stay where they are, in files or behind a callable, and are read block by block in every pass."""

import os
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import one_of
from emkit.core.columns import Columns
from emkit.core.errors import DataError, EmkitError, ParameterError
from emkit.core.parallel import available_cores
from emkit.core.summary import ColumnSummary
from emkit.core.warn import warn
from emkit.data.cache import Cache
from emkit.data.layout import Layout
from emkit.data.opening import columns_of, open_data
from emkit.data.parts import StreamPart
from emkit.data.pieces import MadePiece, OneShot, Piece
from emkit.data.rows import ArraySource
from emkit.data.scanning import Found, Skipped, first_pass, with_levels

HELD = 20_000
"""Rows up to which data may as well be in memory."""
_JOINED = 2**24  # cells up to which they are joined where somebody needs all of them at once
_FROM = 2**26  # bytes from which a memory-mapped array is read as a stream


def is_stream(data: Any) -> bool:
    """Whether ``data`` are read block by block: a path, a pyarrow dataset, a polars LazyFrame, a large memory map, a callable.

    So is an iterator, which ``stream`` then says more about.
    """
    if isinstance(data, str | os.PathLike | Source | Iterator):
        return True
    if callable(data) and not isinstance(data, type) and not hasattr(data, "__array__") and not hasattr(data, "__len__"):
        return True
    if isinstance(data, np.memmap):
        whole = data.filename is not None and data.ndim == 2 and (data.flags.c_contiguous or data.flags.f_contiguous)
        return bool(whole) and data.nbytes >= _FROM and data.dtype.kind in "biuf" and not isinstance(data.base, np.memmap)
    kind = f"{type(data).__module__}.{type(data).__name__}"
    return kind.startswith("pyarrow._dataset.") or (kind.startswith("polars.") and kind.endswith(".LazyFrame"))


def stream(
    data: Any,
    *,
    columns: Columns | Sequence[str] | None = None,
    weights: str | None = None,
    filter: Any = None,
    cache: str | os.PathLike[str] | None = None,
    on_error: str = "stop",
    unseen: str = "error",
) -> "Stream":
    """Data beyond memory as a Source: read block by block in each pass, in the threads that work on the blocks.

    Parameters
    ----------
    data : path, pyarrow dataset, polars LazyFrame, np.memmap, callable or iterator
        A file (Parquet; Arrow IPC, also called Feather; npy; CSV with a header line), a folder, a pattern such as
        ``"sales/*.parquet"``, or a list of these; or a callable that returns a new iterator, each time, of Blocks, data frames,
        arrow tables or matrices. An iterator itself can be read once only, which needs ``cache``.
    columns : sequence of str or Columns, optional
        The columns to read; no others are. Default: all but the weights. With Columns levels of texts are taken from there;
        otherwise a pass over the columns of text finds them. Those of a matrix are x0, x1, ...; other names name all of them.
    weights : str, optional
        The column of the rows' weights; weight 2 means the row twice.
    filter : pyarrow expression, optional
        Only rows for which it is true, such as ``pyarrow.compute.field("year") > 2020``. Parquet's row groups that have no such
        row are not read.
    cache : path, optional
        A folder for a copy that is read several times as fast as Parquet: an uncompressed Arrow IPC, written during the first
        pass. It takes 8 bytes a cell, 4 of float32. A later stream of the same files, columns and filter uses it again; if the
        files have changed it is written anew. If it cannot be written, a warning says so and the files are read.
    on_error : {"stop", "skip"}
        What to do about a file or row group that cannot be read: raise, or leave it out, count its rows and warn.
    unseen : {"error", "missing"}
        What a text is that is not among the levels of ``columns``.

    Returns
    -------
    Stream

    Raises
    ------
    DataError
        Naming the file, and the column, row group or row, of what cannot be read or used. Also in a later pass that does not see
        the rows of the first one.

    Examples
    --------
    >>> import numpy as np
    >>> from emkit import GaussianMixture, stream
    >>> def blocks():
    ...     rng = np.random.default_rng(0)
    ...     for _ in range(20):
    ...         yield rng.normal(size=(5000, 1)) + 8 * rng.integers(2, size=(5000, 1))
    >>> model = GaussianMixture(2, random_state=0).fit(stream(blocks))
    >>> np.sort(model.means_.ravel()).round() + 0.0
    array([0., 8.])
    """
    one_of(on_error, ("stop", "skip"), "on_error")
    one_of(unseen, ("error", "missing"), "unseen")
    for name, value in (("weights", weights),):
        if value is not None and not isinstance(value, str):
            raise ParameterError(f"{name}={value!r}: give the name of a column of the data", parameter=name)
    if columns is not None and not isinstance(columns, Columns):
        columns = [columns] if isinstance(columns, str) else list(columns)
    aside = [] if weights is None else [weights]
    asked = None if columns is None else [*(columns.names if isinstance(columns, Columns) else columns), *aside]
    opened = open_data(data, filter, on_error, asked)
    made, names, narrow = columns_of(opened, columns, aside)
    if opened.columns is not None and weights is not None:
        text = "weights=... names a column, and these rows have no names; yield Blocks with weights"
        raise ParameterError(text, parameter="weights")
    layout = Layout(made, tuple(names), narrow, weights, opened.stored(names), unseen)
    left_out = [Skipped(repr(path), None, why) for path, why in opened.left_out]
    return Stream(opened.pieces, layout, cache, on_error, left_out)


class Stream(Source):
    """A Source over pieces that are read when they are needed. Make one with ``emkit.stream``.

    Its blocks have 16,384 rows, the last one of each part fewer: a part is a run of row groups of one file, or of batches, with
    131,072 rows at least where the file has as many. So boundaries depend on the data alone. A part is one task of an executor,
    which reads it block by block. The first pass gathers what models ask of columns, and a random sample of rows for their starts;
    later passes must see the same rows, by their number and by a sum over their bits.

    Attributes
    ----------
    columns, n_rows, total_weight, summary
        Known after a first pass, which is made when one of them is first asked for; see ``scan``.
    skipped : list
        What was left out with ``on_error="skip"``: its name, its rows where they can be counted, and why.
    """

    in_memory = False

    def __init__(
        self,
        pieces: Sequence[Piece],
        layout: Layout,
        cache: Any = None,
        on_error: str = "stop",
        left_out: Sequence[Skipped] = (),
    ):
        self._pieces, self._layout, self._folder, self._on_error = tuple(pieces), layout, cache, on_error
        self._left_out = tuple(left_out)
        self._found: Found | None = None
        self._once = any(isinstance(piece, MadePiece) and isinstance(piece.make, OneShot) for piece in pieces)

    # --- the first pass -----------------------------------------------------------------------------------------------

    def scan(self, n_jobs: int | None = None, tell: Callable[[int], None] | None = None) -> "Stream":
        """Make the first pass now, if it has not been made: with so many threads, telling of the rows that have been read."""
        self._scan(n_jobs, tell or (lambda rows: None))
        return self

    def _scan(self, n_jobs: int | None = None, tell: Callable[[int], None] = lambda rows: None) -> Found:
        if self._found is not None:
            return self._found
        n_jobs = n_jobs or available_cores()
        layout = self._resolved(n_jobs)
        cache = None if self._folder is None else Cache(self._folder, self._pieces, layout)
        parts = [StreamPart(piece, layout) for piece in self._pieces]
        copy = None if cache is None else cache.found()
        if copy is not None:
            try:
                self._found = first_pass(copy, None, "stop", n_jobs, tell)
                return self._found
            except EmkitError as error:
                warn(f"the copy in {str(self._folder)!r} cannot be used and is written anew: {error}")
        if cache is not None:
            cache.prepare()
        try:
            found = first_pass(parts, cache, self._on_error, n_jobs, tell)
        except BaseException:
            if cache is not None:
                cache.remove()
            raise
        found.skipped[:0] = self._left_out
        self._found = found
        if cache is not None and not cache.lasts:
            weakref.finalize(self, cache.remove)
        if cache is not None and cache.failed is not None:
            self._say_failed(cache)
        self._say_skipped()
        return found

    def _resolved(self, n_jobs: int) -> Layout:
        """The layout with the levels of texts."""
        open_ended = [j for j, column in enumerate(self._layout.columns.items) if column.levels == ()]
        if open_ended:
            if self._once:
                name = self._layout.columns[open_ended[0]].name
                raise DataError(
                    f"column {name!r} holds texts, whose levels a first pass must find, and an iterator can be read once: give "
                    "columns=Columns(...) with their levels, or a callable that makes a new iterator",
                    column=name,
                )
            found = with_levels(self._pieces, self._layout, open_ended, self._on_error, n_jobs)
            self._layout = self._layout.with_columns(found)
        return self._layout

    def _say_failed(self, cache: Cache) -> None:
        error = cache.failed
        why = getattr(error, "strerror", None) or str(error)
        if self._once:
            raise DataError(f"the copy in {str(self._folder)!r} cannot be written ({why}), and the iterator has been read")
        warn(f"the copy in {str(self._folder)!r} cannot be written ({why}); the data are read from where they are")

    def _say_skipped(self) -> None:
        words = self.left_out()
        if words:
            warn(words)

    @property
    def skipped(self) -> list[Skipped]:
        """What was left out; known after the first pass."""
        return [] if self._found is None else self._found.skipped

    def left_out(self) -> str | None:
        """How many rows were left out, where, and why; None if none were."""
        return Skipped.in_words(self.skipped)

    # --- the Source ---------------------------------------------------------------------------------------------------

    @property
    def columns(self) -> Columns:  # type: ignore[override]
        """The schema; texts have their levels."""
        return self._resolved(available_cores()).columns

    @property
    def n_rows(self) -> int:  # type: ignore[override]
        """Rows that are not left out."""
        return self._scan().n_rows

    @property
    def total_weight(self) -> float:  # type: ignore[override]
        """Their weight."""
        return self._scan().total_weight

    @cached_property
    def summary(self) -> ColumnSummary:  # type: ignore[override]
        """Of the first pass."""
        return self._scan().summary

    @property
    def labelled(self) -> bool:
        """Nothing is known of labels."""
        return False

    @property
    def width(self) -> Any:
        """float32 if every column is, or else float64."""
        return self._layout.width

    def parts(self) -> Sequence[StreamPart]:
        """Each reads its rows where it is used."""
        return self._scan().parts

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """At most ``n`` rows in memory, a random choice from those that the first pass kept.

        It keeps 65,536, drawn evenly; of more than 64 columns so many that they have 4 million cells.
        Rows of weight 0 are not drawn.
        """
        if n >= self.n_rows:
            return self
        summary, columns = self.summary, self.columns
        rows, weights = summary.rows, summary.row_weights
        usable = np.arange(len(rows)) if weights is None else np.flatnonzero(weights)
        if n < len(usable):
            usable = usable[np.sort(rng.choice(len(usable), n, replace=False))]
        chosen = np.ascontiguousarray(rows[usable], dtype=self.width)
        return ArraySource(chosen, None if weights is None else weights[usable], columns, checked=True)

    def held(self) -> Source:
        """The rows in memory if they are few, or else the stream itself."""
        found = self._scan()
        if found.n_rows > HELD or len(found.summary.rows) < found.n_rows:
            return self
        block = super().joined()
        return ArraySource(block.x, block.weights, self.columns, checked=True)

    def joined(self) -> Block:
        """Everything as one block. Raises DataError where that is too much."""
        self.check_joined()
        return super().joined()

    def check_joined(self) -> None:
        """Raise DataError if there are too many rows to be in memory at once."""
        if self.n_rows * len(self.columns) > _JOINED:
            raise DataError(
                f"this needs all {self.n_rows} rows in memory at once, and they are read as a stream; give a sample of them as an "
                "array or a data frame (stream(...).sample(n, rng)), or take a model that does not"
            )

    def with_columns(self, columns: Columns) -> "Stream":
        """The same rows under a schema in which kinds are told apart."""
        if self._found is None or columns == self.columns:
            self._layout = self._layout.with_columns(columns)
            return self
        other = Stream(self._pieces, self._layout.with_columns(columns), self._folder, self._on_error, self._left_out)
        layout = other._layout
        parts = [replace(part, layout=replace(part.layout, columns=columns)) for part in self._found.parts]
        other._layout, other._found = layout, replace(self._found, parts=parts)
        return other

    def with_levels(self, chosen: Sequence[int]) -> "Stream":
        """The same rows with the chosen columns of numbers as categories: a pass finds their levels."""
        columns = self.columns
        open_ended = [j for j in chosen if columns[j].levels is None]
        if not open_ended:
            return self
        if self._once or any(isinstance(piece, MadePiece) for piece in self._pieces) or not self._layout.names:
            raise DataError(f"{columns.called(open_ended[0])} as a category: give columns=Columns(...) with its levels")
        found = with_levels(self._pieces, self._layout, open_ended, self._on_error, available_cores())
        other = Stream(self._pieces, self._layout.with_columns(found), self._folder, self._on_error, self._left_out)
        return other

    def like(self, columns: Columns, unseen: str = "error") -> "Stream":
        """The same data with the columns of a fit, for predictions. Raises DataError if they lack one."""
        layout, place = self._layout, list(range(len(columns)))
        if columns.named and layout.columns.named:
            lost = [name for name in columns.names if name not in layout.columns.names]
            if lost:
                raise DataError(f"the stream has no column {lost[0]!r}, which the fit had", column=lost[0])
            place = [layout.columns.names.index(name) for name in columns.names]
        elif len(columns) != len(layout.columns):
            raise DataError(f"the stream has {len(layout.columns)} columns, the fit had {len(columns)}")
        return self.arranged(place, columns, unseen)

    def arranged(self, place: Sequence[int], columns: Columns, unseen: str = "error") -> "Stream":
        """The same rows with those of the columns that have these places, in this order, under another schema."""
        layout, names = self._layout, tuple(self._layout.names[j] for j in place)
        stored = layout.stored if names == layout.names else layout.stored or layout.names
        changed = replace(layout.with_columns(columns), names=names, stored=stored, unseen=unseen)
        if changed == layout:
            return self
        return Stream(self._pieces, changed, self._folder, self._on_error, self._left_out)

    def uncached(self, on_error: str) -> "Stream":
        """The same data without a copy, which has some of the columns only."""
        return Stream(self._pieces, self._layout, None, on_error, self._left_out)

    @property
    def on_error(self) -> str:
        """What is done about what cannot be read."""
        return self._on_error

    @property
    def unopened(self) -> tuple[Skipped, ...]:
        """Files that were left out before anything was read."""
        return self._left_out

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What is read."""
        return self._pieces

    @property
    def layout(self) -> Layout:
        """How it becomes a matrix."""
        return self._resolved(available_cores())

    @property
    def declared(self) -> Layout:
        """The layout as far as it is known without a pass: of texts levels are missing."""
        return self._layout

    def check_observed(self) -> None:
        """Raise DataError if a column has no observed cell, or there are not two rows."""
        nothing = np.flatnonzero(~np.isfinite(self.summary.low))
        if len(nothing):
            j = int(nothing[0])
            text = f"{self.columns.called(j)} has no observed value (all missing); drop the column"
            raise DataError(text, column=self.columns[j].name)

    def user_row(self, row: int) -> int:
        """The number of the row among all of them, from the first file on."""
        return row

    def place(self, row: int) -> str:
        """By file and row group."""
        for part in self.parts():
            size = part.expected[0] if part.expected is not None else 0
            if row < part.start + size:
                return part.piece.where(row - part.start)
        return super().place(row)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("kept", "summary")}
