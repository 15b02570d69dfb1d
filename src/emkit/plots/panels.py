"""What sets components apart, column by column: bars of the levels of categories, means and spreads of numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.plots.densities import has_margins, levels_of, moments
from emkit.plots.style import PLAIN, colours, matplotlib, note, several_axes, short, tidy
from emkit.plots.view import View, column_numbers, view_of

MOST = 24
"""Columns, unless some are asked for."""
_WIDE = 4  # panels side by side
_READABLE = 30  # components that have their names beside the bars


def profiles(
    estimator: Any, X: Any = None, *, columns: Any = None, given: Mapping[Any, Any] | None = None, ax: Any = None, **read: Any
) -> Any:
    """A panel for each column, in it a bar for each component.

    Of a categorical column the bar is divided into the levels, as wide as they are probable in the component, in the order in
    which the model has them. Of numbers there are the component's mean, and a line of one standard deviation to either side.

    Parameters
    ----------
    estimator : fitted mixture or hidden Markov model
        Such as ``LatentClass``, or ``Mixture`` over a table.
    X : data, optional
        Not needed: pictures are of the parameters.
    columns : str, int, or list of them, optional
        Default: all, if there are at most 24.
    given : mapping, optional
        Levels of other columns that hold, such as ``{"country": "France"}`` of the groups of a latent class model whose items
        differ between them.
    ax : array of matplotlib axes, optional
        One for each column.

    Returns
    -------
    array of matplotlib axes
        One for each column, in order.

    Raises
    ------
    ParameterError
        For more than 24 columns, if none are chosen by ``columns``; for a level that ``given`` names and there is not.
    NotFittedError
    """
    view = view_of(estimator, X, **read)
    known = _given(view, given)
    there = [j for j in range(len(view.columns)) if j not in known]
    chosen = column_numbers(view.columns, columns, there)
    if columns is None and len(chosen) > MOST:
        raise ParameterError(f"{len(chosen)} panels are too many: choose columns by columns=[...]", parameter="columns")
    wide = min(_WIDE, len(chosen))
    rows = -(-len(chosen) // wide)
    bar = min(max(0.3 * view.k, 1.0), 9.0)
    if ax is None:
        axes = several_axes(None, rows, wide, 2.6 * wide + 1.2, rows * (bar + 0.7), sharey=True).ravel()
        for rest in axes[len(chosen) :]:
            rest.set_axis_off()
        axes = axes[: len(chosen)]
    else:
        axes = several_axes(ax, 1, len(chosen), 0.0, 0.0).ravel()
    for here, j in zip(axes, chosen, strict=True):
        found = None if j in view.numeric or not has_margins(view) else levels_of(view, j, known)
        if found is None:
            _numbers(here, view, j)
        else:
            _levels(here, view, j, *found)
        here.set_title(short(view.columns[j].name), loc="left", fontsize="medium", **PLAIN)
        _names(here, view)
    return axes


def _given(view: View, given: Mapping[Any, Any] | None) -> dict[int, float]:
    """The numbers of columns and of their levels."""
    found = {}
    for name, level in (given or {}).items():
        (j,) = column_numbers(view.columns, name, range(len(view.columns)))
        levels = view.columns[j].levels
        if levels is not None and level not in levels:
            raise ParameterError(
                f"given: {view.columns.called(j)} has no level {level!r}; it has {', '.join(map(repr, levels[:20]))}",
                parameter="given",
            )
        found[j] = float(level if levels is None else levels.index(level))
    return found


def _levels(ax: Any, view: View, j: int, names: list[str], p: np.ndarray) -> None:
    """Bars (K) divided into levels (L), with the names of those that are wide enough in them."""
    if np.any(np.abs(p.sum(axis=0) - 1.0) > 1e-6):
        note(ax, "differs between groups: say given=...")
        return
    shades = [matplotlib().colormaps["cividis"](0.08 + 0.88 * i / max(len(names) - 1, 1)) for i in range(len(names))]
    left, at = np.zeros(view.k), np.arange(view.k)
    for name, shade, wide in zip(names, shades, p, strict=True):
        ax.barh(at, wide, left=left, height=0.86, color=shade, label=name, edgecolor="white", linewidth=0.5)
        dark = 0.299 * shade[0] + 0.587 * shade[1] + 0.114 * shade[2] < 0.5
        for k in range(view.k) if view.k <= _READABLE else ():
            room = int(wide[k] * 26)
            if room >= 3 or room >= len(name):
                ax.text(
                    left[k] + 0.5 * wide[k], k, short(name, room), ha="center", va="center", fontsize=8,
                    color="white" if dark else "black", clip_on=True, **PLAIN,
                )  # fmt: skip
        left = left + wide
    ax.set_xlim(0.0, 1.0)
    ax.set_xticks([0.0, 0.5, 1.0])


def _numbers(ax: Any, view: View, j: int) -> None:
    """Mean, and one standard deviation to either side."""
    known, shades = moments(view), colours(view.k)
    if known is None or not np.isfinite(known[0][:, j]).any():
        note(ax, "its family does not say its mean")
        return
    for k, (mean, sd) in enumerate(zip(known[0][:, j], known[1][:, j], strict=True)):
        ax.errorbar(mean, k, xerr=sd if np.isfinite(sd) else None, fmt="o", color=shades[k], markersize=5, linewidth=2.0)


def _names(ax: Any, view: View) -> None:
    """Components from top to bottom."""
    if view.k <= _READABLE:
        ax.set_yticks(np.arange(view.k), view.titles(), fontsize=8)
    else:
        ax.set_ylabel(view.names[0].rsplit(" ", 1)[0])
    ax.set_ylim(view.k - 0.4, -0.6)
    ax.tick_params(axis="x", labelsize=8)
    tidy(ax)
