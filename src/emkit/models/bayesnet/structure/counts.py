"""Counts of any set of columns: of rows that observe them, and expected ones of rows with holes, given some network."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from emkit.models.bayesnet.compiled import Compiled
from emkit.models.bayesnet.components import patterns
from emkit.models.bayesnet.scanning import Scanner

MOST_CONFIGURATIONS = 1 << 16  # of a component whose joint posterior is laid out
_MOST_LAID_OUT = 1 << 25  # configurations of all components
_MOST_KEPT = 1 << 24  # cells of tables that are kept, 128 MiB


class Rows:
    """Distinct rows with their weights, column after column.

    Parameters
    ----------
    codes : int array (n, N)
        State numbers, -1 where a cell is missing.
    weights : array (n,) or None
    cards : sequence of int
        States of each column.
    """

    def __init__(self, codes: np.ndarray, weights: np.ndarray | None, cards: Sequence[int] | np.ndarray):
        w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=np.float64)
        codes, w = np.asarray(codes, dtype=np.int32)[w > 0], w[w > 0]
        self.codes, self.weights = _distinct(codes, w)
        self.cards = np.asarray(cards, np.int64)
        self.total_weight = float(w.sum())
        self.states = np.ascontiguousarray(self.codes.T)
        self.complete = bool((self.states >= 0).all())
        self._kept: dict[tuple[int, ...], np.ndarray] = {}
        self._size = 0

    @cached_property
    def holes(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows in which each column is missing, one column after another: where each begins (N + 1,), and the rows."""
        column, row = np.nonzero(self.states < 0)
        return np.searchsorted(column, np.arange(len(self.cards) + 1)), row

    def observed(self, members: tuple[int, ...]) -> np.ndarray:
        """Weights of rows that observe all of these columns, ascending, by their states: flat, the last varying fastest.

        The array is kept: it is not to be changed.
        """
        from emkit.kernels.bayesnet_families import count_observed

        found = self._kept.get(members)
        if found is None:
            strides = strides_of(members, self.cards)
            room = np.zeros(int(strides[0] * self.cards[members[0]]) + 1)
            count_observed(self.states, self.weights, np.array(members), strides, room)
            found = room[:-1]
            if self._size + len(found) > _MOST_KEPT:
                self._kept, self._size = {}, 0
            self._kept[members] = found
            self._size += len(found)
        return found


