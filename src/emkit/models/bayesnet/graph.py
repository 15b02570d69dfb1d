"""The directed acyclic graph of a network: checked, ordered, and what of it a row with holes leaves to be summed over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emkit.core.errors import ParameterError


@dataclass(frozen=True)
class Graph:
    """Nodes by number, with the parents of each.

    Attributes
    ----------
    names : tuple of str
        Of the nodes, all different.
    parents : tuple of tuples of int
        Of each node, in the order in which its table has them.
    """

    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.names if self.names.count(name) > 1}) if len(set(self.names)) < len(self) else []
        if twice:
            raise ParameterError(f"two nodes are called {twice[0]!r}; every node needs a name of its own", parameter="edges")
        for node, parents in enumerate(self.parents):
            if len(set(parents)) < len(parents):
                again = next(p for p in parents if parents.count(p) > 1)
                raise ParameterError(f"node {self.names[node]!r} has the parent {self.names[again]!r} twice", parameter="edges")
        if len(self.topological) < len(self):
            raise ParameterError(f"the edges run in a circle: {self._circle()}; take one of them away", parameter="edges")

    @classmethod
    def of_edges(cls, nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> "Graph":
        """From pairs (parent, child) of names; a node's parents come in the order of the edges.

        Raises ParameterError for an edge to or from a node that there is not.
        """
        names = tuple(nodes)
        place = {name: i for i, name in enumerate(names)}
        parents: list[list[int]] = [[] for _ in names]
        for parent, child in edges:
            for name in (parent, child):
                if name not in place:
                    raise ParameterError(f"edge {parent!r} -> {child!r}: there is no node {name!r}", parameter="edges")
            parents[place[child]].append(place[parent])
        return cls(names, tuple(map(tuple, parents)))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def edges(self) -> list[tuple[str, str]]:
        """Pairs (parent, child) of names."""
        return [(self.names[p], self.names[i]) for i, parents in enumerate(self.parents) for p in parents]

    @cached_property
    def children(self) -> tuple[tuple[int, ...], ...]:
        """Of each node, in ascending order."""
        found: list[list[int]] = [[] for _ in self.names]
        for node, parents in enumerate(self.parents):
            for parent in parents:
                found[parent].append(node)
        return tuple(map(tuple, found))

    @cached_property
    def topological(self) -> tuple[int, ...]:
        """Nodes such that parents come before their children; fewer than all where edges run in a circle."""
        waiting = [len(parents) for parents in self.parents]
        ready = [node for node in range(len(self) - 1, -1, -1) if not waiting[node]]
        order: list[int] = []
        while ready:
            node = ready.pop()
            order.append(node)
            for child in reversed(self.children[node]):
                waiting[child] -= 1
                if not waiting[child]:
                    ready.append(child)
        return tuple(order)

    def _circle(self) -> str:
        """The nodes of one circle, in words."""
        left = set(range(len(self))) - set(self.topological)
        path, place, node = list[int](), dict[int, int](), min(left)
        while node not in place:
            place[node] = len(path)
            path.append(node)
            node = next(p for p in self.parents[node] if p in left)
        around = [*path[place[node] :], node][::-1]
        return " -> ".join(repr(self.names[node]) for node in around)

    def with_ancestors(self, nodes: np.ndarray) -> np.ndarray:
        """Marks of nodes, bool (N,) or (n, N), and of all that they descend from: changed in place."""
        for node in self.topological[::-1]:
            for child in self.children[node]:
                nodes[..., node] |= nodes[..., child]
        return nodes

    def elimination_order(self, cards: Sequence[int]) -> tuple[int, ...]:
        """Nodes in the order in which they are summed out: each time the one that adds fewest edges between its neighbours.

        Ties go to the smaller product of cardinalities, then to the first node. Kjaerulff (1990), Triangulation of graphs.
        """
        near: list[set[int]] = [set() for _ in self.names]
        for node, parents in enumerate(self.parents):
            family = {node, *parents}
            for member in family:
                near[member] |= family - {member}
        logs = np.log(np.asarray(cards, dtype=np.float64))

        def price(node: int) -> tuple[int, float]:
            around = near[node]
            missing = sum(len(around - near[other]) - 1 for other in around)  # each absent edge is seen from both ends
            return missing // 2, float(logs[node] + sum(logs[other] for other in around))

        prices = {node: price(node) for node in range(len(self))}
        order: list[int] = []
        while prices:
            node = min(prices, key=lambda other: (*prices[other], other))
            order.append(node)
            around = near[node]
            touched = set(around)
            for other in around:
                touched |= near[other]
                near[other] |= around - {other}
                near[other].discard(node)
            del prices[node]
            for other in touched:
                if other in prices:
                    prices[other] = price(other)
        return tuple(order)

    def unidentified(self, hidden: Mapping[int, int] | Iterable[int]) -> list[str]:
        """What cannot be learnt of hidden nodes, a sentence each: a leaf without children, a root with a single child."""
        said, there = [], set(hidden)
        seen_below = [False] * len(self)
        for node in self.topological[::-1]:
            seen_below[node] = any(child not in there or seen_below[child] for child in self.children[node])
        for node in sorted(there):
            name, children = self.names[node], self.children[node]
            if not seen_below[node]:
                said.append(f"hidden node {name!r} has no observed descendant, so the data say nothing of it")
            elif not self.parents[node] and len(children) == 1 and set(self.parents[children[0]]) == {node}:
                said.append(
                    f"hidden node {name!r} has no parent and the single child {self.names[children[0]]!r}, "
                    "so many tables fit equally well"
                )
        return said


def unused(name: str, names: Sequence[str]) -> str:
    """The name, with as many primes as it takes to be none of these."""
    while name in names:
        name += "'"
    return name
