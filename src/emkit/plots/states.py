"""Hidden Markov models: states over time, transitions, pseudo-residuals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.plots.densities import moments
from emkit.plots.style import (
    FEW,
    GREY,
    PLAIN,
    colours,
    drawn,
    ink,
    key,
    marker,
    note,
    one_axes,
    said,
    several_axes,
    short,
    some_rows,
    tidy,
)
from emkit.plots.view import View, column_numbers, view_of

MOST_PANELS = 6
"""Columns, unless some are asked for."""
_BAND = 0.13  # of the height of a panel: posteriors
_NUMBERS = 12  # states whose transitions are written out
_ARROWS = 300  # of a graph: the most probable ones
_ENDS = 60  # sequences whose ends are marked
_POINTS, _SLICES = 20_000, 4000  # steps drawn as points; of more, posteriors are averages over slices


def states_over_time(estimator: Any, X: Any, *, columns: Any = None, time: Any = None, ax: Any = None, **read: Any) -> Any:
    """The data in the colours of the decoded states, the states' means, and below the posterior probabilities of the states.

    Parameters
    ----------
    estimator : fitted HMM
    X : sequences
        As ``predict`` takes them; several are drawn after one another, with lines between them.
    columns : str, int, or list of them, optional
        Default: all, if there are at most 6.
    time : array (n,), optional
        What stands on the axis instead of 0, 1, ...: one increasing number for each step, or dates.
    ax : matplotlib axes, optional
        For several columns an array of them.
    read
        ``lengths``.

    Returns
    -------
    matplotlib axes, or array of them
        Of several columns one for each.

    Raises
    ------
    ParameterError
        For more than 6 columns, if none are chosen by ``columns``.
    NotFittedError

    References
    ----------
    Zucchini, MacDonald and Langrock (2016), Hidden Markov Models for Time Series, chapter 5.
    """
    view = view_of(estimator, X, **read)
    x, _ = view.needs("states over time")
    if view.path is None:
        raise ParameterError("estimator: states over time are of hidden Markov models", parameter="estimator")
    chosen = column_numbers(view.columns, columns, range(len(view.columns)))
    if columns is None and len(chosen) > MOST_PANELS:
        raise ParameterError(f"{len(chosen)} panels are too many: choose columns by columns=[...]", parameter="columns")
    at = _times(time, len(x))
    axes = several_axes(ax, len(chosen), 1, 8.0, 1.6 + 2.0 * len(chosen), **({"sharex": True} if ax is None else {}))[:, 0]
    for here, j in zip(axes, chosen, strict=True):
        _series(here, view, j, view.path, at)
        here.set_ylabel(short(view.columns[j].name), **PLAIN)
    _posterior(axes[-1], view, at)
    axes[-1].set_xlabel("step" if time is None else "time")
    key(axes[0], view.titles())
    return axes[0] if len(axes) == 1 else axes


def _times(given: Any, n: int) -> np.ndarray:
    if given is None:
        return np.arange(n)
    at = np.asarray(given)
    if at.shape != (n,):
        raise DataError(f"time has shape {at.shape}: give one for each of the {n} steps")
    return at


def _series(ax: Any, view: View, j: int, path: np.ndarray, at: np.ndarray) -> None:
    """One column: a grey line, points by state, the mean of the decoded state."""
    x, _ = view.needs("states over time")
    values = x[:, j]
    gaps = np.zeros(len(values), dtype=bool)
    ends = np.cumsum(view.lengths)[:-1] if view.lengths is not None else np.zeros(0, dtype=int)
    gaps[ends] = True
    ax.plot(*_broken(at, values, gaps), color=GREY, linewidth=0.6, alpha=0.7, zorder=1)
    size = float(np.clip(4000.0 / max(len(values), 1), 3.0, 22.0))
    some = np.zeros(len(values), dtype=bool)
    some[some_rows(len(values), _POINTS)] = True
    for k, shade in enumerate(colours(view.k)):
        mine = some & (path == k) & np.isfinite(values)
        look = {"marker": marker(k) if view.k <= FEW else "o", "color": shade, "linewidths": 0, "rasterized": len(values) > 2000}
        ax.scatter(at[mine], values[mine], s=size, zorder=3, label=view.names[k], **look)
    known = moments(view)
    if known is not None and j in view.numeric and np.isfinite(known[0][:, j]).all():
        _means(ax, known[0][:, j], path, at, gaps)
    if len(ends) <= _ENDS:
        for end in ends:
            ax.axvline(at[end], color=GREY, linewidth=0.6, linestyle=":")
    levels = view.columns[j].levels
    if levels is not None and len(levels) <= 20:
        ax.set_yticks(range(len(levels)), [short(level, 14) for level in levels], **PLAIN)
    texts = (drawn(min(len(values), _POINTS), len(values)), said(int((~np.isfinite(values)).sum()), "lack a value"))
    note(ax, "; ".join(filter(None, texts)).replace("row", "step"))
    tidy(ax)


def _means(ax: Any, means: np.ndarray, path: np.ndarray, at: np.ndarray, gaps: np.ndarray) -> None:
    """A line for each stay in a state, at the state's mean."""
    from matplotlib.collections import LineCollection

    edges = _edges(at)
    begins = np.flatnonzero(np.concatenate([[True], (path[1:] != path[:-1]) | gaps[1:]])) if len(path) else np.zeros(0, dtype=int)
    ends = np.append(begins[1:], len(path))
    number = ax.convert_xunits
    lines = [[(number(edges[b]), means[path[b]]), (number(edges[e]), means[path[b]])] for b, e in zip(begins, ends, strict=True)]
    ax.add_collection(LineCollection(lines, colors=[ink()], linewidths=1.3, zorder=2, label="mean of the state"), autolim=False)


