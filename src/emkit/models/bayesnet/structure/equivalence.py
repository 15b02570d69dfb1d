"""Graphs that say the same of the data: their common class, and how far two classes are apart."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from emkit.core.errors import ParameterError


def arcs_of(parents: Sequence[Sequence[int]]) -> np.ndarray:
    """Bool (N, N); entry [p, c] is of the arc from p to c."""
    arcs = np.zeros((len(parents), len(parents)), np.bool_)
    for child, of in enumerate(parents):
        arcs[list(of), child] = True
    return arcs


def equivalence_class(arcs: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """The completed partially directed graph (CPDAG) of a directed acyclic one.

    An arc that all equivalent graphs have in this direction is compelled; the others are reversible. Colliders whose parents are
    not adjacent compel, and Meek's rules spread it: Verma and Pearl (1990); Meek (1995), Causal inference and causal explanation
    with background knowledge, UAI, 403-410.

    Parameters
    ----------
    arcs : bool array (N, N)
    known : bool array (N, N), optional
        Arcs whose direction is known beside: those that are required, or whose opposite is forbidden.

    Returns
    -------
    bool array (N, N)
        Entry [a, b] without [b, a] is a compelled arc from a to b; both together are a reversible one.
    """
    compelled = np.zeros_like(arcs) if known is None else arcs & known
    near = arcs | arcs.T
    for child in range(len(arcs)):
        for a, b in combinations(np.flatnonzero(arcs[:, child]), 2):
            if not near[a, b]:
                compelled[a, child] = compelled[b, child] = True
    return _spread(compelled, near, arcs)


def _spread(compelled: np.ndarray, near: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """What follows, by Meek's rules, from directions of some pairs in ``near``; ``ways``: directions that may be taken."""
    while True:
        open_ = near & ~compelled & ~compelled.T
        more = _meek(compelled, open_, near) & open_ & ways
        more &= ~more.T  # directions that contradict each other, which no directed acyclic graph leads to
        if not more.any():
            return compelled | open_
        compelled = compelled | more


_EVEN = 0.05  # a preference that is no clearer says nothing


def directed(near: np.ndarray, preference: np.ndarray) -> np.ndarray:
    """A directed acyclic graph with these adjacent pairs, whose arcs run where they are preferred as far as that goes.

    Pairs with the clearest preference come first; of those that are left over, as many as can be follow from Meek's rules, so that
    no collider comes about that nobody preferred.

    Parameters
    ----------
    near : bool array (N, N), symmetric
    preference : array (N, N)
        Of each direction: 0 to 1, the two of a pair adding up to 1.
    """
    arcs = np.zeros_like(near)
    pairs = sorted(
        ((abs(preference[a, b] - 0.5), a, b) for a, b in np.argwhere(np.triu(near))), key=lambda pair: (-pair[0], *pair[1:])
    )
    for clear, a, b in pairs:
        if arcs[a, b] or arcs[b, a]:
            continue
        if clear <= _EVEN:
            found = _spread(arcs, near, np.ones_like(near))
            forced = found & ~found.T & ~arcs
            for p, c in np.argwhere(forced):
                if not arcs[c, p] and not _leads(arcs, c, p):
                    arcs[p, c] = True
            if arcs[a, b] or arcs[b, a]:
                continue
        first = preference[a, b] >= preference[b, a]
        p, c = (a, b) if first != _leads(arcs, *((b, a) if first else (a, b))) else (b, a)
        arcs[p, c] = True
    return arcs


def _leads(arcs: np.ndarray, begin: int, end: int) -> bool:
    """Whether arcs lead from one node to another."""
    seen, waiting = set[int](), [int(begin)]
    while waiting:
        node = waiting.pop()
        if node == end:
            return True
        if node not in seen:
            seen.add(node)
            waiting += np.flatnonzero(arcs[node]).tolist()
    return False


def _meek(compelled: np.ndarray, open_: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Directions that Meek's four rules give, (N, N)."""
    found = np.zeros_like(compelled)
    for a, b in np.argwhere(open_):
        before, between = compelled[:, a] & ~near[:, b], compelled[a] & compelled[:, b]
        before[b] = False
        sides = np.flatnonzero(open_[a] & compelled[:, b])
        split = any(not near[m, k] for m, k in combinations(sides, 2))
        far = open_[a] & ~near[:, b]  # a - k -> m -> b, m next to a, k not next to b
        far[[a, b]] = False
        turn = (compelled[far] & compelled[:, b] & near[a]).any()
        found[a, b] = before.any() or between.any() or split or turn
    return found


def structural_hamming_distance(first: np.ndarray, second: np.ndarray) -> int:
    """How many pairs of nodes the equivalence classes of two graphs join differently, or not alike in direction.

    Tsamardinos, Brown and Aliferis (2006), Machine Learning 65, 31-78. Both are bool (N, N), directed and acyclic.

    Raises ParameterError where their numbers of nodes differ.
    """
    if first.shape != second.shape:
        raise ParameterError(f"graphs of {len(first)} and {len(second)} nodes are not compared", parameter="edges")
    a, b = equivalence_class(first), equivalence_class(second)
    return int(np.triu((a != b) | (a.T != b.T), 1).sum())
