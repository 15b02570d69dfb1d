"""Components of a mixture, or states of a hidden Markov model, as distributions over one column, two, or pairs of several."""

from typing import Any

import numpy as np

from emkit.core.errors import DataError, ParameterError
from emkit.plots import densities as density
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

MOST_PAIRS = 6
"""Columns of a matrix of pairs, unless columns are asked for."""
_POINTS = 5000  # rows drawn as points
_BINS = 80


def components(
    estimator: Any,
    X: Any = None,
    *,
    columns: Any = None,
    level: float = 0.9,
    sample_weight: Any = None,
    ax: Any = None,
    **read: Any,
) -> Any:
    """The components over the data.

    Of one column the histogram, its bars shared out by responsibilities, with the components' densities and their sum (dashed).
    Of two the rows, each in the colour of its most probable component and fainter the less certain that is, with an ellipse for
    each component. Of more a matrix of pairs. Rows that lack one of two cells are ticks at the edge.

    Parameters
    ----------
    estimator : fitted mixture or hidden Markov model
    X : data, optional
        As ``predict_proba`` takes them; without, the components alone.
    columns : str, int, or list of them, optional
        Which columns; default: all that are numbers, up to 6.
    level : float
        Ellipses hold this share of a normal distribution with the component's means and covariance.
    sample_weight : array (n,), optional
        Weight 2 means the row twice: bars are as high. Rows of weight 0 are not drawn.
    ax : matplotlib axes, optional
        For p > 2 columns an array of p x p axes.
    read
        What else the data are read with: ``lengths``, ``groups``.

    Returns
    -------
    matplotlib axes, or array (p, p) of them
        Above the diagonal they are hidden.

    Raises
    ------
    ParameterError
        For columns that are no numbers; for more than 6 of them, if none are chosen by ``columns``.
    NotFittedError
    """
    _check_level(level)
    view = view_of(estimator, X, **read)
    chosen = column_numbers(view.columns, columns, view.numeric)
    if not chosen:
        raise ParameterError("no column is of numbers: draw emkit.plots.profiles", parameter="columns")
    if columns is None and len(chosen) > MOST_PAIRS:
        raise ParameterError(
            f"a matrix of pairs of {len(chosen)} columns cannot be read: choose some by columns=[...], or draw "
            "emkit.plots.parallel",
            parameter="columns",
        )
    weights = _weights(sample_weight, view)
    if len(chosen) == 1:
        return one_column(one_axes(ax), view, chosen[0], weights)
    if len(chosen) == 2:
        return two_columns(one_axes(ax, 6.4, 4.8), view, chosen[0], chosen[1], level, weights)
    return pairs(ax, view, chosen, level, weights)


def _check_level(level: Any) -> None:
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        raise ParameterError(f"level={level!r}: give a share between 0 and 1", parameter="level")


def _weights(given: Any, view: View) -> np.ndarray | None:
    if given is None or view.x is None:
        return None
    weights = np.asarray(given, dtype=np.float64)
    if weights.shape != (len(view.x),) or not np.isfinite(weights).all() or (weights < 0).any():
        raise DataError(f"sample_weight has shape {weights.shape}: give {len(view.x)} nonnegative numbers, one for each row")
    return weights


def one_column(ax: Any, view: View, j: int, weights: np.ndarray | None = None, *, keyed: bool = True) -> Any:
    """Histogram with densities, of one column."""
    from matplotlib.lines import Line2D

    whole, shades = density.is_whole(view, j), colours(view.k)
    if view.x is not None:
        _bars(ax, view, j, weights, whole)
    known = density.has_margins(view)
    if known:
        grid = density.grid_of(view, j, whole=whole)
        each = density.densities(view, j, grid, whole=whole) * view.weights
        dots = {"marker": "o", "markersize": 3} if whole and len(grid) <= 60 else {}
        for i, shade in enumerate(shades):
            ax.plot(grid, each[:, i], color=shade, linewidth=2.0 if view.k <= FEW else 1.0, label=view.names[i], **dots)
        ax.plot(grid, each.sum(axis=1), color=ink(), linewidth=1.3, linestyle="--", label="sum", **dots)
    ax.set_xlabel(short(view.columns[j].name), **PLAIN)
    ax.set_ylabel("probability" if whole else "density")
    ax.set_ylim(bottom=0.0)
    tidy(ax)
    if keyed:
        more = [Line2D([], [], color=ink(), linestyle="--")] if known and view.k > 1 else []
        key(ax, view.titles(), more, ["sum"][: len(more)])
    return ax


def _bars(ax: Any, view: View, j: int, weights: np.ndarray | None, whole: bool) -> None:
    """The histogram, bars shared out among few components."""
    x, resp = view.needs("a histogram")
    seen = np.isfinite(x[:, j])
    values, w = x[seen, j], np.ones(int(seen.sum())) if weights is None else weights[seen]
    lacking = int(np.sum(~seen if weights is None else ~seen & (weights > 0)))
    note(ax, said(lacking, "lack a value"))
    if not w.sum() > 0:
        return
    edges = bin_edges(values[w > 0], whole, w[w > 0])
    wide = np.diff(edges)
    which = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(wide) - 1)
    shares = resp[seen] if 1 < view.k <= FEW else np.ones((len(values), 1))
    shades, below = colours(view.k) if 1 < view.k <= FEW else [GREY], np.zeros(len(wide))
    scale = w.sum() * wide if not whole else w.sum() * np.maximum(wide, 1.0)
    for i, shade in enumerate(shades):
        height = np.bincount(which, weights=w * shares[:, i], minlength=len(wide)) / scale
        ax.stairs(below + height, edges, baseline=below, fill=True, color=shade, alpha=0.35, linewidth=0)
        below = below + height


