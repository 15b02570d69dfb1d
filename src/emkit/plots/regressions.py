"""Regressions over one input or two: the mean, an interval for new observations, and the units behind it."""

from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.errors import DataError
from emkit.plots.asking import CURVE, GRID, Asked, centres, foot
from emkit.plots.classes import classes_over
from emkit.plots.style import GREY, PALETTE, PLAIN, colours, drawn, ink, legend, note, one_axes, short, some_rows, tidy

_POINTS = 5000


@runtime_checkable
class WithLines(Protocol):
    """Regressors of which each class, or expert, has a mean of its own."""

    def predict_each(self, X: Any) -> np.ndarray:
        """The mean of the target in each class, (n, K)."""


def prediction(
    estimator: Any, X: Any, y: Any = None, *,
    columns: Any = None, level: float = 0.9, units: bool = True, output: int = 0, ax: Any = None,
) -> Any:  # fmt: skip
    """What a regression predicts over one column of the inputs, or two; other columns stay at their medians.

    Over one column the mean, and the interval that holds a new observation with probability ``level``; over two contour lines of
    the mean, filled. At the foot of the first are the units, how much each has to say at each place; in the second their centres
    and widths. Of a classifier the probability of each class over one column; over two the most probable class, paler the less
    probable it is.

    Parameters
    ----------
    estimator : fitted regressor, or classifier
        Any one with ``predict``; a band needs ``predict_interval`` too, classes ``predict_proba``.
    X : array (n, d) or data frame
        Inputs: what is drawn goes from their smallest to their largest value.
    y : array (n,), optional
        Targets, drawn as points; over two columns in the colours of the contours.
    columns : str, int, or list of one or two of them
        Which inputs; default: all, if there are one or two.
    level, output : float, int
        Of the band; which of several outputs.
    units : bool
        Whether units are drawn, if there are any.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For more than two inputs, if ``columns`` does not choose; for what does not predict.
    DataError
        For a column without any value.
    NotFittedError
    """
    from sklearn.base import is_classifier

    shown = Asked.of(estimator, X, columns, units, output)
    ax = one_axes(ax) if len(shown.chosen) == 1 else one_axes(ax, 6.4, 4.8)
    if is_classifier(estimator):
        return classes_over(ax, shown, y)
    targets = _targets(y, len(shown.inputs), output)
    return _curve(ax, shown, targets, level) if len(shown.chosen) == 1 else _contours(ax, shown, targets)


def _targets(y: Any, n: int, output: int) -> np.ndarray | None:
    if y is None:
        return None
    found = np.asarray(y, dtype=np.float64)
    if found.ndim not in (1, 2) or len(found) != n:
        raise DataError(f"X has {n} rows, y has the shape {found.shape}: give one target for each row")
    return found if found.ndim == 1 else found[:, output]


def _curve(ax: Any, shown: Asked, y: np.ndarray | None, level: float) -> Any:
    """Over one input."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    j = shown.chosen[0]
    grid = shown.span(j, CURVE)
    rows = shown.rows_at(grid)
    shade = ink() if isinstance(shown.estimator, WithLines) else PALETTE[0]  # classes have the palette
    handles: list[Any] = [Line2D([], [], color=shade, linewidth=2)]
    names = ["mean"]
    if y is not None:
        some = some_rows(len(y), _POINTS)
        ax.plot(
            shown.inputs[some, j],
            y[some],
            "o",
            color=GREY,
            markersize=3,
            alpha=0.6,
            zorder=1,
            label="data",
            rasterized=len(some) > 1000,
        )
        note(ax, drawn(len(some), len(y)))
    if callable(getattr(shown.estimator, "predict_interval", None)):
        low, high = shown.ask("predict_interval", rows, level=level)
        ax.fill_between(grid, low, high, color=PALETTE[0], alpha=0.2, linewidth=0, zorder=2, label="interval")
        handles.append(Patch(color=PALETTE[0], alpha=0.2))
        names.append(f"{100 * level:.3g} % of new observations")
    ax.plot(grid, shown.ask("predict", rows), color=shade, linewidth=2.0, zorder=3, label="mean")
    if isinstance(shown.estimator, WithLines):
        each = shown.ask_each("predict_each", rows)
        for k, own_shade in enumerate(colours(each.shape[1])):
            handles += ax.plot(grid, each[:, k], color=own_shade, linewidth=1.2, linestyle="--", zorder=3, label=f"class {k}")
            names.append(f"class {k}")
    ax.set_xlabel(short(shown.columns[j].name), **PLAIN)
    ax.set_ylabel("target")
    tidy(ax)
    if shown.units is not None:
        foot(ax, shown.units, rows, grid)
    legend(ax, handles, names, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4)
    return ax


def _contours(ax: Any, shown: Asked, y: np.ndarray | None) -> Any:
    """Over two inputs."""
    from matplotlib.ticker import MaxNLocator

    (i, j), inputs = shown.chosen, shown.inputs
    across, up = shown.span(i, GRID), shown.span(j, GRID)
    mean = shown.ask("predict", shown.rows_at(*(part.ravel() for part in np.meshgrid(across, up)))).reshape(GRID, GRID)
    every = [mean.ravel()] if y is None else [mean.ravel(), y[np.isfinite(y)]]
    low, high = min(part.min() for part in every if len(part)), max(part.max() for part in every if len(part))
    levels = MaxNLocator(12).tick_values(low, high if high > low else low + 1.0)
    filled = ax.contourf(across, up, mean, levels=levels, cmap="cividis")
    if y is not None:
        some = some_rows(len(y), _POINTS)
        ax.scatter(
            inputs[some, i], inputs[some, j], c=y[some], s=14, cmap="cividis", vmin=levels[0], vmax=levels[-1], edgecolor="white",
            linewidth=0.4, zorder=3, rasterized=len(some) > 1000,
        )  # fmt: skip
        note(ax, drawn(len(some), len(y)))
    ax.figure.colorbar(filled, cax=ax.inset_axes((1.03, 0.0, 0.035, 1.0)), label="predicted mean")
    if shown.units is not None:
        centres(ax, shown.units, i, j)
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    ax.set_xlabel(short(shown.columns[i].name), **PLAIN)
    ax.set_ylabel(short(shown.columns[j].name), **PLAIN)
    return ax
