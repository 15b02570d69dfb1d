"""Where conditional probability tables lie in one flat vector: offsets, strides, rows that add up to 1, tables that are shared."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.graph import Graph

MOST_CELLS = 1 << 28  # of all tables, 2 GiB


@dataclass(frozen=True)
class Layout:
    """The tables of a network's discrete nodes, one after another in a flat vector.

    A node's table has an axis for each parent, in the order of its parents, and then its own: child last, in C order. Nodes that
    share a table have one offset.

    Attributes
    ----------
    graph : Graph
    cards : tuple of int
        States of each node.
    shared : tuple of int
        For each node the first node that has the same table: itself where none is shared.
    """

    graph: Graph
    cards: tuple[int, ...]
    shared: tuple[int, ...]

    @classmethod
    def of(cls, graph: Graph, cards: Sequence[int], tied: Sequence[Sequence[int]] = ()) -> "Layout":
        """Of groups of nodes whose tables are the same. Raises ParameterError where the shapes of tied tables differ."""
        shared = list(range(len(graph)))
        layout = cls(graph, tuple(int(card) for card in cards), tuple(shared))
        layout.refuse_large()
        for group in tied:
            first = min(group)
            for node in group:
                if layout.shape(node) != layout.shape(first):
                    raise ParameterError(
                        f"tied tables: that of {graph.names[node]!r} has shape {layout.shape(node)}, "
                        f"that of {graph.names[first]!r} {layout.shape(first)}",
                        parameter="tied",
                    )
            roots = {shared[node] for node in group}  # of groups that have a node in common one is made
            shared = [min(roots) if root in roots else root for root in shared]
        return cls(graph, layout.cards, tuple(shared))

    def refuse_large(self) -> None:
        """Raise ParameterError, naming the node of the largest table, for tables that would not fit in memory."""
        cells = [prod(self.shape(node)) for node in range(len(self.graph))]
        if sum(cells) > MOST_CELLS:
            node = cells.index(max(cells))
            raise ParameterError(
                f"the table of node {self.graph.names[node]!r} with {len(self.graph.parents[node])} parents has {cells[node]:.3g} "
                f"cells, all tables {sum(cells):.3g}; at most {MOST_CELLS} are held: take parents or states away",
                parameter="edges",
            )

    def shape(self, node: int) -> tuple[int, ...]:
        """Of a node's table: its parents' states, then its own."""
        return (*(self.cards[p] for p in self.graph.parents[node]), self.cards[node])

    @cached_property
    def owners(self) -> tuple[int, ...]:
        """Nodes whose tables are stored, in order: all but those that use the table of another."""
        return tuple(node for node in range(len(self.graph)) if self.shared[node] == node)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Entries of each node's table, int64 (N,)."""
        return np.array([prod(self.shape(node)) for node in range(len(self.graph))], dtype=np.int64)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each node's table begins, int64 (N,)."""
        own = np.zeros(len(self.graph), dtype=np.int64)
        own[list(self.owners)] = np.concatenate([[0], np.cumsum(self.sizes[list(self.owners)])[:-1]])
        return own[list(self.shared)]

    @property
    def total(self) -> int:
        """Entries of all stored tables."""
        return int(self.sizes[list(self.owners)].sum())

    @cached_property
    def members(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Members of all families, parents first, the child last: where each family's begin (N + 1,), nodes and strides."""
        begins, nodes, strides = [0], list[int](), list[int]()
        for node, parents in enumerate(self.graph.parents):
            shape = self.shape(node)
            nodes += [*parents, node]
            strides += [prod(shape[i + 1 :]) for i in range(len(shape))]
            begins.append(len(nodes))
        return np.array(begins, dtype=np.int64), np.array(nodes, dtype=np.int64), np.array(strides, dtype=np.int64)

    @cached_property
    def rows(self) -> np.ndarray:
        """Where the rows of all tables begin in the flat vector, int64: entries from one to the next add up to 1."""
        found = [self.offsets[node] + np.arange(0, self.sizes[node], self.cards[node], dtype=np.int64) for node in self.owners]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    @cached_property
    def row_of(self) -> np.ndarray:
        """The number of the row that each entry is in, int64 (T,)."""
        return np.repeat(np.arange(len(self.rows)), np.diff(np.append(self.rows, self.total)))

    def table(self, flat: np.ndarray, node: int) -> np.ndarray:
        """A node's table in a flat vector: a view, with an axis for each parent and then its own."""
        begin = int(self.offsets[node])
        return flat[begin : begin + int(self.sizes[node])].reshape(self.shape(node))

    def flat(self, tables: Sequence[np.ndarray]) -> np.ndarray:
        """The flat vector of the stored tables, in the order of ``owners``."""
        return np.concatenate([np.zeros(0), *(np.asarray(table, dtype=np.float64).ravel() for table in tables)])

    def sums(self, flat: np.ndarray) -> np.ndarray:
        """The sum of each row."""
        return np.add.reduceat(flat, self.rows) if len(self.rows) else np.zeros(0)

    def mode(self, counts: np.ndarray, held: np.ndarray | None, old: np.ndarray) -> np.ndarray:
        """Each row's counts over their sum; what is held stays, the rest share what it leaves.

        A row without counts stays as it was.
        """
        if held is None:
            total = self.sums(counts)
            with np.errstate(invalid="ignore", divide="ignore"):
                new = counts / total[self.row_of]
            return np.where(total[self.row_of] > 0, new, old)
        free = np.isnan(held)
        some = np.where(free, np.maximum(counts, 0.0), 0.0)
        left = 1.0 - self.sums(np.where(free, 0.0, held))
        total = self.sums(some)
        with np.errstate(invalid="ignore", divide="ignore"):
            new = np.where(total[self.row_of] > 0, some * (left / total)[self.row_of], old)
        return np.where(free, new, held)
