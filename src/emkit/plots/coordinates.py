"""Many columns side by side: a line for each row, and each component's means."""

from typing import Any

import numpy as np

from emkit.core.errors import ParameterError
from emkit.plots.densities import moments
from emkit.plots.style import FEW, PLAIN, colours, drawn, key, note, one_axes, short, some_rows, tidy
from emkit.plots.view import View, column_numbers, view_of

_ROWS = 400  # lines
_NAMES = 40  # of columns that can be read


def parallel(estimator: Any, X: Any = None, *, columns: Any = None, ax: Any = None, **read: Any) -> Any:
    """Parallel coordinates: a place on the axis for each column, in standard deviations from the column's mean.

    Rows are thin lines in the colour of their most probable component, broken where a cell is missing; means of components are
    thick ones, and within one standard deviation of them is a band.

    Parameters
    ----------
    estimator : fitted mixture or hidden Markov model
    X : data, optional
        Without, the components alone, in standard deviations of the fitted distribution.
    columns : list of str or int, optional
        Default: all that are numbers.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        If fewer than two columns are numbers.
    NotFittedError
    """
    view = view_of(estimator, X, **read)
    chosen = column_numbers(view.columns, columns, view.numeric)
    if len(chosen) < 2:
        raise ParameterError(
            f"columns: parallel coordinates need at least two columns of numbers, there {'is' if chosen else 'are'} {len(chosen)}; "
            "draw emkit.plots.components or profiles",
            parameter="columns",
        )
    ax = one_axes(ax, max(6.4, min(0.45 * len(chosen), 18.0)), 4.2)
    centre, scale = _scale(view, chosen)
    at, shades = np.arange(len(chosen)), colours(view.k)
    if view.x is not None:
        _rows(ax, view, chosen, centre, scale)
    known = moments(view)
    if known is not None:
        mean, sd = ((known[0][:, chosen] - centre) / scale, known[1][:, chosen] / scale)
        for i in range(len(mean)):
            ax.plot(at, mean[i], color=shades[i], linewidth=2.6 if view.k <= FEW else 1.2, zorder=3, label=view.names[i])
            if view.k <= FEW:
                ax.fill_between(at, mean[i] - sd[i], mean[i] + sd[i], color=shades[i], alpha=0.15, linewidth=0)
    every = 1 + len(chosen) // _NAMES
    names = [short(view.columns[j].name, 18) for j in chosen]
    slanted = {"rotation": 45, "ha": "right"} if sum(map(len, names)) > 60 else {}
    ax.set_xticks(at[::every], names[::every], **PLAIN, **slanted)
    ax.set_xlim(-0.2, len(chosen) - 0.8)
    ax.set_ylabel("standard deviations from the mean")
    ax.grid(axis="x", alpha=0.3)
    tidy(ax)
    key(ax, view.titles())
    return ax


def _scale(view: View, chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, of the data or of the mixture; of a column without any, 0 and 1."""
    known = moments(view)
    mean, sd = np.zeros(len(chosen)), np.ones(len(chosen))
    if known is not None:
        share = view.weights[: len(known[0])] / view.weights[: len(known[0])].sum()
        mean = share @ known[0][:, chosen]
        sd = np.sqrt(share @ (known[1][:, chosen] ** 2 + (known[0][:, chosen] - mean) ** 2))
    if view.x is not None:
        for place, j in enumerate(chosen):
            seen = view.x[np.isfinite(view.x[:, j]), j]
            if len(seen):
                mean[place], sd[place] = seen.mean(), seen.std()
    good = np.isfinite(mean) & np.isfinite(sd) & (sd > 0)
    return np.where(np.isfinite(mean), mean, 0.0), np.where(good, sd, 1.0)


def _rows(ax: Any, view: View, chosen: list[int], centre: np.ndarray, scale: np.ndarray) -> None:
    """A collection of lines for each component."""
    from matplotlib.collections import LineCollection

    x, resp = view.needs("parallel coordinates")
    rows = some_rows(len(x), _ROWS)
    values, best = (x[rows][:, chosen] - centre) / scale, resp[rows].argmax(axis=1)
    at = np.broadcast_to(np.arange(len(chosen)), values.shape)
    for i, shade in enumerate(colours(view.k)):
        lines = np.stack([at[best == i], values[best == i]], axis=2)
        # A line ends at a hole and goes on after it: matplotlib breaks at NaN.
        ax.add_collection(LineCollection(list(lines), colors=shade, linewidths=0.5, alpha=0.3))
    ax.autoscale_view()
    note(ax, drawn(len(rows), len(x)))
