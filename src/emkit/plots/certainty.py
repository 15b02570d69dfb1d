"""How sure rows are of their component."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.plots.style import FEW, GREY, PLAIN, colours, drawn, ink, key, legend, note, one_axes, said, short, some_rows, tidy
from emkit.plots.view import View, column_numbers, view_of

_ROWS = 2000  # drawn side by side
_BREAKS = (0.75, 0.95)  # quantiles of the uncertainty: mclust's


def responsibilities(estimator: Any, X: Any, *, ax: Any = None, **read: Any) -> Any:
    """Every row as a column of its responsibilities, sorted by the most probable component and by how sure that is.

    Parameters
    ----------
    estimator : fitted mixture or hidden Markov model
    X : data
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes
        A band for each component; where bands are ragged, components overlap.

    Raises
    ------
    ParameterError, NotFittedError
    """
    view = view_of(estimator, X, **read)
    _, resp = view.needs("responsibilities")
    best = resp.argmax(axis=1)
    order = np.lexsort((-resp.max(axis=1), best))[some_rows(len(resp), _ROWS)]
    edges = np.linspace(0.0, len(resp), len(order) + 1)
    ax = one_axes(ax, 7.2, 3.4)
    top = np.zeros(len(order))
    for name, shade, part in zip(view.names, colours(view.k), resp[order].T, strict=True):
        ax.fill_between(
            edges,
            np.append(top, top[-1:]),
            np.append(top + part, (top + part)[-1:]),
            step="post",
            color=shade,
            linewidth=0,
            label=name,
        )
        top = top + part
    ax.set(xlim=(0, max(len(resp), 1)), ylim=(0, 1), xlabel="rows, sorted by component", ylabel="responsibility")
    note(ax, drawn(len(order), len(resp)))
    key(ax, view.titles())
    return ax


def uncertainty(estimator: Any, X: Any, *, columns: Any = None, ax: Any = None, **read: Any) -> Any:
    """How uncertain each row's component is: one less the largest responsibility.

    Of one column a line at each row's value, as high. Of two the rows as points, larger and darker from the 75 % and the 95 %
    quantile of the uncertainty on, which are mclust's. Of more the uncertainty in increasing order.

    Parameters
    ----------
    estimator : fitted mixture or hidden Markov model
    X : data
    columns : str, int, or list of one or two of them, optional
        Where rows are drawn; default: the columns that are numbers, if they are one or two.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        If ``columns`` names more than two, or what is no column of numbers.
    NotFittedError

    References
    ----------
    Scrucca, Fop, Murphy and Raftery (2016), mclust 5, The R Journal 8, 289-317.
    """
    view = view_of(estimator, X, **read)
    x, resp = view.needs("uncertainty")
    unsure = 1.0 - resp.max(axis=1)
    chosen = column_numbers(view.columns, columns, view.numeric)
    if columns is not None and len(chosen) > 2:
        raise ParameterError(f"columns: uncertainty is drawn over one or two columns, not {len(chosen)}", parameter="columns")
    ax = one_axes(ax)
    if not 1 <= len(chosen) <= 2:
        return _in_order(ax, unsure)
    best = resp.argmax(axis=1)
    if len(chosen) == 1:
        return _over_one(ax, view, chosen[0], x, best, unsure)
    return _over_two(ax, view, chosen[0], chosen[1], x, best, unsure)


def _in_order(ax: Any, unsure: np.ndarray) -> Any:
    ax.plot(np.arange(1, len(unsure) + 1), np.sort(unsure), color=ink(), linewidth=1.5)
    for q in _BREAKS:
        ax.axvline(q * len(unsure), color=GREY, linewidth=0.8, linestyle=":")
    ax.set(xlabel="rows, in increasing order of uncertainty", ylabel="uncertainty", ylim=(0, None), xlim=(0, len(unsure) + 1))
    note(ax, "dotted: 75 % and 95 % of the rows")
    tidy(ax)
    return ax


def _over_one(ax: Any, view: View, j: int, x: np.ndarray, best: np.ndarray, unsure: np.ndarray) -> Any:
    seen = np.isfinite(x[:, j])
    for c, shade in enumerate(colours(view.k)):
        mine = seen & (best == c)
        ax.vlines(x[mine, j], 0.0, unsure[mine], color=shade, linewidth=1.0, alpha=0.7, label=view.names[c])
    ax.set_xlabel(short(view.columns[j].name), **PLAIN)
    ax.set(ylabel="uncertainty", ylim=(0, None))
    note(ax, said(int((~seen).sum()), "lack a value"))
    tidy(ax)
    key(ax, view.titles())
    return ax


def _over_two(ax: Any, view: View, i: int, j: int, x: np.ndarray, best: np.ndarray, unsure: np.ndarray) -> Any:
    """Three classes of uncertainty: a collection of points for each."""
    from matplotlib.lines import Line2D

    seen = np.isfinite(x[:, [i, j]]).all(axis=1)
    cuts = np.quantile(unsure, _BREAKS) if len(unsure) else (0.0, 0.0)
    group = (unsure > cuts[0]).astype(int) + (unsure > cuts[1])
    looks = [(10, 0.25, "sure: 75 % of the rows"), (28, 0.6, "less sure: the next 20 %"), (70, 1.0, "least sure: 5 %")]
    shades = np.array(colours(view.k))
    for g, (size, alpha, text) in enumerate(looks):
        mine = seen & (group == g)
        ax.scatter(x[mine, i], x[mine, j], s=size, color=shades[best[mine]], alpha=alpha, linewidths=0, label=text, zorder=2 + g)
    ax.set_xlabel(short(view.columns[i].name), **PLAIN)
    ax.set_ylabel(short(view.columns[j].name), **PLAIN)
    note(ax, said(int((~seen).sum()), "lack a value"))
    tidy(ax)
    sizes = [Line2D([], [], color=ink(), marker="o", linestyle="", markersize=s**0.5, alpha=a) for s, a, _ in looks]
    if 1 < view.k <= FEW:
        key(ax, view.titles(), sizes, [text for _, _, text in looks])
    else:
        key(ax, view.titles())
        legend(ax, sizes, [text for _, _, text in looks], loc="best")
    return ax
