"""Where a hidden node could stand: groups of nodes that are nearly all joined with each other.

A hidden common cause that is left out shows as arcs between all that it causes. Elidan, Lotner, Friedman and Koller (2000),
Discovering hidden variables: a structure-based approach, NIPS 13, 479-485.
"""

from collections.abc import Sequence

import numpy as np

from emkit.models.bayesnet.structure.climbing import Parents
from emkit.models.bayesnet.structure.equivalence import arcs_of


def semi_cliques(parents: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    """Groups of three nodes or more in which each is joined with at least half of the others; the largest first.

    They grow from triangles, by the node that has most neighbours in the group, while there is one that has half of it.
    """
    arcs = arcs_of(parents)
    near = arcs | arcs.T
    found: set[tuple[int, ...]] = set()
    for a, b in np.argwhere(np.triu(near)):
        for c in np.flatnonzero(near[a] & near[b]):
            group = {int(a), int(b), int(c)}
            while True:
                inside = near[:, sorted(group)].sum(axis=1)
                inside[sorted(group)] = -1
                best = int(inside.argmax())
                if 2 * inside[best] < len(group) or inside[best] < 2:
                    break
                grown = sorted({*group, best})
                if (2 * near[np.ix_(grown, grown)].sum(axis=1) < len(grown) - 1).any():
                    break
                group.add(best)
            found.add(tuple(sorted(group)))
    return sorted(found, key=lambda group: (-len(group), group))


def with_hidden(parents: Sequence[Sequence[int]], group: Sequence[int]) -> Parents:
    """The graph with a new node 0, which takes the place of the arcs inside of a group; other nodes' numbers rise by one.

    It becomes the parent of all members, and the child of the parents that they had outside, but for those that descend from the
    group: these stay where they are.
    """
    members, many = set(group), len(parents)
    below = set(members)
    grown = True
    while grown:
        more = {node for node in range(many) if node not in below and below & set(parents[node])}
        grown, below = bool(more), below | more
    above: set[int] = set()
    out: list[tuple[int, ...]] = []
    for node in range(many):
        of = set(parents[node])
        if node in members:
            above |= of - below
            of = (of & below) - members
            out.append(tuple(sorted({0, *(p + 1 for p in of)})))
        else:
            out.append(tuple(sorted(p + 1 for p in of)))
    return (tuple(sorted(p + 1 for p in above)), *out)
