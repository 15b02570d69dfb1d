"""Regressors and classifiers as pictures ask them: at rows along one input or two, and their units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.frames import frame_like
from emkit.data.tables import read_table
from emkit.plots.style import FEW, PALETTE, colours, ink
from emkit.plots.view import column_numbers

CURVE, GRID = 300, 80
"""Values of one input, and of each of two, at which a picture asks."""
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


@dataclass(frozen=True)
class Asked:
    """A fitted regressor or classifier, and inputs, over one or two columns of which it is drawn.

    Attributes
    ----------
    estimator : Any
    columns : Columns
    like : Any
        What the user gave: questions have its form.
    inputs : array (n, d)
        Categories by the numbers of their levels.
    chosen : list of one or two int
    units : Units or None
    output : int
        Which of several outputs is drawn.
    """

    estimator: Any
    columns: Columns
    like: Any
    inputs: np.ndarray
    chosen: list[int]
    units: Units | None
    output: int = 0

    @classmethod
    def of(cls, estimator: Any, X: Any, columns: Any, units: bool, output: int = 0) -> "Asked":
        """Checks what was given; see ``emkit.plots.prediction``."""
        from sklearn.utils.validation import check_is_fitted

        if isinstance(estimator, type) or not callable(getattr(estimator, "predict", None)):
            raise ParameterError("estimator: give a fitted regressor or classifier", parameter="estimator")
        check_is_fitted(estimator)
        if X is None:
            raise ParameterError("prediction shows inputs: give the data, X", parameter="X")
        table = read_table(X, every_column=False)
        inputs = np.asarray(table.x, dtype=np.float64)
        chosen = column_numbers(table.columns, columns, [j for j, one in enumerate(table.columns.items) if one.levels is None])
        if not 1 <= len(chosen) <= 2:
            raise ParameterError(
                f"a prediction is drawn over one or two inputs that are numbers, and there are {len(chosen)}: choose by "
                "columns=[...]; the others stay at their medians",
                parameter="columns",
            )
        for j in np.flatnonzero(~np.isfinite(inputs).any(axis=0)):
            name = table.columns[int(j)].name
            raise DataError(f"{table.columns.called(int(j))} has no value at all: there is nothing to draw over", column=name)
        found = estimator._units() if units and isinstance(estimator, WithUnits) and not table.columns.has_levels else None
        if found is not None and (not len(found.centres) or found.centres.shape[1] != inputs.shape[1]):
            found = None
        return cls(estimator, table.columns, X, inputs, chosen, found, output)

    def rows_at(self, *values: np.ndarray) -> np.ndarray:
        """Rows with these values in the chosen columns, (m, d); the others at their medians, categories at the commonest level."""
        middle = np.nanmedian(self.inputs, axis=0)
        for j, column in enumerate(self.columns.items):
            if column.levels is not None:
                seen = self.inputs[np.isfinite(self.inputs[:, j]), j]
                middle[j] = np.bincount(seen.astype(np.intp)).argmax()
        rows = np.tile(middle, (len(values[0]), 1))
        for j, of_column in zip(self.chosen, values, strict=True):
            rows[:, j] = of_column
        return rows

    def span(self, j: int, many: int) -> np.ndarray:
        """Values from the smallest to the largest of a column."""
        low, high = np.nanmin(self.inputs[:, j]), np.nanmax(self.inputs[:, j])
        return np.linspace(low, high if high > low else low + max(abs(low), 1.0) * 1e-2, many)

    def ask(self, method: str, rows: np.ndarray, **more: Any) -> Any:
        """What a method says of rows (n, d); of several outputs the one that is drawn."""
        found = getattr(self.estimator, method)(self._given(rows), **more)
        return tuple(self._one(part) for part in found) if isinstance(found, tuple) else self._one(found)

    def ask_each(self, method: str, rows: np.ndarray) -> np.ndarray:
        """What a method says of each class, (n, K)."""
        return np.asarray(getattr(self.estimator, method)(self._given(rows)), dtype=np.float64)

    def _given(self, rows: np.ndarray) -> Any:
        """Rows as a data frame of the kind that the user has, or as an array."""
        levels = [column.levels for column in self.columns.items]
        cells = [rows[:, j].tolist() if of is None else [of[int(value)] for value in rows[:, j]] for j, of in enumerate(levels)]
        if self.columns.named:
            return frame_like(self.like, dict(zip(self.columns.names, cells, strict=True)))
        return rows if not self.columns.has_levels else np.array(list(zip(*cells, strict=True)), dtype=object)

    def _one(self, found: Any) -> np.ndarray:
        array = np.asarray(found, dtype=np.float64)
        return array if array.ndim == 1 else array[:, self.output]


def foot(ax: Any, own: Units, rows: np.ndarray, grid: np.ndarray) -> None:
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


def centres(ax: Any, own: Units, i: int, j: int) -> None:
    """Where units stand, and of few of them how far they reach."""
    from matplotlib.patches import Ellipse

    widths = np.broadcast_to(own.widths, own.centres.shape)
    ax.scatter(own.centres[:, i], own.centres[:, j], marker="+", s=60, color=PALETTE[1], zorder=4, label=f"{own.name}s")
    for centre, width in zip(own.centres, widths, strict=True):
        if len(own.centres) <= 2 * FEW and np.isfinite(width[[i, j]]).all():
            look: Any = {"facecolor": "none", "edgecolor": PALETTE[1], "linewidth": 1.0, "zorder": 4}
            ax.add_patch(Ellipse((centre[i], centre[j]), 2 * width[i], 2 * width[j], **look))
