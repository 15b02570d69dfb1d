"""Rows compiled for questions: their distinct components, which row has which, and the node of every bucket."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.errors import DataError
from emkit.models.bayesnet.plan import Plan
from emkit.models.bayesnet.scanning import Scanner


@dataclass(frozen=True)
class Compiled:
    """Rows with holes as a plan, and the way back to the rows; what it is compiled for holds for any tables.

    Attributes
    ----------
    codes : int array (n, N)
        State numbers, -1 where one is missing.
    scanner : Scanner
    plan : Plan
    rows, which : int arrays (pairs,)
        Row ``rows[p]`` has the plan's component ``which[p]``.
    rank : int array (N,)
        The place of each node in the order of elimination.
    """

    codes: np.ndarray
    scanner: Scanner
    plan: Plan
    rows: np.ndarray
    which: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(cls, model: Any, codes: np.ndarray, kept: bool | np.ndarray = False) -> "Compiled":
        """Of rows; ``kept``: of which missing nodes without observed descendants something is asked, all or as bool (N,).

        Raises
        ------
        DataError
            For a code that is no state.
        ParameterError
            Where the model's ``max_table`` is too small.
        """
        codes = checked(model, codes)
        scanner = Scanner(model.layout, kept)
        rows, which = scanner.add(codes, pairs=True)
        plan = Plan.of(scanner, model.rank, model.max_table)
        place = np.empty(plan.n_components, np.int64)
        place[plan.numbers] = np.arange(plan.n_components)
        return cls(codes, scanner, plan, rows, place[which], model.rank)

    @cached_property
    def node_of(self) -> np.ndarray:
        """The node that each of the tapes' buckets sums out."""
        return _nodes(self.scanner, self.rank)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Nodes of each component, (C,)."""
        begin = self.plan.tapes.begin
        return (begin[1:] - begin[:-1])[self.plan.shape_of]

    @property
    def tape(self) -> tuple[np.ndarray, ...]:
        """Components and tapes as the kernels read them."""
        plan, tapes = self.plan, self.plan.tapes
        return plan.shape_of, plan.base_begin, plan.bases, tapes.begin, tapes.buckets, tapes.factors, tapes.index

    def log_probability(self, tables: np.ndarray, logs: np.ndarray | None = None) -> np.ndarray:
        """Log probability of what each row has observed, (n,); ``logs``: those of the components if they are known."""
        if logs is None:
            logs = np.empty(self.plan.n_components)
            self.plan.sweep(tables, (0, self.plan.n_components), None, logs)
        with np.errstate(divide="ignore"):
            total = self.scanner.observed(self.codes, np.log(tables))
        return total + np.bincount(self.rows, weights=logs[self.which], minlength=len(total))


def checked(model: Any, codes: np.ndarray) -> np.ndarray:
    """Codes as the kernels take them, int32 (n, N). Raises DataError for one that is no state of its node."""
    codes = np.ascontiguousarray(codes, dtype=np.int32)
    if codes.ndim != 2 or codes.shape[1] != len(model.graph):
        raise DataError(f"state numbers have shape {codes.shape}; give rows of {len(model.graph)}, one for each node")
    if len(codes):
        for node in np.flatnonzero((codes.max(axis=0) >= np.asarray(model.cards)) | (codes.min(axis=0) < -1)):
            row = int(np.flatnonzero((codes[:, node] >= model.cards[node]) | (codes[:, node] < -1))[0])
            raise DataError(
                f"node {model.graph.names[node]!r} has the states 0 to {model.cards[node] - 1}, and -1 where it is missing; "
                f"row {row} has {codes[row, node]}",
                column=model.graph.names[node], row=row,
            )  # fmt: skip
    return codes


def _nodes(scanner: Scanner, rank: np.ndarray) -> np.ndarray:
    """The nodes of all shapes, each shape's in the order of elimination: that of its buckets."""
    keys, begin = scanner.shapes.keys, scanner.shapes.begin
    found = [keys[begin[s] + 1 : begin[s] + 1 + keys[begin[s]]] for s in range(int(scanner.sizes[0]))]
    if not found:
        return np.zeros(0, np.int64)
    nodes, shapes = np.concatenate(found), np.repeat(np.arange(len(found)), list(map(len, found)))
    return nodes[np.lexsort((rank[nodes], shapes))]
