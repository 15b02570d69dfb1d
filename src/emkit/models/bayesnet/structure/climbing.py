"""Search over graphs arc by arc: hill-climbing with a tabu list, and restarts from disturbed optima."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.scores import Families

Parents = tuple[tuple[int, ...], ...]

_TIE = 1e-10  # of the score's size: moves whose gains differ by less are equally good
PATIENCE = 20  # steps without a better graph before a climb ends
RESTARTS = 50  # climbs in a row: on ALARM a fifth of searches with 20 ended below the best graph, of those with 50 a tenth


@dataclass(frozen=True)
class Found:
    """A graph by the parents of each node, ascending, its score, and its tables where the search has them."""

    parents: Parents
    score: float
    params: Any = None


class Neighbours:
    """What the arcs into a node would gain, for each set of parents that it has had.

    Once ``halted`` says so, additions that were not scored before are not offered: a search then ends before it makes a move.
    """

    def __init__(self, scores: Families, limits: Constraints, halted: Callable[[], bool] = lambda: False):
        self.scores, self.limits, self.halted = scores, limits, halted
        self._known: dict[tuple[int, tuple[int, ...]], np.ndarray] = {}

    def gains(self, child: int, parents: tuple[int, ...]) -> np.ndarray:
        """Of every other node, (N,): when it enters the parents, or leaves them where it is one; -inf where it must not."""
        found = self._known.get((child, parents))
        if found is None:
            scores, limits = self.scores, self.limits
            here, found = scores(child, parents), np.full(len(limits.cards), -np.inf)
            for other in parents:
                if not limits.required[other, child]:
                    found[other] = scores(child, tuple(p for p in parents if p != other)) - here
            for other in np.flatnonzero(limits.welcome(child, parents)).tolist():
                if self.halted():
                    break
                found[other] = scores(child, tuple(sorted((*parents, other)))) - here
            found[np.isnan(found)] = -np.inf  # of two scores that are both infinite
            self._known[child, parents] = found
        return found


class Walk:
    """A graph on its way, and what toggling each arc would gain.

    ``gain[p, c]`` is what the family of c gains when p enters its parents, or leaves them where it is one; minus infinity where
    that is not allowed. A reversal gains gain[p, c] + gain[c, p].
    """

    def __init__(self, near: Neighbours, parents: Sequence[Sequence[int]] | None, rng: np.random.Generator):
        self.near, self.rng = near, rng
        self.parents = [set(of) for of in (near.limits.least if parents is None else parents)]
        many = len(self.parents)
        self.arcs = np.zeros((many, many), np.bool_)
        self.gain = np.full((many, many), -np.inf)
        for child, of in enumerate(self.parents):
            self.arcs[sorted(of), child] = True
            self._renew(child)
        self._reach()

    @property
    def found(self) -> Found:
        """The graph as it is."""
        parents = tuple(tuple(sorted(of)) for of in self.parents)
        return Found(parents, self.near.scores.total(parents))

    def _renew(self, child: int) -> None:
        self.gain[:, child] = self.near.gains(child, tuple(sorted(self.parents[child])))

    def _reach(self) -> None:
        """``reach[a, b]``: whether arcs lead from a to b."""
        step = self.arcs.astype(np.float32)
        reach = step
        length = 1
        while length < len(step):
            reach = np.minimum(reach + reach @ reach, 1.0)
            length *= 2
        self.reach = reach > 0
        self.around = (step @ reach) > 0  # by two arcs or more

    def moves(self) -> np.ndarray:
        """Gains of all moves, flat (3 N N): additions, deletions, reversals; minus infinity where there is none."""
        toggled = self.gain.ravel()  # minus infinity already where an arc must not come or go
        gains = np.concatenate([toggled, toggled, (self.gain + self.gain.T).ravel()])
        return np.where(self._legal(np.True_, self.arcs), gains, -np.inf)

    def toggled(self, move: int) -> list[tuple[int, int]]:
        """The arcs (parent, child) that a move puts in or takes away."""
        many = len(self.parents)
        kind, rest = divmod(int(move), many * many)
        parent, child = divmod(rest, many)
        return [(parent, child)] if kind < 2 else [(parent, child), (child, parent)]

    def after(self, move: int) -> Parents:
        """The graph that a move would lead to."""
        changed = {}
        for parent, child in self.toggled(move):
            changed[child] = tuple(sorted(self.parents[child] ^ {parent}))
        return tuple(changed.get(child, tuple(sorted(of))) for child, of in enumerate(self.parents))

    def make(self, move: int) -> None:
        """Make a move."""
        self._toggle(move)
        for _, child in self.toggled(move):
            self._renew(child)

    def _toggle(self, move: int) -> None:
        for parent, child in self.toggled(move):
            self.parents[child] ^= {parent}
            self.arcs[parent, child] ^= True
        self._reach()

    def disturb(self) -> None:
        """Make moves at random: additions, deletions and reversals are as probable, where there are any.

        They are 3 to as many as there are nodes: few moves find what is near, and many what a hub with its arcs turned bars. What
        they gain is not asked on the way.
        """
        limits, changed = self.near.limits, set[int]()
        for _ in range(int(self.rng.integers(3, max(len(self.parents), 3) + 1))):
            welcome = np.column_stack([limits.welcome(child, of) for child, of in enumerate(self.parents)])
            kinds = self._legal(welcome, self.arcs & ~limits.required).reshape(3, -1)
            some = np.flatnonzero(kinds.any(axis=1))
            if not len(some):
                break
            kind = int(self.rng.choice(some))
            move = kind * kinds.shape[1] + int(self.rng.choice(np.flatnonzero(kinds[kind])))
            self._toggle(move)
            changed |= {child for _, child in self.toggled(move)}
        for child in sorted(changed):
            self._renew(child)

    def _legal(self, welcome: np.ndarray | np.bool_, loose: np.ndarray) -> np.ndarray:
        """Which moves there are, flat (3 N N): ``welcome`` parents may come in, ``loose`` arcs may go."""
        arcs = self.arcs
        added = welcome & ~(arcs | arcs.T | self.reach.T)
        return np.concatenate([added.ravel(), loose.ravel(), (loose & ~self.around & welcome.T).ravel()])


def climb(walk: Walk, marks: np.ndarray, halted: Callable[[], bool] = lambda: False) -> Found:
    """Step to the best neighbour that was not visited, better or not, until 20 steps have found nothing better.

    Moves that gain the same are chosen among at random, so that the order of columns has no say. ``marks``: a random whole number
    for each arc; the exclusive or of a graph's arcs tells it from others.
    """
    best = walk.found
    here = int(np.bitwise_xor.reduce(marks[walk.arcs], initial=0))
    seen, since, now = {here}, 0, best.score
    tie = _TIE * (1.0 + abs(best.score))
    while since < PATIENCE and not halted():
        gains = walk.moves()
        move = _next(walk, gains, seen, here, marks, tie)
        if move is None:
            break
        now += float(gains[move])
        for arc in walk.toggled(move):
            here ^= int(marks[arc])
        walk.make(move)
        seen.add(here)
        since += 1
        if now > best.score + tie:
            best, since = walk.found, 0
    return best


def _next(walk: Walk, gains: np.ndarray, seen: set[int], here: int, marks: np.ndarray, tie: float) -> int | None:
    """The best move to a graph that was not visited; one of the best at random. Those that were become minus infinity."""
    while True:
        top = gains.max(initial=-np.inf)
        if not np.isfinite(top):
            return None
        level = np.flatnonzero(gains >= top - tie)
        for move in walk.rng.permutation(level):
            there = here
            for arc in walk.toggled(int(move)):
                there ^= int(marks[arc])
            if there not in seen:
                return int(move)
        gains[level] = -np.inf


def search(
    scores: Families,
    limits: Constraints,
    rng: np.random.Generator,
    start: Sequence[Sequence[int]] | None = None,
    restarts: int = RESTARTS,
    halted: Callable[[], bool] = lambda: False,
    report: Callable[[Found], None] = lambda found: None,
) -> Found:
    """The best graph of a climb, and of more that begin where the best graph so far was disturbed.

    Parameters
    ----------
    start : parents of each node, optional
        By default the required arcs alone.
    restarts : int
        The search ends when so many climbs in a row have found nothing better.
    halted, report : callables
        Whether to stop, keeping the best; told of every best graph.
    """
    many = len(limits.cards)
    marks = rng.integers(1, 1 << 62, (many, many))
    near = Neighbours(scores, limits, halted)
    walk = Walk(near, start, rng)
    best = climb(walk, marks, halted)
    report(best)
    failed = 0 if many > 1 else restarts
    while failed < restarts and not halted():
        walk = Walk(near, best.parents, rng)
        walk.disturb()
        found = climb(walk, marks, halted)
        if found.score > best.score + _TIE * (1.0 + abs(best.score)):
            best, failed = found, -1
            report(best)
        failed += 1
    return best