def _edges(at: np.ndarray) -> np.ndarray:
    """Where steps begin and end, (n + 1,): halfway to their neighbours."""
    if len(at) < 2:
        return np.concatenate([at, at])
    half = (at[1:] - at[:-1]) / 2
    return np.concatenate([at[:1] - half[:1], at[:-1] + half, at[-1:] + half[-1:]])


def _broken(at: np.ndarray, values: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """With a hole before each step at which a new sequence begins."""
    where = np.flatnonzero(gaps)
    return np.insert(at, where, at[where]), np.insert(values.astype(np.float64), where, np.nan)


def _posterior(ax: Any, view: View, at: np.ndarray) -> None:
    """Probabilities of the states as a band below the data, a polygon for each state, in axes of its own."""
    _, resp = view.needs("posterior probabilities")
    low, high = ax.get_ylim()
    if view.columns[-1].levels is None:
        ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
    ax.set_ylim(low - (high - low) * _BAND / (1.0 - _BAND), high)
    edges = _edges(at)
    if len(at) > _SLICES:
        first = np.linspace(0, len(at), _SLICES, endpoint=False).astype(np.intp)
        resp = np.add.reduceat(resp, first, axis=0) / np.diff(np.append(first, len(at)))[:, None]
        edges = edges[np.append(first, len(at))]
    top = np.zeros(len(resp))
    for name, shade, part in zip(view.names, colours(view.k), resp.T, strict=True):
        bounds = (0.9 * _BAND * np.append(part_of, part_of[-1:]) for part_of in (top, top + part))
        ax.fill_between(
            edges, *bounds, step="post", color=shade, linewidth=0, transform=ax.get_xaxis_transform(), label=f"P({name})"
        )
        top = top + part
    ax.text(1.005, 0.45 * _BAND, "P(state)", transform=ax.transAxes, fontsize="small", color=ink(), va="center")


def transitions(estimator: Any, *, graph: bool = False, least: float = 0.005, ax: Any = None) -> Any:
    """Transition probabilities of a hidden Markov model: a heat map, or a graph.

    Parameters
    ----------
    estimator : fitted HMM
    graph : bool
        Whether states are drawn on a circle, larger the more frequent they are in the long run, with arrows as thick as they are
        probable; in a state is the probability to stay in it. Otherwise a heat map: rows are where from, columns where to.
    least : float
        Arrows of less than this are left out. There are at most 300, the most probable ones.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For what is no hidden Markov model.
    NotFittedError
    """
    names, matrix, share = _chain(estimator)
    ax = one_axes(ax, 5.2, 4.6)
    return _graph(ax, names, matrix, share, least) if graph else _heat_map(ax, names, matrix)


def _chain(estimator: Any) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    view = view_of(estimator, None)
    if view.transitions is None:
        raise ParameterError(
            "estimator: transitions are of hidden Markov models; rows of a mixture have none", parameter="estimator"
        )
    return view.names, view.transitions, view.weights


def _heat_map(ax: Any, names: Sequence[str], matrix: np.ndarray) -> Any:
    k = len(matrix)
    image = ax.imshow(matrix, cmap="cividis", vmin=0.0, vmax=1.0)
    if k <= _NUMBERS:
        for i, j in np.ndindex(matrix.shape):
            dark = matrix[i, j] < 0.6
            ax.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", fontsize=9, color="white" if dark else "black")
    if k <= 30:
        ax.set_xticks(range(k), range(k))
        ax.set_yticks(range(k), names)
    ax.set(xlabel="to state", ylabel="from")
    ax.figure.colorbar(image, cax=ax.inset_axes((1.03, 0.0, 0.04, 1.0)), label="probability")
    return ax


def _graph(ax: Any, names: Sequence[str], matrix: np.ndarray, share: np.ndarray, least: float) -> Any:
    """States on a circle; an arrow for each transition of at least ``least``."""
    from matplotlib.patches import Circle, FancyArrowPatch

    k, shades = len(matrix), colours(len(matrix))
    angle = np.pi / 2 - 2 * np.pi * np.arange(k) / k
    place = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1.0 if k > 1 else 0.0)
    most = min(0.36, 2.6 / max(k, 1))
    radius = most * np.sqrt(np.clip(share / max(share.max(), 1e-12), 0.5, 1.0))
    arrows = [(i, j) for i, j in np.ndindex(matrix.shape) if i != j and matrix[i, j] >= least]
    shown = sorted(sorted(arrows, key=lambda arrow: -matrix[arrow])[:_ARROWS])
    for i, j in shown:
        way = (place[j] - place[i]) / np.linalg.norm(place[j] - place[i])
        begin, end = place[i] + way * radius[i], place[j] - way * (radius[j] + 0.02)
        look: Any = {"color": shades[i], "linewidth": 0.6 + 5.0 * matrix[i, j], "arrowstyle": "-|>", "mutation_scale": 11}
        ax.add_patch(FancyArrowPatch(tuple(begin), tuple(end), connectionstyle="arc3,rad=0.16", shrinkA=0, shrinkB=0, **look))
        if k <= _NUMBERS:
            middle = 0.5 * (begin + end) + 0.13 * np.linalg.norm(end - begin) * np.array([way[1], -way[0]])
            text = f"{matrix[i, j]:.2f}"
            ax.text(
                *middle,
                text,
                fontsize=8,
                ha="center",
                va="center",
                color=ink(),
                bbox={"fc": "white", "ec": "none", "pad": 0.8, "alpha": 0.8},
            )
    for i, name in enumerate(names):
        ax.add_patch(Circle(tuple(place[i]), radius[i], facecolor=shades[i], alpha=0.25, edgecolor="none", zorder=3))
        ax.add_patch(Circle(tuple(place[i]), radius[i], facecolor="none", edgecolor=shades[i], linewidth=2.0, zorder=3))
        text = f"{name}\n{matrix[i, i]:.2f}" if k <= _NUMBERS else str(i)
        ax.text(*place[i], text, ha="center", va="center", fontsize=8 if k <= _NUMBERS else 7, zorder=4, color=ink())
    ax.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
    ax.set_axis_off()
    few = f"; {len(shown)} of {len(arrows):,} arrows drawn" if len(shown) < len(arrows) else ""
    note(ax, f"in the circles: the probability to stay{few}" if k <= _NUMBERS else few.removeprefix("; "))
    return ax
