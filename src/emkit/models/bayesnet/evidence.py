"""Data in the form in which a network reads them: codes of states, and a Source of compiled components."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.models.bayesnet.enumerate import FlatPlan
from emkit.models.bayesnet.plan import Plan

MISSING = -1


def codes_of(x: Any, columns: Sequence[int] | np.ndarray) -> np.ndarray:
    """State numbers of each node, (n, N), -1 where one is missing; ``columns``: the column of each node, -1 for a hidden one."""
    x, place = np.asarray(x), np.asarray(columns)
    out = np.full((len(x), len(place)), MISSING, dtype=np.int32)
    seen = np.flatnonzero(place >= 0)
    cells = x[:, place[seen]]
    out[:, seen] = np.where(np.isnan(cells), MISSING, cells).astype(np.int32)
    return out


def columns_of(nodes: int, hidden: Sequence[int]) -> tuple[int, ...]:
    """The column of each of so many nodes, -1 for a hidden one."""
    place = {node: j for j, node in enumerate(node for node in range(nodes) if node not in hidden)}
    return tuple(place.get(node, -1) for node in range(nodes))


def check_cells(source: Source, names: Sequence[str], cards: Sequence[int]) -> None:
    """Raise DataError, naming column and row, for a cell that is no state of its node, or an infinite number.

    ``names``, ``cards``: of the nodes that the columns are; 0 states for a Gaussian one.
    """
    if source.n_features != len(names):
        raise DataError(f"the data have {source.n_features} columns, the network has {len(names)} nodes that are not hidden")
    row, limit = 0, np.array([card or np.inf for card in cards], dtype=np.float64)
    states = np.isfinite(limit)
    for block in source:
        x = np.asarray(block.x)
        with np.errstate(invalid="ignore"):
            bad = np.where(states, (x < 0) | (x >= limit) | (x != np.round(x)), np.isinf(x)) & ~np.isnan(x)
        if bad.any():
            i, j = (int(at[0]) for at in np.nonzero(bad))
            has = f"node {names[j]!r} has the states 0 to {cards[j] - 1}" if states[j] else "give a finite number"
            raise DataError(
                f"{source.columns.called(j)} {source.place(row + i)} is {x[i, j]:g}; {has}",
                column=source.columns[j].name, row=source.user_row(row + i),
            )  # fmt: skip
        row += block.n


@dataclass(frozen=True)
class Piece:
    """A run of a plan's components; the first of them also stands for everything that is fully observed."""

    plan: Plan | FlatPlan
    part: tuple[int, int]
    first: bool


@dataclass(frozen=True)
class EvidencePart:
    """A piece as a Part of a source: whoever gets it, in whichever process, has the components that are to be summed over."""

    piece: Piece
    columns: Columns
    n_rows: int

    def read(self) -> Block:
        """A block without rows, which the network's E-step knows by its piece."""
        block = Block(np.zeros((0, len(self.columns))), source_rows=self.n_rows, columns=self.columns)
        block.kept["piece"] = self.piece
        return block


class EvidenceSource(Source):
    """Rows as one compiled plan, whose blocks are runs of components of about equal work.

    Parameters
    ----------
    rows : Source
        What was compiled: samples are drawn from it, and rows named by it.
    plan : Plan
    prepare : callable
        What compiles a Source, for samples.
    """

    def __init__(self, rows: Source, plan: Plan | FlatPlan, prepare: Any):
        self.rows, self.plan, self._prepare = rows, plan, prepare
        self.columns: Columns = rows.columns
        self.n_rows, self.total_weight = rows.n_rows, rows.total_weight
        pieces = [Piece(plan, part, i == 0) for i, part in enumerate(plan.pieces or [(0, 0)])]
        self._parts = [EvidencePart(piece, rows.columns, rows.n_rows) for piece in pieces]

    def parts(self) -> Sequence[EvidencePart]:
        """The runs of components."""
        return self._parts

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """Rows drawn at random, compiled likewise; ``self`` if that is all."""
        found = self.rows.sample(n, rng)
        return self if found is self.rows else self._prepare(found)

    def joined(self) -> Block:
        """The rows."""
        return self.rows.joined()

    @property
    def summary(self) -> Any:  # type: ignore[override]
        """Of the rows."""
        return self.rows.summary

    def user_row(self, row: int) -> int:
        """As the rows have it."""
        return self.rows.user_row(row)