def bin_edges(values: np.ndarray, whole: bool, weights: np.ndarray | None = None) -> np.ndarray:
    """Edges of a histogram: about whole numbers, or as wide as Freedman and Diaconis (1981) say, within reason.

    They are the same for a weight of 2 and for the row twice.
    """
    low, high = float(values.min()), float(values.max())
    if whole:
        step = max(1, int(np.ceil((high - low + 1) / _BINS)))
        return np.arange(low - 0.5, high + step + 0.5, step)
    if low == high:
        half = 0.5 * max(abs(low), 1.0) * 1e-2
        return np.array([low - half, low + half])
    order = np.argsort(values, kind="stable")
    below = np.cumsum(np.ones(len(values)) if weights is None else weights[order])
    first, third = values[order][np.searchsorted(below, np.array([0.25, 0.75]) * below[-1])]
    wide = 2.0 * (third - first) / below[-1] ** (1 / 3)
    bins = _BINS if wide <= 0 else int(np.clip(np.ceil((high - low) / wide), 10, _BINS))
    return np.linspace(low, high, bins + 1)


def two_columns(ax: Any, view: View, i: int, j: int, level: float, weights: np.ndarray | None = None, *, keyed: bool = True) -> Any:
    """Rows and ellipses over two columns."""
    shades = colours(view.k)
    if view.x is not None:
        _points(ax, view, i, j, weights)
    outlines = density.ellipses(view, i, j, level)
    for k, outline in outlines.items():
        ax.plot(outline[:, 0], outline[:, 1], color=shades[k], linewidth=1.8 if view.k <= FEW else 0.7, zorder=3)
    known = density.moments(view) if outlines else None
    if known is not None and view.k <= 40:
        for k in outlines:
            x, y = known[0][k, [i, j]]
            ax.text(
                x, y, str(k), color=ink(), fontsize=8, ha="center", va="center", zorder=4,
                bbox={"boxstyle": "circle,pad=0.2", "facecolor": "white", "edgecolor": shades[k], "alpha": 0.85},
            )  # fmt: skip
    ax.set_xlabel(short(view.columns[i].name), **PLAIN)
    ax.set_ylabel(short(view.columns[j].name), **PLAIN)
    tidy(ax)
    if keyed:
        key(ax, view.titles())
    return ax


def _points(ax: Any, view: View, i: int, j: int, weights: np.ndarray | None) -> None:
    """Rows: a collection for each component, in order; then ticks for rows that lack one of the two cells."""
    from matplotlib.colors import to_rgba

    x, resp = view.needs("a scatter plot")
    counted = np.ones(len(x), dtype=bool) if weights is None else weights > 0
    rows = np.flatnonzero(counted)[some_rows(int(counted.sum()), _POINTS)]
    cells, best, sure = x[rows][:, [i, j]], resp[rows].argmax(axis=1), resp[rows].max(axis=1)
    seen, k = np.isfinite(cells), view.k
    both = seen.all(axis=1)
    least = 1.0 / k if k > 1 else 0.0
    faint = 0.2 + 0.6 * np.clip((sure - least) / (1.0 - least), 0.0, 1.0)
    size = float(np.clip(6000.0 / max(len(rows), 1), 4.0, 22.0))
    shades = colours(k)
    for c in range(k):
        mine = both & (best == c)
        ax.scatter(
            cells[mine, 0], cells[mine, 1], s=size, color=[to_rgba(shades[c], one) for one in faint[mine]], linewidths=0,
            marker=marker(c) if k <= FEW else "o", label=view.names[c], rasterized=len(rows) > 1000,
        )  # fmt: skip
    _ticks(ax, cells, seen, [shades[c] for c in best])
    lost = int((~seen).all(axis=1).sum())
    note(ax, "; ".join(filter(None, [drawn(len(rows), int(counted.sum())), said(lost, "lack both values")])))


def _ticks(ax: Any, cells: np.ndarray, seen: np.ndarray, shades: list[str]) -> None:
    """Rows of which one cell is known: below, or on the left."""
    for own, sign in ((0, "|"), (1, "_")):
        mine = np.flatnonzero(seen[:, own] & ~seen[:, 1 - own])
        if not len(mine):
            continue
        edge, colour = np.full(len(mine), 0.015), [shades[m] for m in mine]
        if own == 0:
            ax.scatter(cells[mine, 0], edge, marker=sign, s=40, color=colour, transform=ax.get_xaxis_transform(), linewidths=1.0)
        else:
            ax.scatter(edge, cells[mine, 1], marker=sign, s=40, color=colour, transform=ax.get_yaxis_transform(), linewidths=1.0)


def pairs(ax: Any, view: View, chosen: list[int], level: float, weights: np.ndarray | None) -> np.ndarray:
    """A matrix: each column on the diagonal, each pair below it."""
    p = len(chosen)
    axes = several_axes(ax, p, p, 2.1 * p + 1.4, 2.0 * p)
    for a in range(p):
        for b in range(p):
            here = axes[a, b]
            if b > a:
                here.set_visible(False)
            elif a == b:
                one_column(here, view, chosen[a], weights, keyed=False)
                here.set_ylabel("")
                here.set_yticks([])
            else:
                two_columns(here, view, chosen[b], chosen[a], level, weights, keyed=False)
            here.tick_params(labelsize=8)
            if a < p - 1:
                here.set_xlabel("")
            if 0 < b < a:
                here.set_ylabel("")
            if (a, b) != (0, 0):
                here.set_title("", loc="right")
    key(axes[0, 0], view.titles(), room=False)
    return axes
