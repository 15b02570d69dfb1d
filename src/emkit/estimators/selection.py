"""What ``select`` returns: a table of candidates, and the one that was chosen, fitted."""

import math
import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.base import clone

from emkit.core.checks import one_of
from emkit.core.describe import same_snapshot, snapshot
from emkit.core.errors import ParameterError
from emkit.core.notebook import Printed
from emkit.core.result import StopReason
from emkit.data.frames import frame_like
from emkit.estimators.face import Face, Job
from emkit.estimators.grid import Cell
from emkit.execute.threads import Threads
from emkit.selection.candidates import BY, Found, Outcome
from emkit.selection.tasks import Task, perform

_NUMBERS = ("log_likelihood", "n_free", "aic", "bic", "sabic", "caic", "icl")
_ASKED = ("cv", "cv_se", "cheeseman_stutz")
_SHOWN = 10  # rows of a summary


class Selection(Printed):
    """The outcome of a search over models.

    Attributes
    ----------
    by : str
        The criterion.
    table : dict of lists
        A column for each setting of the grid; then ``log_likelihood``, ``n_free``, ``aic``, ``bic``, ``sabic``, ``caic``, ``icl``
        (lower is better); where asked ``cv``, ``cv_se`` (mean log-likelihood of an observation that was held out, its standard
        error) and ``cheeseman_stutz`` (higher is better); ``starts_at_best``, the share of its finished starts that reached the
        optimum, 0 if only a neighbour's led there; ``smallest``, the weight of the smallest component; ``mark``, "sliver" or
        "floor" (a component whose spread comes from the prior) where the optimum is not to be trusted; ``converged``; ``seconds``;
        ``note``, e.g. why there is no fit. NaN where there is no number.
    best_ : estimator
        The chosen one, fitted.
    best_params_ : dict
        Its settings.
    best_index_ : int or None
        Its row; None if no candidate could be fitted.
    reason_ : StopReason or None
        Why the search ended before it was through; None if it was not.
    """

    def __init__(self, X: Any, cells: Sequence[Cell], jobs: Sequence[Job | None], found: Found, by: str):
        self.by = by
        self.best_index_ = found.best
        self.reason_ = found.reason
        self._X, self._cells, self._jobs, self._found = X, cells, jobs, found
        self._settings = list(dict.fromkeys(name for cell in cells for name in cell.settings))

    @cached_property
    def table(self) -> dict[str, list[Any]]:
        """See the class."""
        rows = [self._row(cell, outcome) for cell, outcome in zip(self._cells, self._found.outcomes, strict=True)]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _row(self, cell: Cell, outcome: Outcome) -> dict[str, Any]:
        result, criteria = outcome.result, outcome.criteria
        row: dict[str, Any] = {name: cell.settings.get(name) for name in self._settings}
        row |= {name: criteria.get(name, math.nan) for name in _NUMBERS}
        row |= {name: criteria.get(name, math.nan) for name in _ASKED if any(name in o.criteria for o in self._found.outcomes)}
        row["n_free"] = row["n_free"] if math.isnan(row["n_free"]) else int(row["n_free"])
        row["starts_at_best"] = outcome.share_at_best
        row["smallest"] = criteria.get("smallest", math.nan)
        row["mark"] = _mark(outcome)
        row["converged"] = result is not None and result.converged
        row["seconds"] = outcome.seconds
        slivers = "" if result is None else "; ".join(str(sliver) for sliver in result.slivers)
        row["note"] = "; ".join(filter(None, (outcome.note, slivers)))
        return row

    def frame(self) -> Any:
        """The table as a data frame of the kind that X was, else of pandas. Raises ImportError without pandas."""
        columns = {name: _plain(values) if name in self._settings else values for name, values in self.table.items()}
        return frame_like(self._X, columns)

    @property
    def best_params_(self) -> dict[str, Any]:
        """Settings of the chosen candidate."""
        return dict(self._cells[self._best()].settings)

    @cached_property
    def best_(self) -> Any:
        """The chosen estimator, fitted. Raises ParameterError if no candidate could be fitted."""
        return self._fitted(self._best())

    def _best(self) -> int:
        if self.best_index_ is None:
            raise ParameterError(self._none_chosen(), parameter="grid")
        return self.best_index_

    def _none_chosen(self) -> str:
        """Why there is no choice."""
        outcomes = self._found.outcomes
        notes = list(dict.fromkeys(outcome.note for outcome in outcomes if outcome.note))
        why = f": {'; '.join(notes[:3])}" if notes else ""
        fitted = sum(outcome.result is not None for outcome in outcomes)
        if not fitted:
            return f"no candidate could be fitted{why}"
        if self.by == "cheeseman_stutz" and not notes:
            why = ": it needs families whose marginal probability of complete data has a closed form"
        return f"{fitted} of {len(outcomes)} candidates are fitted, but none has a {self.by}{why}"

    def refit(self, **settings: Any) -> Any:
        """The fitted estimator of any candidate, e.g. ``refit(n_components=2, covariance_type="VVV")``.

        What the search has fitted is taken over; a candidate that it has not fitted is fitted now. Raises ParameterError if the
        settings are those of none, or of several.
        """
        unknown = [name for name in settings if name not in self._settings]
        if unknown:
            raise ParameterError(
                f"{unknown[0]!r} is not a setting of the grid; these are {', '.join(self._settings)}", parameter=unknown[0]
            )
        found = [i for i, cell in enumerate(self._cells) if all(_same(cell.settings.get(n), v) for n, v in settings.items())]
        if len(found) != 1:
            raise ParameterError(
                f"{len(found)} candidates have the settings {settings}; say which one by {', '.join(self._settings)}"
            )
        return self._fitted(found[0])

    def _fitted(self, i: int) -> Face:
        cell, job, candidate, outcome = self._cells[i], self._jobs[i], self._found.candidates[i], self._found.outcomes[i]
        if job is None:
            raise ParameterError(f"{cell.name} cannot be fitted: {outcome.note}")
        result = outcome.result
        if result is None:
            seed = (zlib.crc32(cell.name.encode()),)  # of the whole name: the first letters of all candidates are the same
            outcome = perform(Task(cell.name, "own", candidate, seed), Threads(cell.estimator.n_jobs), [])
            result = outcome.result
        if result is None:
            raise ParameterError(f"{cell.name} cannot be fitted: {outcome.note}")
        estimator: Face = clone(cell.estimator)
        return estimator._take_on(job, result)

    def summary(self) -> str:
        """The choice in words, and the best candidates."""
        lines = [self._headline()]
        if self.reason_ is not None:
            tried = sum(outcome.result is not None for outcome in self._found.outcomes)
            words = {StopReason.TIME_LIMIT: "stopped at the time limit", StopReason.INTERRUPTED: "interrupted"}
            lines.append(f"  {words.get(self.reason_, 'stopped')}: {tried} of {len(self._cells)} candidates have a fit")
        return "\n".join([*lines, "", *self._lines(_SHOWN)])

    def __str__(self) -> str:
        return self.summary()

    def _headline(self) -> str:
        n = len(self._cells)
        if self.best_index_ is None:
            return f"{n} candidates, none chosen: {self._none_chosen()}"
        i = self.best_index_
        value = self.table[self.by][i]
        mark = self.table["mark"][i]
        return f"{n} candidates; chosen by {self.by}: {self._cells[i].name} ({self.by} {value:.8g}{f', a {mark}' if mark else ''})"

    def order(self) -> list[int]:
        """Rows of the table, the best first by the criterion; marked ones are not set apart. Those without a fit come last."""
        values = [o.value(self.by, 1.0) for o in self._found.outcomes]
        return sorted(range(len(values)), key=lambda i: (values[i], i))

    def _lines(self, most: int | None) -> list[str]:
        order = self.order()
        shown = [i for i in order if self._found.outcomes[i].fitted][:most]
        extra = [name for name in ("cv", "cv_se", "cheeseman_stutz") if name in self.table]
        head = [*self._settings, "log_likelihood", "n_free", "aic", "bic", "icl", *extra, "starts_at_best", "smallest", "mark"]
        cells = [head, *([_text(name, self.table[name][i]) for name in head] for i in shown)]
        widths = [max(len(row[j]) for row in cells) for j in range(len(head))]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
        rest = len(order) - len(shown)
        without = [i for i in order if not self._found.outcomes[i].fitted]
        if rest:
            lines.append(f"and {rest} more, {len(without)} of them without a fit" if without else f"and {rest} more")
        notes = dict.fromkeys(self.table["note"][i] for i in without if not self.table["note"][i].startswith("not tried"))
        return [*lines, *(f"  no fit: {note}" for note in list(notes)[:3])]

    def plot(self, ax: Any = None, *, by: str | None = None) -> Any:
        """A criterion against the number of components, a line for whatever else differs: see ``emkit.plots.criteria``."""
        from emkit.plots import criteria

        return criteria(self, by, ax=ax)

    def _compared(self, by: str | None) -> Any:
        """The candidates as pictures take them."""
        from emkit.plots.comparison import Compared

        by = self.by if by is None else one_of(by, tuple(name for name in BY if name in self.table), "by")
        what, marked = self._cells[0].estimator.size_setting, [bool(mark) for mark in self.table["mark"]]
        sizes, lines = [cell.size for cell in self._cells], [cell.line_name for cell in self._cells]
        return Compared(sizes, self.table[by], lines, marked, self.best_index_, what, by, BY[by] < 0)


def _mark(outcome: Outcome) -> str:
    if outcome.result is None:
        return ""
    if outcome.result.slivers:
        return "sliver"
    return "floor" if outcome.criteria.get("floor") else ""


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return bool(np.array_equal(a, b))
    try:
        return a is b or bool(a == b)
    except ValueError:  # what holds arrays
        return same_snapshot(snapshot(a), snapshot(b))


def _plain(values: list[Any]) -> list[Any]:
    """Values that every data frame takes."""
    return [value if value is None or isinstance(value, str | int | float) else str(value) for value in values]


def _text(name: str, value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:.5g}" if name == "cv_se" else f"{value:.3f}"
    return str(value)
