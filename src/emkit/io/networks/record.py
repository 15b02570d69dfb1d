"""A Bayesian network over discrete nodes as files have it: names, states, parents, tables. Checked when it is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.models.bayesnet.graph import Graph

_T = TypeVar("_T")

MAX_CELLS = 2**26
"""Entries of the largest table that is made: half a gigabyte."""

MAX_PARENTS = 31
"""Arrays of NumPy before 2.0 have at most 32 axes."""

ROUNDING = 1e-2
"""How far from 1 a row of a published table may add up; it is scaled then, and refused beyond."""

EXACT = 1e-12
"""Rows so close to 1 stay as they are, to the last bit."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes with their states, parents and tables.

    Attributes
    ----------
    names : tuple of str
        Of the nodes, all different and none empty.
    states : tuple of tuples of str
        Of each node, all different.
    parents : tuple of tuples of str
        Of each node, names in the order in which its table has them.
    tables : tuple of arrays
        Of each node: an axis for each parent, and its own last; float64 and read-only. Rows add up to 1: one that misses it by less
        than 1e-2, as rounding in published files does, is scaled; within 1e-12 it stays as it is, to the last bit.
    properties : mapping from names of nodes to mappings of str to str
        What else a file says of a node.
    title : str
        The network's own name; empty where it has none.
    remarks : mapping of str to str
        What else a file says of the network.

    Raises
    ------
    DataError
        Where a name comes twice, a parent is no node, edges run in a circle, or a table has another shape than its parents and
        states make, holds a negative, infinite or missing number, or a row that does not add up to 1. ``column`` is the node.
    """

    names: tuple[str, ...]
    states: tuple[tuple[str, ...], ...]
    parents: tuple[tuple[str, ...], ...]
    tables: tuple[np.ndarray, ...]
    properties: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    title: str = ""
    remarks: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_nodes(self.names, self.states, self.parents)
        if len(self.tables) != len(self.names):
            raise DataError(f"{len(self.names)} nodes have {len(self.tables)} tables; each needs one")
        for name in self.properties:
            if name not in self.place:
                raise DataError(f"properties are given of a node {name!r} that there is not", column=name)
        tables = tuple(
            settled(np.asarray(table, dtype=np.float64), name, shape)
            for name, table, shape in zip(self.names, self.tables, self.shapes, strict=True)
        )
        object.__setattr__(self, "tables", tables)

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        """Whether everything is the same, tables to the last bit."""
        if not isinstance(other, Network):
            return NotImplemented
        same = (self.names, self.states, self.parents, self.title) == (other.names, other.states, other.parents, other.title)
        kept = {k: dict(v) for k, v in self.properties.items() if v} == {k: dict(v) for k, v in other.properties.items() if v}
        return same and kept and dict(self.remarks) == dict(other.remarks) and all(map(np.array_equal, self.tables, other.tables))

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def place(self) -> dict[str, int]:
        """The number of each node."""
        return {name: i for i, name in enumerate(self.names)}

    @cached_property
    def graph(self) -> Graph:
        """The checked graph, for ``BayesNet``."""
        return _graph(self.names, self.parents)

    @property
    def cards(self) -> tuple[int, ...]:
        """States of each node."""
        return tuple(map(len, self.states))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of each table."""
        cards = dict(zip(self.names, self.cards, strict=True))
        return tuple((*(cards[p] for p in self.parents[i]), len(states)) for i, states in enumerate(self.states))

    @property
    def n_edges(self) -> int:
        """Arcs of the graph."""
        return sum(map(len, self.parents))

    @property
    def n_free(self) -> int:
        """Free parameters: entries of all tables but one in each row."""
        return sum(table.size - table.size // table.shape[-1] for table in self.tables)

    def table(self, name: str) -> np.ndarray:
        """A node's table."""
        return self.tables[self.place[name]]

    def said(self, name: str) -> Mapping[str, str]:
        """A node's properties."""
        return self.properties.get(name, _NOTHING)


def check_nodes(names: Sequence[str], states: Sequence[Sequence[str]], parents: Sequence[Sequence[str]]) -> None:
    """Raise DataError where names, states or parents make no network, or a table would be too large. No table is made."""
    if not len(names) == len(states) == len(parents):
        raise DataError(f"{len(names)} nodes have {len(states)} lists of states and {len(parents)} of parents; each needs one")
    cards: dict[str, int] = {}
    for name, own in zip(names, states, strict=True):
        if not name:
            raise DataError("a node has an empty name")
        if name in cards:
            raise DataError(f"two nodes are called {name!r}", column=name)
        if not own:
            raise DataError(f"node {name!r} has no states", column=name)
        if len(set(own)) < len(own):
            raise DataError(f"node {name!r} has the state {first_twice(own)!r} twice", column=name)
        cards[name] = len(own)
    for name, above in zip(names, parents, strict=True):
        unknown = next((parent for parent in above if parent not in cards), None)
        if unknown is not None:
            raise DataError(f"node {name!r} has the parent {unknown!r}, but there is no such node", column=name)
        if len(set(above)) < len(above):
            raise DataError(f"node {name!r} has the parent {first_twice(above)!r} twice", column=name)
        if len(above) > MAX_PARENTS:
            raise DataError(f"node {name!r} has {len(above)} parents, more than {MAX_PARENTS}", column=name)
        if prod(cards[parent] for parent in above) * cards[name] > MAX_CELLS:
            raise DataError(
                f"the table of node {name!r} with its {len(above)} parents has more entries than {MAX_CELLS:,}", column=name
            )
    _graph(names, parents)


def first_twice(items: Sequence[_T]) -> _T:
    """The first item that was there before; there is one."""
    seen = set[_T]()
    for item in items:
        if item in seen:
            return item
        seen.add(item)
    raise AssertionError("all items are different")


def _graph(names: Sequence[str], parents: Sequence[Sequence[str]]) -> Graph:
    place = {name: i for i, name in enumerate(names)}
    try:
        return Graph(tuple(names), tuple(tuple(place[parent] for parent in above) for above in parents))
    except ParameterError as error:
        raise DataError(f"{error!s:.500}") from error


def settled(table: np.ndarray, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of a node's table whose rows add up to 1. Raises DataError where they are no probabilities."""
    if table.shape != shape:
        raise DataError(f"the table of node {name!r} has the shape {table.shape}; its parents and states make {shape}", column=name)
    own = np.array(table, order="C").reshape(-1, shape[-1])
    bad = ~(own >= 0) | ~np.isfinite(own)
    if bad.any():
        row, state = map(int, np.argwhere(bad)[0])
        raise DataError(f"the table of node {name!r} has {own[row, state]} in row {row}: it is no probability", column=name)
    total = own.sum(axis=1)
    off = np.abs(total - 1.0)
    if off.max() > ROUNDING:
        row = int(np.argmax(off > ROUNDING))
        raise DataError(
            f"row {row} of the table of node {name!r} adds up to {total[row]:.6g}, not to 1 "
            f"(a difference of up to {ROUNDING:g} is taken for rounding)",
            column=name,
        )
    loose = off > EXACT
    own[loose] /= total[loose, None]
    own = own.reshape(shape)
    own.flags.writeable = False
    return own