@dataclass(frozen=True)
class Expected:
    """Expected counts given a network and its tables: Friedman (1998), The Bayesian structural EM algorithm, section 4.

    Attributes
    ----------
    rows : Rows
    model, params
        The network, whose nodes are the columns, and hidden ones before them.
    component, belief_of : int arrays (N, n)
        Of each missing cell: its component, and where its posterior is.
    arrays : tuple of arrays
        Components, their shapes and posteriors, as the kernel reads them.
    known : dict
        Joint posteriors of missing nodes of rows with larger components, found when they are asked for.
    """

    rows: Rows
    model: Any
    params: Any
    component: np.ndarray
    belief_of: np.ndarray
    arrays: tuple[np.ndarray, ...]
    known: dict[tuple[int, tuple[int, ...]], np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Rows, model: Any, params: Any) -> "Expected":
        """Every row's components, and the joint posterior of each."""
        from emkit.kernels.bayesnet_families import joints

        layout = model.layout
        scanner = Scanner(layout, True)
        row, found = scanner.add(rows.codes, rows.weights, pairs=True)
        many = int(scanner.sizes[1])
        keys, begin = scanner.components.keys, scanner.components.begin
        shape_keys, shape_begin = scanner.shapes.keys, scanner.shapes.begin
        shape_of = keys[begin[:many]]
        sizes, beliefs, pairs, pair_begin, pair_place = _sizes(shape_keys, shape_begin, int(scanner.sizes[0]), rows.cards)
        wanted = np.where(sizes <= MOST_CONFIGURATIONS, sizes, 0)[shape_of].astype(np.int64)
        wanted[np.cumsum(wanted) > _MOST_LAID_OUT] = 0
        joint_begin, belief_begin = (np.concatenate([[0], np.cumsum(of)]) for of in (wanted, beliefs[shape_of]))
        pair_belief_begin = np.concatenate([[0], np.cumsum(np.where(wanted > 0, pairs[shape_of], 0))])
        joint, belief, pair_belief = np.empty(joint_begin[-1]), np.zeros(belief_begin[-1]), np.zeros(pair_belief_begin[-1])
        found_of = (joint_begin, joint, belief_begin, belief, pair_begin, pair_place, pair_belief_begin, pair_belief)
        with np.errstate(divide="ignore"):
            joints(
                np.log(params.tables), rows.cards, *layout.members, shape_keys, shape_begin, keys, begin, many,
                *found_of,
            )  # fmt: skip
        component, belief_of = (np.full(rows.states.shape, -1, kind) for kind in (np.int32, np.int64))
        nodes = shape_keys[shape_begin[:-1][: int(scanner.sizes[0])]]
        of_pair = nodes[shape_of[found]]
        at = np.repeat(shape_begin[shape_of[found]] + 1 - np.cumsum(of_pair) + of_pair, of_pair) + np.arange(of_pair.sum())
        which, cell = np.repeat(found, of_pair), (shape_keys[at], np.repeat(row, of_pair))
        component[cell] = which
        width = np.cumsum(rows.cards[cell[0]]) - rows.cards[cell[0]]  # states of all cells before, and of the component's
        inside = width - np.repeat(width[np.cumsum(of_pair) - of_pair], of_pair)
        belief_of[cell] = np.where(joint_begin[which + 1] > joint_begin[which], belief_begin[which] + inside, -1)
        return cls(
            rows, model, params, component, belief_of,
            (shape_of, shape_keys, shape_begin, *found_of),
        )  # fmt: skip

    def counts(self, members: tuple[int, ...]) -> np.ndarray:
        """Expected counts of columns, ascending, by their states: flat, the last varying fastest."""
        from emkit.kernels.bayesnet_families import count_missing

        rows, out = self.rows, self.rows.observed(members).copy()
        own, strides, size = np.array(members), strides_of(members, self.rows.cards), len(out)
        later = np.empty(len(rows.weights), np.int64)
        left = count_missing(
            rows.states, rows.weights, own, strides, rows.cards, *rows.holes, self.component, self.belief_of, *self.arrays,
            np.empty((4, max(len(rows.cards), 1)), np.int64), np.empty(size, np.int64), np.empty(size), np.empty(size), later, out,
        )  # fmt: skip
        if left:
            self._add_conditioned(later[:left], members, strides, out)
        return out

    def _add_conditioned(self, later: np.ndarray, members: tuple[int, ...], strides: np.ndarray, out: np.ndarray) -> None:
        """Add rows whose components are too large to be laid out."""
        codes, own = self.rows.codes[later][:, list(members)], np.array(members)
        for first, which in patterns(codes < 0):
            lacks = codes[first] < 0
            free, rows = tuple(own[lacks].tolist()), later[which]
            self._condition(free, [int(row) for row in rows if (int(row), free) not in self.known])
            base = codes[which][:, ~lacks] @ strides[~lacks]
            shares = np.stack([self.known[int(row), free] for row in rows]) * self.rows.weights[rows][:, None]
            np.add.at(out, base[:, None] + _states(self.rows.cards, free) @ strides[lacks], shares)

    def _condition(self, free: tuple[int, ...], rows: list[int]) -> None:
        """The joint posterior of missing nodes of these rows, by conditioning on every state of theirs; kept in ``known``."""
        if not rows:
            return
        states = _states(self.rows.cards, free)
        codes = np.repeat(self.rows.codes[rows], len(states), axis=0)
        codes[:, list(free)] = np.tile(states, (len(rows), 1))
        logs = Compiled.of(self.model, codes).log_probability(self.params.tables).reshape(len(rows), -1)
        shares = np.exp(logs - logs.max(axis=1, keepdims=True))
        self.known.update({(row, free): share / share.sum() for row, share in zip(rows, shares, strict=True)})


def _states(cards: np.ndarray, nodes: Sequence[int]) -> np.ndarray:
    """All states of some nodes, the last varying fastest, (configurations, nodes)."""
    return np.indices([int(cards[node]) for node in nodes]).reshape(len(nodes), -1).T


def strides_of(members: Sequence[int], cards: np.ndarray) -> np.ndarray:
    """What a step of each column's state is in their table, the last varying fastest."""
    found, step = np.empty(len(members), np.int64), 1
    for j in range(len(members) - 1, -1, -1):
        found[j] = step
        step *= int(cards[members[j]])
    return found


def _sizes(keys: np.ndarray, begin: np.ndarray, shapes: int, cards: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each shape: configurations of its nodes, as floats; the sum of their states; cells of the tables of all pairs.

    And where each shape's part of the last array begins: places of pairs of its nodes (i < j), nodes times nodes.
    """
    nodes = [keys[begin[s] + 1 : begin[s] + 1 + keys[begin[s]]] for s in range(shapes)]
    places, pairs = [np.zeros(0, np.int64)], np.zeros(shapes, np.int64)
    for shape, of in enumerate(nodes):
        cells = np.triu(np.outer(cards[of], cards[of]), 1).ravel()
        ends = np.cumsum(cells)
        places.append(ends - cells)
        pairs[shape] = ends[-1] if len(ends) else 0
    return (
        np.array([np.prod(cards[of].astype(np.float64)) for of in nodes], dtype=np.float64),
        np.array([cards[of].sum() for of in nodes], dtype=np.int64),
        pairs,
        np.cumsum([0, *(len(of) ** 2 for of in nodes)]),
        np.concatenate(places),
    )


def _distinct(codes: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each different row once, with the weights of all that equal it added up."""
    if not codes.shape[1]:
        return codes, weights
    mix = np.random.default_rng(0).integers(1, 1 << 62, codes.shape[1]) | 1
    with np.errstate(over="ignore"):
        _, first, which = np.unique(codes.astype(np.int64) @ mix, return_index=True, return_inverse=True)
    if not (codes[first[which]] == codes).all():  # two rows with one hash: they are compared as they are
        _, first, which = np.unique(codes, axis=0, return_index=True, return_inverse=True)
    return np.ascontiguousarray(codes[first]), np.bincount(np.ravel(which), weights=weights, minlength=len(first))
