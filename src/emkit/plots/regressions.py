"""Regressions over one input or two: the mean, an interval for new observations, and the units behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.tables import read_table
from emkit.plots.style import FEW, GREY, PALETTE, PLAIN, colours, drawn, ink, legend, note, one_axes, short, some_rows, tidy
from emkit.plots.view import column_numbers

_POINTS = 5000
_CURVE, _GRID = 300, 80  # values of one input, of each of two
_FOOT = 0.16  # of the height: units


@dataclass(frozen=True)
class Units:
    """The parts that a regression is made of.

    Attributes
    ----------
    name : str
        Of one of them, such as "unit".
    share : callable
        From inputs (n, d) to how much each unit has to say there, from 0 to 1, (n, K).
    centres, widths : array (K, d)
        Where units stand, and how far they reach.
    """

    name: str
    share: Callable[[np.ndarray], np.ndarray]
    centres: np.ndarray
    widths: np.ndarray


@runtime_checkable
class WithUnits(Protocol):
    """Regressors that say which units they have."""

    def _units(self) -> Units:
        """Units of the fit."""


@runtime_checkable
class WithLines(Protocol):
    """Regressors of which each class, or expert, has a mean of its own."""

    def predict_each(self, X: Any) -> np.ndarray:
        """The mean of the target in each class, (n, K)."""


def prediction(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    columns: Any = None,
    level: float = 0.9,
    units: bool = True,
    output: int = 0,
    ax: Any = None,
) -> Any:
    """What a regressor predicts over one column of the inputs, or two; other columns stay at their medians.

    Over one column the mean, and the interval that holds a new observation with probability ``level``; over two contour lines of
    the mean, filled. At the foot of the first are the units, how much each has to say at each place; in the second their centres
    and widths.

    Parameters
    ----------
    estimator : fitted regressor
        Any one with ``predict``; a band needs ``predict_interval`` too.
    X : array (n, d) or data frame
        Inputs: what is drawn goes from their smallest to their largest value.
    y : array (n,), optional
        Targets, drawn as points; over two columns in the colours of the contours.
    columns : str, int, or list of one or two of them
        Which inputs; default: all, if there are one or two.
    level : float
    units : bool
        Whether units are drawn, if there are any.
    output : int
        Which of several outputs.
    ax : matplotlib axes, optional

    Returns
    -------
    matplotlib axes

    Raises
    ------
    ParameterError
        For more than two inputs, if ``columns`` does not choose; for what is no regressor.
    DataError
        For a column without any value.
    NotFittedError
    """
    from sklearn.utils.validation import check_is_fitted

    if isinstance(estimator, type) or not callable(getattr(estimator, "predict", None)):
        raise ParameterError("estimator: give a fitted regressor", parameter="estimator")
    check_is_fitted(estimator)
    if X is None:
        raise ParameterError("prediction shows inputs: give the data, X", parameter="X")
    table = read_table(X, every_column=False)
    inputs = np.asarray(table.x, dtype=np.float64)
    chosen = column_numbers(table.columns, columns, range(len(table.columns)))
    if len(chosen) > 2:
        raise ParameterError(
            f"a prediction is drawn over one or two inputs, and there are {len(chosen)}: choose by columns=[...]; the others stay "
            "at their medians",
            parameter="columns",
        )
    middle = _medians(inputs, table.columns)
    targets = _targets(y, len(inputs), output)
    shown = _Asked(estimator, table.columns, X, output)
    own = estimator._units() if units and isinstance(estimator, WithUnits) else None
    if len(chosen) == 1:
        return _curve(one_axes(ax), shown, inputs, targets, middle, chosen[0], level, own)
    return _contours(one_axes(ax, 6.4, 4.8), shown, inputs, targets, middle, chosen, own)


@dataclass(frozen=True)
class _Asked:
    """A regressor that is asked in the form in which its inputs came."""

    estimator: Any
    columns: Columns
    like: Any
    output: int

    def ask(self, method: str, rows: np.ndarray, **more: Any) -> Any:
        """What a method says of rows (n, d); of several outputs the one that is drawn."""
        found = getattr(self.estimator, method)(self._given(rows), **more)
        return tuple(self._one(part) for part in found) if isinstance(found, tuple) else self._one(found)

    def ask_each(self, rows: np.ndarray) -> np.ndarray:
        """The mean in each class, (n, K)."""
        return np.asarray(self.estimator.predict_each(self._given(rows)), dtype=np.float64)

    def _given(self, rows: np.ndarray) -> Any:
        """Rows as a data frame of the kind that the user has, or as an array."""
        if not self.columns.named:
            return rows
        from emkit.data.frames import frame_like

        return frame_like(self.like, {name: rows[:, j].tolist() for j, name in enumerate(self.columns.names)})

    def _one(self, found: Any) -> np.ndarray:
        array = np.asarray(found, dtype=np.float64)
        return array if array.ndim == 1 else array[:, self.output]


def _medians(inputs: np.ndarray, columns: Columns) -> np.ndarray:
    empty = np.flatnonzero(~np.isfinite(inputs).any(axis=0))
    if len(empty):
        j = int(empty[0])
        raise DataError(f"{columns.called(j)} has no value at all: there is nothing to draw over", column=columns[j].name)
    return np.nanmedian(inputs, axis=0)


def _targets(y: Any, n: int, output: int) -> np.ndarray | None:
    if y is None:
        return None
    found = np.asarray(y, dtype=np.float64)
    if found.ndim not in (1, 2) or len(found) != n:
        raise DataError(f"X has {n} rows, y has the shape {found.shape}: give one target for each row")
    return found if found.ndim == 1 else found[:, output]


def _span(values: np.ndarray, many: int) -> np.ndarray:
    low, high = np.nanmin(values), np.nanmax(values)
    wide = (high - low) or max(abs(low), 1.0) * 1e-2
    return np.linspace(low - 0.02 * wide, high + 0.02 * wide, many)


def _curve(
    ax: Any, shown: _Asked, inputs: np.ndarray, y: np.ndarray | None, middle: np.ndarray, j: int, level: float, own: Units | None
) -> Any:
    """Over one input."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    grid = _span(inputs[:, j], _CURVE)
    rows = np.tile(middle, (len(grid), 1))
    rows[:, j] = grid
    shade = ink() if isinstance(shown.estimator, WithLines) else PALETTE[0]  # classes have the palette
    handles: list[Any] = [Line2D([], [], color=shade, linewidth=2)]
    names = ["mean"]
    if y is not None:
        some = some_rows(len(y), _POINTS)
        ax.plot(
            inputs[some, j], y[some], "o", color=GREY, markersize=3, alpha=0.6, zorder=1, label="data", rasterized=len(some) > 1000
        )
        note(ax, drawn(len(some), len(y)))
    if callable(getattr(shown.estimator, "predict_interval", None)):
        low, high = shown.ask("predict_interval", rows, level=level)
        ax.fill_between(grid, low, high, color=PALETTE[0], alpha=0.2, linewidth=0, zorder=2, label="interval")
        handles.append(Patch(color=PALETTE[0], alpha=0.2))
        names.append(f"{100 * level:.3g} % of new observations")
    ax.plot(grid, shown.ask("predict", rows), color=shade, linewidth=2.0, zorder=3, label="mean")
    if isinstance(shown.estimator, WithLines):
        each = shown.ask_each(rows)
        for k, own_shade in enumerate(colours(each.shape[1])):
            handles += ax.plot(grid, each[:, k], color=own_shade, linewidth=1.2, linestyle="--", zorder=3, label=f"class {k}")
            names.append(f"class {k}")
    ax.set_xlabel(short(shown.columns[j].name), **PLAIN)
    ax.set_ylabel("target")
    tidy(ax)
    if own is not None and len(own.centres):
        _foot(ax, own, rows, grid)
    legend(ax, handles, names, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4)
    return ax


