"""The compiled form of data: constant counts, distinct components, and a tape of buckets for each of their shapes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.scanning import Scanner
from emkit.models.bayesnet.tables import Layout

MAX_TABLE = 2.0**26
"""Cells of the largest table that is summed over, unless a model says otherwise."""


@dataclass(frozen=True)
class Tapes:
    """Buckets of all shapes: see ``emkit.kernels.bayesnet_tape.lay_out``.

    Attributes
    ----------
    begin : int array (shapes + 1,), where each shape's buckets begin
    buckets, factors, index : int arrays
    work : array (shapes,), multiplications of one sweep
    """

    begin: np.ndarray
    buckets: np.ndarray
    factors: np.ndarray
    index: np.ndarray
    work: np.ndarray

    @cached_property
    def room(self) -> tuple[int, int, int]:
        """Cells of tables and of messages, and buckets, that the largest shape needs in a workspace."""
        if not len(self.buckets):
            return 1, 1, 1
        last = self.buckets[self.begin[1:] - 1]
        tables, messages = last[:, 4] + last[:, 0], last[:, 5] + last[:, 0] // last[:, 1]
        return int(tables.max()), int(messages.max()), int(np.diff(self.begin).max())


@dataclass(frozen=True)
class Plan:
    """What E-steps over some rows need.

    Attributes
    ----------
    layout : Layout
    counts : array (T,)
        Weights of fully observed families.
    shape_of : int array (C,)
        The shape of each distinct component.
    base_begin, bases : int arrays (C,), (.)
        Where each component's bases begin, one for each family of its shape.
    mass : array (C,)
        Weights.
    tapes : Tapes
    numbers : int array (C,)
        What the scanner called each component; they are sorted by shape.
    """

    layout: Layout
    counts: np.ndarray
    shape_of: np.ndarray
    base_begin: np.ndarray
    bases: np.ndarray
    mass: np.ndarray
    tapes: Tapes
    numbers: np.ndarray

    @classmethod
    def of(cls, scanner: Scanner, order: np.ndarray, max_table: float = MAX_TABLE) -> "Plan":
        """From what a scanner found; ``order``: the place of each node in the elimination order.

        Raises ParameterError, before anything large is made, where a component has a table of more than ``max_table`` cells.
        """
        shapes, components = (int(size) for size in scanner.sizes[:2])
        tapes = _tapes(scanner, shapes, order, max_table)
        begin, bases = scanner.components.begin[: components + 1], scanner.components.keys
        shape_of = bases[begin[:-1]] if components else np.zeros(0, np.int64)
        by_shape = np.argsort(shape_of, kind="stable")  # a tape that was just read is at hand
        return cls(
            scanner.layout, scanner.counts, shape_of[by_shape], begin[:-1][by_shape] + 1, bases[: begin[-1]].copy(),
            scanner.mass[:components][by_shape], tapes, by_shape,
        )  # fmt: skip

    @property
    def n_components(self) -> int:
        """Distinct components."""
        return len(self.shape_of)

    @property
    def n_bytes(self) -> int:
        """Memory that it holds."""
        arrays = (self.counts, self.shape_of, self.base_begin, self.bases, self.mass, *vars(self.tapes).values())
        return sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))

    @cached_property
    def pieces(self) -> list[tuple[int, int]]:
        """Runs of components of about equal work, cut by the data alone."""
        total = np.cumsum(self.tapes.work[self.shape_of]) if self.n_components else np.zeros(0)
        many = 1 if not len(total) else int(min(max(total[-1] // _WORK, 1), 64))
        cuts = np.searchsorted(total, np.linspace(0, total[-1] if len(total) else 0, many + 1)[1:-1])
        bounds = np.unique(np.concatenate([[0], cuts, [self.n_components]])).astype(np.int64)
        return list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))

    def sweep(self, theta: np.ndarray, part: tuple[int, int], counts: np.ndarray | None, logs: np.ndarray) -> None:
        """Log probabilities of a run of components into ``logs`` (C,), and their expected counts added to ``counts`` (T,)."""
        from emkit.kernels.bayesnet_tape import sweeps

        tables, messages, buckets = self.tapes.room
        sweeps(
            theta, np.asarray(part, np.int64), self.shape_of, self.base_begin, self.bases, self.mass,
            self.tapes.begin, self.tapes.buckets, self.tapes.factors, self.tapes.index,
            np.empty(tables), np.empty(messages), np.empty(messages), np.empty(buckets),
            np.zeros(0) if counts is None else counts, logs, counts is not None,
        )  # fmt: skip


_WORK = 2_000_000  # multiplications of a piece: a few milliseconds


def _tapes(scanner: Scanner, shapes: int, order: np.ndarray, max_table: float) -> Tapes:
    from emkit.kernels.bayesnet_tape import DONE, TOO_LARGE, lay_out_all

    layout = scanner.layout
    cards = np.asarray(layout.cards, np.int64)
    keys, begin = scanner.shapes.keys, scanner.shapes.begin
    most = max(int(keys[begin[:shapes]].max(initial=1)), 1)
    scope, scratch, bucket_of = np.zeros((most, most), np.bool_), np.zeros((3, most), np.int64), np.zeros(len(cards), np.int64)
    begins, work = np.zeros(shapes + 1, np.int64), np.zeros(shapes)
    pools: list[np.ndarray] = [np.zeros((1024, 6), np.int64), np.zeros((4096, 2), np.int64), np.zeros(65536, np.int32)]
    at, largest = np.zeros(3, np.int64), np.zeros(3)
    shape, why = 0, DONE
    while True:
        shape, why = lay_out_all(
            keys, begin, shape, shapes, float(max_table), order, *layout.members, cards, scope, scratch, bucket_of,
            *pools, at, begins, work, largest,
        )  # fmt: skip
        if why == DONE:
            break
        if why == TOO_LARGE:
            raise _too_large(layout, keys[begin[shape] + 1 : begin[shape] + 1 + keys[begin[shape]]], float(largest[0]), max_table)
        pools = [_room(pool, int(need)) for pool, need in zip(pools, largest, strict=True)]
    buckets, factors, index = (pool[:end].copy() for pool, end in zip(pools, at, strict=True))
    return Tapes(begins, buckets, factors, index, work)


def _room(pool: np.ndarray, need: int) -> np.ndarray:
    if need <= len(pool):
        return pool
    new = np.zeros((max(2 * len(pool), need), *pool.shape[1:]), pool.dtype)
    new[: len(pool)] = pool
    return new


def _too_large(layout: Layout, nodes: np.ndarray, largest: float, limit: float) -> ParameterError:
    names = [layout.graph.names[node] for node in nodes]
    few = ", ".join(map(repr, names[:8])) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return ParameterError(
        f"the missing nodes {few} depend on each other through a table of {largest:.3g} cells, {8 * largest / 2**30:.3g} GB; "
        f"max_table allows {limit:.3g}. Observe more of them, take edges away, or raise max_table",
        parameter="max_table",
    )
