"""A directed acyclic graph drawn in layers, by matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.errors import ParameterError
from emkit.plots.style import PLAIN, new_figure, one_axes, short

_LINE = "#33506b"
_SWEEPS = 12  # of ordering layers by their neighbours: more changes nothing on graphs that a person can read


def depths(parents: Sequence[Sequence[int]]) -> list[int]:
    """The layer of each node: its distance from the roots, the longest way. Roots stand right above the first of their children."""
    n = len(parents)
    depth = [0] * n
    for _ in range(n):
        deeper = [max((depth[p] + 1 for p in parents[node]), default=0) for node in range(n)]
        if deeper == depth:
            break
        depth = deeper
    for node in range(n):
        below = [depth[child] for child in range(n) if node in parents[child]]
        if below and not parents[node]:
            depth[node] = min(below) - 1
    return depth


def layers_of(parents: Sequence[Sequence[int]], depth: Sequence[int] | None = None) -> list[list[int]]:
    """Nodes by layer, each layer ordered so that few edges cross.

    Sugiyama, Tagawa and Toda (1981), IEEE Trans. SMC 11, 109-125: each node goes to the mean place of its neighbours, layer by
    layer, down and up.
    """
    n = len(parents)
    depth = depths(parents) if depth is None else depth
    layers: list[list[int]] = [[] for _ in range(max(depth, default=0) + 1)]
    for node in range(n):
        layers[depth[node]].append(node)
    near: list[list[int]] = [[] for _ in range(n)]
    for node in range(n):
        for parent in parents[node]:
            near[node].append(parent)
            near[parent].append(node)
    place = {node: i / max(len(layer), 1) for layer in layers for i, node in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            middle = {node: float(np.mean([place[other] for other in near[node]])) if near[node] else place[node] for node in layer}
            layer.sort(key=lambda node: (middle[node], node))
            for i, node in enumerate(layer):
                place[node] = (i + 0.5) / len(layer)
    return layers


def with_bends(parents: Sequence[Sequence[int]]) -> tuple[list[list[int]], dict[tuple[int, int], list[int]]]:
    """Layers in which an edge that spans several has a place of its own in each that it passes, so that it runs beside the nodes.

    Returns the layers, in which numbers above the nodes' are such places, and the places of each long edge (parent, child).
    """
    depth, chains = depths(parents), [list(of) for of in parents]
    bends: dict[tuple[int, int], list[int]] = {}
    for child, of in enumerate(parents):
        for parent in of:
            if depth[child] - depth[parent] > 1:
                chains[child].remove(parent)
                passed = list(range(len(chains), len(chains) + depth[child] - depth[parent] - 1))
                chains += [[above] for above in [parent, *passed[:-1]]]
                chains[child].append(passed[-1])
                depth += [depth[parent] + 1 + i for i in range(len(passed))]
                bends[parent, child] = passed
    return layers_of(chains, depth), bends


def draw_network(
    names: Sequence[str],
    parents: Sequence[Sequence[int]],
    *,
    hidden: Sequence[int] = (),
    notes: Mapping[int, str] | None = None,
    strengths: Mapping[tuple[int, int], float] | None = None,
    ax: Any = None,
) -> Any:
    """Nodes as boxes, edges as arrows from parents to children; returns the axes.

    Parameters
    ----------
    names : sequence of str
    parents : sequence of sequences of int
        Of each node.
    hidden : sequence of int
        Nodes that are drawn with a broken line.
    notes : mapping, optional
        Lines of text under a node's name, such as its table.
    strengths : mapping, optional
        Of edges (parent, child), from 0 to 1: arrows are as thick, and have the number beside them.
    ax : matplotlib axes, optional
        A figure of its own size otherwise.
    """
    (layers, bends), notes = with_bends(parents), notes or {}
    wide = max((len(layer) for layer in layers), default=1)
    tall = max((note.count("\n") + 1 for note in notes.values()), default=0)
    if ax is None:
        longest = max((len(line) for text in (*names, *notes.values()) for line in text.split("\n")), default=4)
        size = (max(3.0, wide * (0.09 * longest + 0.7)), max(2.0, len(layers) * (1.1 + 0.16 * tall)))
        ax = new_figure(*size).add_subplot()
    else:
        ax = one_axes(ax)
    at = {node: ((i + 0.5) / len(layer), -float(depth)) for depth, layer in enumerate(layers) for i, node in enumerate(layer)}
    boxes = {}
    for node, name in enumerate(names):
        x, y = at[node]
        text = f"{short(name)}\n{notes[node]}" if node in notes else short(name)
        style = {"boxstyle": "round,pad=0.35", "fc": "#f4f1ea" if node in hidden else "#dfe9f3", "ec": _LINE}
        boxes[node] = ax.text(
            x, y, text, ha="center", va="center", fontsize=9, zorder=3, **PLAIN,
            bbox={**style, "linestyle": "--" if node in hidden else "-"},
        )  # fmt: skip
    for child, found in enumerate(parents):
        for parent in found:
            way = [at[place] for place in (parent, *bends.get((parent, child), ()), child)]
            _arrow(ax, way, boxes[parent], boxes[child], None if strengths is None else strengths.get((parent, child)))
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-len(layers) + 0.4, 0.6)
    ax.set_axis_off()
    return ax


def _arrow(ax: Any, way: Sequence[tuple[float, float]], begin: Any, end: Any, strength: float | None) -> None:
    """From box to box by way of these points."""
    thick = 1.1 if strength is None else 0.4 + 2.4 * strength
    ax.plot(*zip(*way[:-1], strict=True), color=_LINE, lw=thick, zorder=1)  # as far as the last bend
    ends = {"patchB": end.get_bbox_patch(), "shrinkA": 0, "shrinkB": 2}
    if len(way) == 2:
        ends |= {"patchA": begin.get_bbox_patch(), "shrinkA": 2}
    ax.annotate("", xy=way[-1], xytext=way[-2], zorder=2, arrowprops={"arrowstyle": "-|>", "color": _LINE, "lw": thick, **ends})
    if strength is not None:
        x, y = np.mean(way[(len(way) - 1) // 2 : len(way) // 2 + 1], axis=0)
        label = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8}
        ax.text(x, y, f"{strength:.2f}", ha="center", va="center", fontsize=7, zorder=4, bbox=label)


@dataclass(frozen=True)
class Drawn:
    """What a network shows: names of nodes, the parents of each, hidden ones, and on demand a few lines about some of them."""

    names: Sequence[str]
    parents: Sequence[Sequence[int]]
    hidden: Sequence[int] = ()
    notes: Mapping[int, str] = field(default_factory=dict)


@runtime_checkable
class Drawable(Protocol):
    """Networks that can be drawn."""

    def _drawn(self, tables: Any) -> Drawn:
        """The graph, with the tables that are asked for."""


def network(net: Any, *, tables: Any = False, ax: Any = None) -> Any:
    """The graph of a Bayesian network in layers: hidden nodes have a broken line.

    Parameters
    ----------
    net : fitted BayesianNetwork
    tables : bool, str, or list of str
        Whether the table of each node stands under its name; or the nodes whose tables do.
    ax : matplotlib axes, optional
        By default a figure as large as the graph needs.

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For what is no network, or for a node that there is not.
    NotFittedError
    """
    if isinstance(net, type) or not isinstance(net, Drawable):
        raise ParameterError(f"net: give a fitted BayesianNetwork, not {type(net).__name__}", parameter="net")
    found = net._drawn(tables)
    return draw_network(found.names, found.parents, hidden=found.hidden, notes=found.notes, ax=ax)
