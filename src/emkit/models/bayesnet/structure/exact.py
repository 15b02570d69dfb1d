"""The best graph of all, by dynamic programming over sets of nodes.

Silander and Myllymäki (2006), A simple approach for finding the globally optimal Bayesian network structure, UAI, 445-452.
"""

from collections.abc import Callable

import numpy as np

from emkit.core.errors import ParameterError
from emkit.models.bayesnet.structure.climbing import Found
from emkit.models.bayesnet.structure.constraints import Constraints
from emkit.models.bayesnet.structure.scores import Families

MOST_NODES = 16


def best_graph(scores: Families, limits: Constraints, halted: Callable[[], bool] = lambda: False) -> Found | None:
    """A graph with the highest score that obeys the constraints; None if it was halted before there was one.

    Raises ParameterError for more than 16 nodes, and where no graph obeys the constraints.
    """
    many = len(limits.cards)
    if many > MOST_NODES:
        raise ParameterError(
            f"method='exact' goes through all sets of columns: {many} are too many, {MOST_NODES} the most; take 'climb'",
            parameter="method",
        )
    best, choice = np.empty((many, 1 << many)), np.zeros((many, 1 << many), np.int32)
    sets = np.arange(1 << many)
    sizes = sum((sets >> node) & 1 for node in range(many))
    levels = [sets[sizes == size] for size in range(many + 1)]
    for child in range(many):
        if halted():
            return None
        best[child], choice[child] = _best_parents(scores, limits, child, levels)
    value, last = np.full(1 << many, -np.inf), np.full(1 << many, -1, np.int8)
    value[0] = 0.0
    for level in levels[1:]:
        for child in range(many):
            own = level[(level >> child) & 1 == 1]
            rest = own & ~(1 << child)
            total = value[rest] + best[child][rest]
            better = total > value[own]
            value[own[better]], last[own[better]] = total[better], child
    left, parents = (1 << many) - 1, list[tuple[int, ...]]([()] * many)
    if many and value[left] == -np.inf:
        raise ParameterError("no graph obeys the required arcs, the forbidden ones and the tiers", parameter="required")
    while left:
        child = int(last[left])
        left &= ~(1 << child)
        parents[child] = _members(int(choice[child][left]))
    return Found(tuple(parents), scores.total(parents))


def _best_parents(scores: Families, limits: Constraints, child: int, levels: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For every set of nodes the best parents among them: their score, and the parents as bits; ``levels``: sets by size."""
    many = len(limits.cards)
    best, choice = np.full(1 << many, -np.inf), np.zeros(1 << many, np.int32)
    barred = sum(1 << p for p in range(many) if not limits.allowed[p, child])
    need = sum(1 << p for p in range(many) if limits.required[p, child])
    for size, level in enumerate(levels):
        for other in range(many):
            own = level[(level >> other) & 1 == 1]
            better = best[own ^ (1 << other)] > best[own]
            own = own[better]
            best[own], choice[own] = best[own ^ (1 << other)], choice[own ^ (1 << other)]
        if size > limits.max_parents:
            continue
        for bits in level[((level & barred) == 0) & ((level & need) == need)].tolist():
            parents = _members(bits)
            if limits.fits(child, parents) and scores.bound(child, parents) > best[bits]:
                here = scores(child, parents)
                if here > best[bits]:
                    best[bits], choice[bits] = here, bits
    return best, choice


def _members(bits: int) -> tuple[int, ...]:
    """The nodes of a set."""
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return tuple(found)
