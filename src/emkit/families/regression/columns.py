"""Which columns a regression is about: the response, what it is regressed on, an offset, numbers of trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Source
from emkit.core.errors import DataError, ParameterError
from emkit.core.selected import SelectedColumns
from emkit.core.support import Counts, Reals, Support


@dataclass(frozen=True)
class Places:
    """Numbers of a regression's columns within what it is shown.

    Attributes
    ----------
    target : int
    on : tuple of int
        The covariates, q of them.
    offset, trials : int or None
    shared : tuple of bool
        Of the intercept and each covariate, whether its coefficient is the same in all components, (1 + q,).
    """

    target: int
    on: tuple[int, ...]
    offset: int | None
    trials: int | None
    shared: tuple[bool, ...]

    @property
    def given(self) -> tuple[int, ...]:
        """All but the response."""
        more = tuple(j for j in (self.offset, self.trials) if j is not None)
        return (*self.on, *more)

    @property
    def width(self) -> int:
        """Columns in all."""
        return 1 + len(self.given)


def placed(
    columns: Sequence[Any], target: Any, on: Sequence[Any] | None, offset: Any, trials: Any, shared: Sequence[Any]
) -> Places:
    """Where these columns are among ``columns``, names or numbers. Raises DataError for one that is not there or not used."""
    columns = list(columns)

    def place(column: Any) -> int:
        if column in columns:
            return columns.index(column)
        if isinstance(column, int | np.integer) and 0 <= column < len(columns) and isinstance(columns[0], str):
            return int(column)
        raise DataError(f"there is no column {column!r} for a regression; its columns are {', '.join(map(repr, columns[:8]))}")

    extras = [None if column is None else place(column) for column in (offset, trials)]
    taken = {*extras, *(place(column) for column in on or ())}
    free = [j for j in range(len(columns)) if j not in taken]
    if target is None and not free:
        raise DataError("a regression needs a column that is its response, beside those that it is regressed on")
    response = free[0] if target is None else place(target)
    if on is None:
        covariates = [j for j in range(len(columns)) if j != response and j not in extras]
    else:
        covariates = [place(column) for column in on]
    used = [response, *covariates, *(j for j in extras if j is not None)]
    if len(set(used)) < len(used):
        raise ParameterError("a regression names a column twice: response, on, offset and trials must differ", parameter="on")
    unused = sorted(set(range(len(columns))) - set(used))
    if unused:
        raise DataError(f"column {columns[unused[0]]!r} is not used by the regression; name it in on=, or drop it")
    alike = [place(column) for column in shared if column != "intercept"]
    strange = sorted(set(alike) - set(covariates))
    if strange:
        raise ParameterError(f"shared={columns[strange[0]]!r} is no column that is regressed on", parameter="shared")
    flags = ("intercept" in tuple(shared), *(j in alike for j in covariates))
    return Places(response, tuple(covariates), extras[0], extras[1], flags)


class SupportOfRegression(Support):
    """The response's own support in its column, counts of trials, numbers elsewhere."""

    def __init__(self, response: Support, places: Places | None):
        self.response, self.places = response, places
        self.words = f"{response.words} (the response)"  # type: ignore[misc]
        self.signed = True  # type: ignore[misc]

    def holds(self, x: np.ndarray) -> np.ndarray:
        """As each column has it."""
        out = np.isfinite(x)
        target, trials = (0, None) if self.places is None else (self.places.target, self.places.trials)
        out[:, [target]] &= self.response.holds(x[:, [target]])
        if trials is not None:
            out[:, [trials]] &= Counts().holds(x[:, [trials]])
            with np.errstate(invalid="ignore"):
                out[:, target] &= ~(x[:, target] > x[:, trials])
        return out

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """Covariates about two centres; see ``Regression.draw`` for the response."""
        return Reals().draw(rng, n, d)


def check_cells(source: Source, places: Places, response: Support) -> None:
    """Raise DataError, naming the cell, for a response that may not be, or a covariate that is missing beside a response."""
    response.check(SelectedColumns(source, (places.target,)))
    Reals().check(SelectedColumns(source, (*places.on, *([] if places.offset is None else [places.offset]))))
    if places.trials is not None:
        Counts().check(SelectedColumns(source, (places.trials,)))
    row = 0
    for block in source:
        x = np.asarray(block.x)
        seen = ~np.isnan(x[:, places.target])
        for j in places.given if block.missing else ():
            bad = np.flatnonzero(seen & np.isnan(x[:, j]))
            if len(bad):
                raise DataError(
                    f"{source.columns.called(j)} {source.place(row + int(bad[0]))} is missing, and a regression needs it; fill it "
                    "in, drop the row, or leave the column out",
                    column=source.columns[j].name,
                    row=source.user_row(row + int(bad[0])),
                )
        if places.trials is not None:
            bad = np.flatnonzero(seen & (x[:, places.target] > x[:, places.trials]))
            if len(bad):
                i = int(bad[0])
                raise DataError(
                    f"{source.columns.called(places.target)} {source.place(row + i)} is {x[i, places.target]:g}, more than the "
                    f"{x[i, places.trials]:g} trials",
                    column=source.columns[places.target].name,
                    row=source.user_row(row + i),
                )
        row += len(x)