def _foot(ax: Any, own: Units, rows: np.ndarray, grid: np.ndarray) -> None:
    """Below the data: how much each unit has to say."""
    low, high = ax.get_ylim()
    ax.set_ylim(low - (high - low) * _FOOT / (1.0 - _FOOT), high)
    share = own.share(rows)
    for k, shade in enumerate(colours(share.shape[1])):
        height = 0.85 * _FOOT * np.clip(share[:, k], 0.0, 1.0)
        ax.fill_between(
            grid, 0.0, height, color=shade, alpha=0.35, linewidth=0, transform=ax.get_xaxis_transform(), zorder=0,
            label=f"{own.name} {k}",
        )  # fmt: skip
    ax.text(1.005, 0.4 * _FOOT, f"{own.name}s", transform=ax.transAxes, fontsize="small", va="center", color=ink())


def _contours(
    ax: Any, shown: _Asked, inputs: np.ndarray, y: np.ndarray | None, middle: np.ndarray, chosen: list[int], own: Units | None
) -> Any:
    """Over two inputs."""
    from matplotlib.ticker import MaxNLocator

    i, j = chosen
    across, up = _span(inputs[:, i], _GRID), _span(inputs[:, j], _GRID)
    rows = np.tile(middle, (_GRID * _GRID, 1))
    rows[:, i], rows[:, j] = (part.ravel() for part in np.meshgrid(across, up))
    mean = shown.ask("predict", rows).reshape(_GRID, _GRID)
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
    if own is not None and len(own.centres):
        _centres(ax, own, i, j)
    ax.set(xlim=(across[0], across[-1]), ylim=(up[0], up[-1]))
    ax.set_xlabel(short(shown.columns[i].name), **PLAIN)
    ax.set_ylabel(short(shown.columns[j].name), **PLAIN)
    return ax


def _centres(ax: Any, own: Units, i: int, j: int) -> None:
    """Where units stand, and of few of them how far they reach."""
    from matplotlib.patches import Ellipse

    widths = np.broadcast_to(own.widths, own.centres.shape)
    ax.scatter(own.centres[:, i], own.centres[:, j], marker="+", s=60, color=PALETTE[1], zorder=4, label=f"{own.name}s")
    for centre, width in zip(own.centres, widths, strict=True):
        if len(own.centres) <= 2 * FEW and np.isfinite(width[[i, j]]).all():
            look: Any = {"facecolor": "none", "edgecolor": PALETTE[1], "linewidth": 1.0, "zorder": 4}
            ax.add_patch(Ellipse((centre[i], centre[j]), 2 * width[i], 2 * width[j], **look))
