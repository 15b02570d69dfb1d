"""From rows to constant counts and distinct components: the compiled scan, and the room that it asks for on the way."""

from dataclasses import dataclass

import numpy as np

from emkit.models.bayesnet.tables import Layout


@dataclass
class Pool:
    """Keys of whole numbers, each kept once, with a hash table over them; grows when a scan asks for it."""

    keys: np.ndarray
    begin: np.ndarray
    hashes: np.ndarray
    table: np.ndarray

    @classmethod
    def empty(cls, numbers: int) -> "Pool":
        """With room for so many whole numbers."""
        entries = 1 << max(int(numbers).bit_length() - 2, 4)
        return cls(
            np.zeros(numbers, np.int64), np.zeros(entries + 1, np.int64), np.zeros(entries, np.int64),
            np.full(2 * entries, -1, np.int64),
        )  # fmt: skip

    def grown(self, count: int, least: int) -> "Pool":
        """A larger one with the same ``count`` keys, and room for at least ``least`` numbers more."""
        from emkit.kernels.bayesnet_scan import rehash

        new = Pool.empty(2 * len(self.keys) + least)
        entries = max(2 * (len(self.table) // 2), len(new.hashes))
        new = Pool(new.keys, np.zeros(entries + 1, np.int64), np.zeros(entries, np.int64), np.full(2 * entries, -1, np.int64))
        new.keys[: len(self.keys)] = self.keys
        new.begin[: count + 1], new.hashes[:count] = self.begin[: count + 1], self.hashes[:count]
        rehash(new.hashes, count, new.table)
        return new


class Scanner:
    """Takes rows apart, chunk by chunk; what it found lies in ``counts``, ``shapes``, ``components`` and ``mass``.

    Parameters
    ----------
    layout : Layout
    everything : bool or array of bool (N,)
        Whether missing nodes without observed descendants get counts too: the textbook's EM. Without them the likelihood is the
        same, and EM takes another path. An array says so for each node; what a kept node descends from is kept as well.
    """

    def __init__(self, layout: Layout, everything: bool | np.ndarray = False):
        graph = layout.graph
        self.layout = layout
        self.kept = np.broadcast_to(np.asarray(everything, np.bool_), len(graph)).copy()
        self.backward = np.array(graph.topological[::-1], dtype=np.int64)
        self.child_begin = np.concatenate([[0], np.cumsum([len(c) for c in graph.children])]).astype(np.int64)
        self.child_list = np.array([c for children in graph.children for c in children], dtype=np.int64)
        d = len(graph)
        self.counts = np.zeros(layout.total)
        self.shapes, self.components = Pool.empty(16 * d + 64), Pool.empty(64 * d + 256)
        self.mass = np.zeros(len(self.components.hashes))
        self.sizes = np.zeros(3, np.int64)  # shapes, components, pairs
        self._scratch = np.zeros((8, 2 * d + 2), np.int64)
        self._active = np.zeros(d, np.bool_)

    @property
    def graph_arrays(self) -> tuple[np.ndarray, ...]:
        """The network as the kernels read it."""
        return (self.backward, self.child_begin, self.child_list, *self.layout.members, self.layout.offsets)

    def add(self, codes: np.ndarray, weights: np.ndarray | None = None, *, pairs: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Take rows (n, N) of state numbers apart, -1 where one is missing; with ``pairs``, which row has which components."""
        from emkit.kernels.bayesnet_scan import DONE, MORE_SHAPES, scan

        n, d = codes.shape
        weights = np.zeros(0) if weights is None else np.ascontiguousarray(weights, dtype=np.float64)
        room = n * d if pairs else 0
        rows, found = np.empty(room, np.int64), np.empty(room, np.int64)
        self.sizes[2] = 0
        row, why = 0, DONE
        while row < n:
            shapes, components = self.shapes, self.components
            row, why = scan(
                codes, weights, row, self.kept, *self.graph_arrays, self.counts,
                shapes.keys, shapes.begin, shapes.hashes, shapes.table,
                components.keys, components.begin, components.hashes, components.table, self.mass,
                self.sizes, rows, found, self._scratch, self._active,
            )  # fmt: skip
            if why == DONE:
                break
            if why == MORE_SHAPES:
                self.shapes = shapes.grown(int(self.sizes[0]), 4 * d + 2)
            else:
                self.components = components.grown(int(self.sizes[1]), 3 * d)
                mass = np.zeros(len(self.components.hashes))
                mass[: len(self.mass)] = self.mass[: len(mass)]
                self.mass = mass
        many = int(self.sizes[2])
        return rows[:many], found[:many]

    def observed(self, codes: np.ndarray, logs: np.ndarray) -> np.ndarray:
        """Log probability of what each row's fully observed families say, (n,), for log tables (T,)."""
        from emkit.kernels.bayesnet_scan import observed

        out = np.empty(len(codes))
        observed(codes, self.kept, *self.graph_arrays, logs, out, self._active)
        return out
