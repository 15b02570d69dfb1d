"""Block and Source: what one E-step call sees, and where the calls come from."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from emkit.core.columns import Columns
from emkit.core.summary import ColumnSummary, summarise

_RUN = 8  # neighbouring rows that stay together where rows are mixed: single ones take memory several times as long to read
_PLACES = 16  # of a source that loads are read from, at least


@dataclass(frozen=True)
class Block:
    """A bundle of rows, or of whole sequences, with weights and what is known of their labels. Never half a sequence.

    Attributes
    ----------
    x : array of shape (n, d)
        The rows. What a column means stands in ``columns``; missing cells are NaN.
    weights : array of shape (units,), or None for all ones
        Weight 2 means: this row twice. For sequences, one weight for each sequence.
    start : int
        Number of the first unit (row or sequence) in the source it came from.
    missing : bool
        True if some cell is NaN. Known from validation, so that no E-step has to look.
    lengths : int array of shape (sequences,), or None
        For sequences: consecutive lengths, adding up to n.
    source_rows : int
        Rows of the whole source (0: unknown): how much work a pass is, so whether compiled code is worth loading.
    labels : array or None
        What is known about the hidden labels of the rows (components, states): int (n,), the label or -1; or float (n, K),
        how probable each label made some further observation (0 rules a label out).
    columns : Columns or None
        The schema.
    """

    x: Any
    weights: Any = None
    start: int = 0
    missing: bool = False
    lengths: Any = None
    source_rows: int = 0
    labels: Any = None
    columns: Columns | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def in_numpy(self) -> bool:
        """Whether the rows are a NumPy array. Others, such as tensors on a device, are for models that say ``on_arrays``."""
        return isinstance(self.x, np.ndarray)

    @property
    def units(self) -> int:
        """Rows, or sequences: what has one weight, and is never cut."""
        return self.n if self.lengths is None else len(self.lengths)

    @property
    def total_weight(self) -> float:
        """Rows, each counted by its weight or its sequence's."""
        if self.weights is None:
            return float(self.n)
        if not (self.in_numpy or isinstance(self.weights, np.ndarray)):
            return float(self.weights.sum())
        weights = np.asarray(self.weights)
        if self.lengths is None:
            return float(np.sum(weights, dtype=np.float64))
        return float(np.dot(weights.astype(np.float64), np.asarray(self.lengths)))

    @property
    def row_weights(self) -> np.ndarray | None:
        """Each row's weight, (n,); None for all ones."""
        if self.weights is None or self.lengths is None:
            return None if self.weights is None else np.asarray(self.weights)
        return np.repeat(np.asarray(self.weights), np.asarray(self.lengths))

    def take(self, index: Any) -> "Block":
        """The given units, in the given order, as a block of their own."""
        index = np.asarray(index)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        rows, lengths = index, None
        if self.lengths is not None:
            lengths = np.asarray(self.lengths)
            first = np.cumsum(lengths) - lengths
            rows = np.concatenate([np.arange(first[i], first[i] + lengths[i]) for i in index]) if len(index) else index
            lengths = lengths[index]
        return replace(
            self,
            x=self.x.take(rows, axis=0) if isinstance(self.x, np.ndarray) else self.x[rows],  # a third of the time
            weights=None if self.weights is None else (np.asarray(self.weights) if self.in_numpy else self.weights)[index],
            lengths=lengths,
            labels=None if self.labels is None else np.asarray(self.labels)[rows],
        )

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others have computed from the rows and want again at the next E-step. It goes with the block; nobody sends it."""
        return {}

    def rows(self, part: slice) -> "Block":
        """Some rows without their sequences and weights, as a family sees them; the same object every time."""
        key = ("rows", part.start, part.stop)
        found: Block | None = self.kept.get(key)
        if found is None:
            labels = None if self.labels is None else self.labels[part]
            rows = max(self.source_rows, self.n)
            found = replace(self, x=self.x[part], weights=None, lengths=None, labels=labels, source_rows=rows)
            self.kept[key] = found
        return found

    @staticmethod
    def join(blocks: Sequence["Block"]) -> "Block":
        """Blocks of one source, in their order, as one."""
        if len(blocks) == 1:
            return blocks[0]

        def joined(name: str) -> Any:
            parts = [getattr(block, name) for block in blocks]
            return None if parts[0] is None else np.concatenate([np.asarray(part) for part in parts])

        arrays = {name: joined(name) for name in ("x", "weights", "lengths", "labels")}
        return replace(blocks[0], **arrays, missing=any(block.missing for block in blocks))

    def read(self) -> "Block":
        """A block in memory is a Part of its source that needs no reading."""
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            object.__setattr__(self, name, value)


class Part(Protocol):
    """A small picklable thing that yields a Block in the process that calls ``read``: one task of an executor."""

    def read(self) -> Block:
        """The block."""
        ...


@dataclass(frozen=True)
class Load:
    """Some of a source's rows (or whole sequences) from places far apart, handed out batch by batch in random order.

    Parameters
    ----------
    parts : sequence of Part
        What they are taken from.
    seed : tuple of int
        Of the order.
    stratum : tuple (g, G), optional
        Of each G runs of units only one is taken, a random one, so that loads 0 to G - 1 take each unit once. Default: all.
    spread : tuple of int
        Seed of which one that is: the same for all loads of a pass.
    """

    parts: Sequence[Part]
    seed: tuple[int, ...]
    stratum: tuple[int, int] = (0, 1)
    spread: tuple[int, ...] = ()

    def batches(self, rows: int) -> "Batches":
        """Blocks of about so many rows; a single one is in the order of the source."""
        whole = Block.join([part.read() for part in self.parts])
        runs, run = self._taken(whole.units, 1 if whole.lengths is not None else _RUN)
        steps = np.full(len(runs), float(run))
        if whole.lengths is not None:
            steps = np.asarray(whole.lengths, dtype=np.float64)[runs]
        pieces = max(1, round(float(steps.sum()) / rows))
        if min(pieces, len(runs)) <= 1:
            return Batches(whole, [runs], run)
        order = np.random.default_rng(self.seed).permutation(len(runs))
        reached = np.cumsum(steps[order])
        cuts = np.unique(1 + np.searchsorted(reached, reached[-1] * np.arange(1, pieces) / pieces * (1 - 1e-12)))
        # In rising order, since the order within a batch means nothing, and memory is read faster.
        return Batches(whole, [np.sort(runs[part]) for part in np.split(order, cuts) if len(part)], run)

    def _taken(self, units: int, run: int) -> tuple[np.ndarray, int]:
        """Numbers of the runs of ``run`` units that this load has; of single units where these are few."""
        g, many = self.stratum
        run = run if units >= 2**10 * run else 1
        runs = -(-units // run)
        if many == 1:
            return np.arange(runs), run
        first = many * np.arange(-(-runs // many))
        index = first + (np.random.default_rng(self.spread).integers(many, size=len(first)) + g) % many
        return index[index < runs], run


@dataclass(frozen=True)
class Batches:
    """Blocks, each made when its turn comes: of the units of ``whole`` in these ``runs`` of ``run``."""

    whole: Block
    runs: Sequence[np.ndarray]
    run: int

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Block]:
        for runs in self.runs:
            if self.run * len(runs) >= self.whole.units:
                yield self.whole
            else:
                yield self.whole.take(_units(runs, self.run, self.whole.units))


def _units(runs: np.ndarray, run: int, units: int) -> np.ndarray:
    """Numbers of the units in runs of ``run``."""
    if run == 1:
        return runs
    found = (run * runs[:, None] + np.arange(run)).ravel()
    return found if found[-1] < units else found[found < units]


class LongPart(ABC):
    """A Part that is read block by block, so that it need not fit in memory as a whole."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """One after the other. An executor adds up what E-steps make of them in this order, and then the parts in theirs."""

    def read(self) -> Block:
        """All of it as one block."""
        return Block.join(list(self.blocks()))


def blocks_of(part: Part) -> Iterator[Block]:
    """What E-steps see of a part, in order."""
    return part.blocks() if isinstance(part, LongPart) else iter((part.read(),))


class Source(ABC):
    """A re-iterable supply of Blocks whose boundaries depend on the data alone, never on threads or machines.

    You implement ``columns``, ``parts`` and ``sample``; you get every algorithm and executor.

    Attributes
    ----------
    columns : Columns
    n_rows : int
        Rows; 0 where that is not known without reading everything.
    total_weight : float
        Their weight.
    in_memory : bool
        Whether a pass costs no reading, so that starts need not share it.
    """

    columns: Columns
    n_rows: int
    total_weight: float
    in_memory: bool = True

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """What to read, in the same order every time."""

    @abstractmethod
    def sample(self, n: int, rng: np.random.Generator) -> "Source":
        """At most ``n`` rows (or enough whole sequences), drawn without replacement, as a source; ``self`` if that is all."""

    def loads(self, rows: int, seed: tuple[int, ...]) -> Sequence[Load]:
        """The data once over for whoever wants them mixed: loads of about ``rows`` rows, each from places far apart.

        They depend on the data and on ``seed`` alone. By default a load is read from 16 parts at least, at equal distances.
        """
        parts = self.parts()
        each = max(self.n_rows // max(len(parts), 1), 1)
        many = -(-len(parts) // max(_PLACES, -(-rows // each)))
        order = np.random.default_rng(seed).permutation(many).tolist()
        return [Load(parts[g::many], (*seed, g)) for g in order]

    @property
    def unmerged(self) -> "Source":
        """The data row by row, where equal rows were merged into weights."""
        return self

    def __iter__(self) -> Iterator[Block]:
        """The blocks, in order."""
        return (block for part in self.parts() for block in blocks_of(part))

    @property
    def width(self) -> Any:
        """The floating-point type of the rows, float32 or float64."""
        return np.float32 if np.asarray(next(iter(self)).x[:0]).dtype == np.float32 else np.float64

    @property
    def labelled(self) -> bool:
        """Whether something is known of the hidden labels of its rows."""
        return next(iter(self)).labels is not None

    def distinct(self) -> "Source":
        """The same data with rows that occur again and again merged into weights, where that pays."""
        return self

    def left_out(self) -> str | None:
        """In words, what could not be read and was left out, as asked; None if nothing was."""
        return None

    @property
    def n_features(self) -> int:
        """Columns."""
        return len(self.columns)

    @property
    def usual_executor(self) -> Any:
        """The executor of whoever keeps the data, where E-steps run unless another one is asked for; None: this process."""
        return None

    def place(self, row: int) -> str:
        """How messages name a row."""
        return f"row {self.user_row(row)}"

    def user_row(self, row: int) -> int:
        """The number that row ``row`` has in the data as the user gave them."""
        return row

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What others have made of the whole source and may want again. It goes with the source; nobody sends it."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "kept"}

    @cached_property
    def summary(self) -> ColumnSummary:
        """Moments, ranges and robust spreads of the columns: gathered in one pass over the blocks, and kept."""
        return self.summary_of(np.asarray)

    def summary_of(self, change: Callable[[np.ndarray], np.ndarray]) -> ColumnSummary:
        """The summary of ``change(x)``, for rows on another scale; see ``summary``."""
        total: ColumnSummary | None = None
        row = 0
        for block in self:
            here = summarise(change(np.asarray(block.x)), block.row_weights, row)
            total = here if total is None else total + here
            row += block.n
        assert total is not None
        return total

    def joined(self) -> Block:
        """Everything as one block."""
        return Block.join(list(self))
