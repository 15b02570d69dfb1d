"""Rows with holes taken apart in NumPy: the twin of ``emkit.kernels.bayesnet_scan``, and what small data are read by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emkit.models.bayesnet.tables import Layout


@dataclass(frozen=True)
class Alike:
    """Distinct components of one shape.

    Attributes
    ----------
    nodes, families : tuple of int
        The missing nodes, and the families that hold some of them; both ascending.
    bases : int array (C, families)
        The place in the flat vector of tables that each family's observed members point to.
    mass : array (C,)
        Weights of the rows that have the component.
    """

    nodes: tuple[int, ...]
    families: tuple[int, ...]
    bases: np.ndarray
    mass: np.ndarray


def patterns(table: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """The different rows of a bool table (n, columns): for each one that has it, and all that have it, ascending."""
    _, first, which = np.unique(np.packbits(table, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(np.ravel(which), kind="stable")
    bounds = np.searchsorted(np.ravel(which)[order], np.arange(len(first) + 1))
    return [(int(row), order[bounds[p] : bounds[p + 1]]) for p, row in enumerate(first)]


def joined(members_of: Mapping[int, Sequence[int]]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Families that members join: members, ascending, and families of each component; those without members are left out."""
    up = {member: member for members in members_of.values() for member in members}

    def root(member: int) -> int:
        while up[member] != member:
            member = up[member]
        return member

    for members in members_of.values():
        for other in members[1:]:
            up[root(other)] = root(members[0])
    together: dict[int, list[int]] = {}
    for family, members in members_of.items():
        if members:
            together.setdefault(root(members[0]), []).append(family)
    return [(tuple(sorted({m for f in families for m in members_of[f]})), tuple(families)) for families in together.values()]


def taken_apart(
    layout: Layout, codes: np.ndarray, weights: np.ndarray | None = None, kept: np.ndarray | None = None
) -> tuple[np.ndarray, list[Alike]]:
    """Counts (T,) of what is fully observed, and the components that are left to be summed over.

    Parameters
    ----------
    layout : Layout
    codes : int array (n, N)
        State numbers, -1 where one is missing.
    weights : array (n,), optional
    kept : bool array (N,), optional
        Nodes that are counted though nothing observed descends from them.
    """
    w = np.ones(len(codes)) if weights is None else np.asarray(weights, dtype=np.float64)
    codes, w = np.asarray(codes)[w > 0].astype(np.int64), w[w > 0]
    missing = codes < 0
    counts, found = np.zeros(layout.total), dict[tuple[tuple[int, ...], tuple[int, ...]], list[tuple[np.ndarray, np.ndarray]]]()
    for row, rows in patterns(missing):
        for nodes, families, bases in components_of(layout, codes[rows], missing[row], kept):
            if nodes:
                found.setdefault((nodes, families), []).append((bases, w[rows]))
            else:
                np.add.at(counts, bases[:, 0], w[rows])
    alike = []
    for (nodes, families), parts in found.items():
        every, mass = (np.concatenate(values) for values in zip(*parts, strict=True))
        distinct, number = np.unique(every, axis=0, return_inverse=True)
        alike.append(Alike(nodes, families, distinct, np.bincount(np.ravel(number), weights=mass, minlength=len(distinct))))
    return counts, alike


def components_of(
    layout: Layout, codes: np.ndarray, missing: np.ndarray, kept: np.ndarray | None
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], np.ndarray]]:
    """Nodes, families and bases (n, families) of each component of rows that all have the same cells ``missing`` (N,).

    Families that are fully observed come one by one, without nodes.
    """
    for nodes, families in _components(layout, missing, kept):
        yield nodes, families, np.column_stack([_bases(layout, family, codes, missing) for family in families])


def _bases(layout: Layout, family: int, codes: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Where the observed members of a family point to in each row, (n,)."""
    begin, nodes, strides = layout.members
    out = np.full(len(codes), layout.offsets[family], np.int64)
    for at in range(begin[family], begin[family + 1]):
        if not missing[nodes[at]]:
            out += strides[at] * codes[:, nodes[at]]
    return out


def _components(layout: Layout, missing: np.ndarray, kept: np.ndarray | None) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Nodes and families of each component where these nodes are missing; families that are fully observed alone, without nodes."""
    graph = layout.graph
    active = graph.with_ancestors(~missing if kept is None else ~missing | kept)
    holes = {f: [m for m in (*graph.parents[f], f) if missing[m]] for f in range(len(graph)) if active[f]}
    for family, members in holes.items():
        if not members:
            yield (), (family,)
    yield from joined(holes)
