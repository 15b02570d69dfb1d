"""Which arcs a learnt graph must have, may have and must not have."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.graph import Graph

MOST_CELLS = 1 << 20  # of a family's table, 8 MiB


@dataclass(frozen=True)
class Constraints:
    """Arcs by number of nodes.

    Attributes
    ----------
    cards : tuple of int
        States of each node.
    required, allowed : bool arrays (N, N)
        Entry [p, c] is of the arc from p to c.
    max_parents : int
        Of a node.
    """

    cards: tuple[int, ...]
    required: np.ndarray
    allowed: np.ndarray
    max_parents: int

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        cards: Sequence[int],
        required: Iterable[tuple[str, str]] = (),
        forbidden: Iterable[tuple[str, str]] = (),
        tiers: Sequence[Iterable[str]] = (),
        max_parents: int | None = None,
    ) -> "Constraints":
        """From names.

        Parameters
        ----------
        required, forbidden : pairs (parent, child)
        tiers : sequence of groups of names
            No arc runs from a later group to an earlier one; nodes in no group are free.
        max_parents : int, optional
            By default as many as tables of a million cells hold.

        Raises
        ------
        ParameterError
            For unknown names, required arcs in a circle, or that are forbidden, or more than ``max_parents``, and tables too large.
        """
        place = {name: i for i, name in enumerate(names)}
        many = len(names)
        need = _marks(required, "required", place)
        allowed = ~_marks(forbidden, "forbidden", place) & ~np.eye(many, dtype=np.bool_)
        allowed &= ~_backward(tiers, place)
        for p, c in np.argwhere(need & ~allowed):
            what = "an arc to itself" if p == c else "also forbidden, or against the tiers"
            raise ParameterError(f"required: {names[p]!r} -> {names[c]!r} is {what}", parameter="required")
        try:
            Graph.of_edges(names, [(names[p], names[c]) for p, c in np.argwhere(need)])
        except ParameterError as error:
            raise ParameterError(f"required: {error}", parameter="required") from None
        most = many - 1 if max_parents is None else min(max_parents, many - 1)
        over = need.sum(axis=0)
        if many and over.max(initial=0) > most:
            child = int(over.argmax())
            raise ParameterError(
                f"required: {names[child]!r} has {over[child]} parents, max_parents allows {most}", parameter="required"
            )
        found = cls(tuple(map(int, cards)), need, allowed, most)
        if max_parents is not None:
            found.refuse_large(names)
        return found

    def refuse_large(self, names: Sequence[str]) -> None:
        """Raise ParameterError, with the size, where some node with ``max_parents`` parents has too large a table."""
        order = np.argsort(self.cards)[::-1][: self.max_parents + 1]
        cells = prod(self.cards[node] for node in order)
        if cells > MOST_CELLS:
            most = max(k for k in range(len(order)) if prod(self.cards[node] for node in order[: k + 1]) <= MOST_CELLS or not k)
            few = ", ".join(f"{names[node]!r} ({self.cards[node]} states)" for node in order[:6])
            raise ParameterError(
                f"max_parents={self.max_parents}: a table of {few}{' and others' if len(order) > 6 else ''} has {cells:.3g} cells, "
                f"at most {MOST_CELLS} are tried; max_parents={most} fits, and so do fewer states. Without max_parents, tables "
                "that are too large are left out",
                parameter="max_parents",
            )

    def fits(self, child: int, parents: Iterable[int]) -> bool:
        """Whether a table of this family is small enough to be tried."""
        return prod((self.cards[child], *(self.cards[p] for p in parents))) <= MOST_CELLS

    def welcome(self, child: int, parents: Collection[int]) -> np.ndarray:
        """Which nodes may come to these parents, bool (N,): allowed, not too many, and no table that is too large to be tried."""
        if len(parents) >= self.max_parents:
            return np.zeros(len(self.cards), np.bool_)
        cells = prod((self.cards[child], *(self.cards[p] for p in parents)))
        found: np.ndarray = self.allowed[:, child] & (self._sizes <= MOST_CELLS // cells)
        found[list(parents)] = False
        return found

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.asarray(self.cards)

    def joined(self, first: Sequence[Iterable[int]], second: Sequence[Iterable[int]]) -> tuple[tuple[int, ...], ...]:
        """The second graph, which obeys the constraints, and of the first what can be had beside it."""
        parents = [set(of) for of in second]
        for child, of in enumerate(first):
            for parent in of:
                if self.welcome(child, parents[child])[parent] and not _leads(parents, parent, child):
                    parents[child].add(parent)
        return tuple(tuple(sorted(of)) for of in parents)

    @property
    def least(self) -> tuple[tuple[int, ...], ...]:
        """The graph of the required arcs alone: parents of each node, ascending."""
        return tuple(tuple(np.flatnonzero(self.required[:, child]).tolist()) for child in range(len(self.cards)))


def _leads(parents: Sequence[Collection[int]], node: int, ancestor: int) -> bool:
    """Whether arcs lead from ``ancestor`` to ``node``."""
    seen, left = {node}, [node]
    while left:
        for parent in parents[left.pop()]:
            if parent not in seen:
                seen.add(parent)
                left.append(parent)
    return ancestor in seen


def _marks(pairs: Iterable[tuple[str, str]], setting: str, place: Mapping[str, int]) -> np.ndarray:
    marks = np.zeros((len(place), len(place)), np.bool_)
    for parent, child in pairs:
        for name in (parent, child):
            if name not in place:
                raise ParameterError(f"{setting}: there is no column {name!r}", parameter=setting)
        marks[place[parent], place[child]] = True
    return marks


def _backward(tiers: Sequence[Iterable[str]], place: Mapping[str, int]) -> np.ndarray:
    """Arcs from a later tier to an earlier one."""
    tier = np.full(len(place), -1)
    for number, group in enumerate(tiers):
        for name in group:
            if name not in place:
                raise ParameterError(f"tiers: there is no column {name!r}", parameter="tiers")
            if tier[place[name]] >= 0:
                raise ParameterError(f"tiers: {name!r} is in two of them", parameter="tiers")
            tier[place[name]] = number
    return (tier[:, None] > tier[None, :]) & (tier[:, None] >= 0) & (tier[None, :] >= 0)
