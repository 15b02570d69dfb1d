"""Learning from rows as they arrive: online EM without an end, for ``partial_fit``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.algorithms.online import ROWS_EACH, far_off
from emkit.core.block import Source
from emkit.core.errors import ParameterError
from emkit.core.model import EStep, Model
from emkit.core.result import Result, StopReason
from emkit.core.summary import ColumnSummary

_UNIT = 512  # rows, in which time is counted; batches have about so many
_KAPPA = 0.51
_DELAY = 1.0  # units that the first gains are delayed by: what was learnt from the first rows is not thrown away
_OF_COLUMNS = ("weight", "mean", "scatter", "low", "high", "whole")  # of a summary without rows
_SHARP = 3.0  # the average over time gives the unit t a weight of about t^3: the first ones do not count for long


@dataclass(frozen=True)
class Arriving:
    """What is known after some rows of a stream.

    Attributes
    ----------
    model, params
    s, mean : Stats
        For one row: with falling gains, and their average over time. From a file they are plain arrays by path until the first
        batch shows their kind.
    time : float
        Units of 512 rows so far, by weight.
    window : float
        Weight of the rows that still count: all of them, unless the past is forgotten. The prior is held against it.
    weight, n_rows, updates, value
        Of all rows so far; ``value`` adds up the log-likelihood of each batch before it was learnt from.
    summary : ColumnSummary or None
        Of the columns so far, without rows.
    """

    model: Model
    params: Any
    s: Any
    mean: Any
    time: float
    window: float
    weight: float
    n_rows: int
    updates: int
    value: float
    summary: ColumnSummary | None

    @classmethod
    def after_fit(cls, result: Result, summary: ColumnSummary | None) -> Self:
        """What a fit found, with the statistics of all its rows."""
        weight = result.total_weight
        s = result.stats * (1.0 / weight)
        return cls(
            result.model, result.params, s, s, weight / _UNIT, weight, weight, result.n_rows, 0, result.log_likelihood, summary
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it but model and parameters, by name: what a file keeps, from which ``of`` goes on to the same bits."""
        numbers = {name: np.array(float(getattr(self, name))) for name in ("time", "window", "weight", "value")}
        whole = {name: np.array(int(getattr(self, name))) for name in ("n_rows", "updates")}
        out = {**numbers, **whole}
        for name in ("s", "mean"):
            stats = getattr(self, name)
            flat = stats if isinstance(stats, Mapping) else stats.flatten()
            out |= {f"{name}.{path}": np.asarray(value) for path, value in flat.items()}
        if self.summary is not None:
            out |= {f"summary.{name}": getattr(self.summary, name) for name in _OF_COLUMNS}
        return out

    @classmethod
    def of(cls, model: Model, params: Any, arrays: Mapping[str, np.ndarray]) -> Self:
        """Inverse of ``arrays``."""
        s, mean, about = (
            {name.removeprefix(part): value for name, value in arrays.items() if name.startswith(part)}
            for part in ("s.", "mean.", "summary.")
        )
        numbers = (float(arrays["time"]), float(arrays["window"]), float(arrays["weight"]))
        counts = (int(arrays["n_rows"]), int(arrays["updates"]), float(arrays["value"]))
        summary = None
        if about:
            none = np.empty((0, len(about["weight"])))
            summary = ColumnSummary(**about, rows=none, hashes=np.empty(0, np.uint64), row_weights=None)
        return cls(model, params, s, mean, *numbers, *counts, summary)

    def after(self, source: Source, forget: float | None = None) -> "Arriving":
        """With the rows of a source learnt, whose weight is not all zero.

        Parameters
        ----------
        forget : float, optional
            Rows after which what was learnt counts half.
        """
        now, size = self, max(_UNIT, ROWS_EACH * (self.model.n_hidden or 1))
        for load in source.loads(2**16, (self.updates,)):
            for batch in load.batches(size):
                if batch.total_weight > 0:
                    now = now._after_batch(batch, forget)
        params = now.model.m_step(now.mean * now.window, now.params)
        here = bare(source.summary)
        summary = here if self.summary is None else self.summary + here
        rows, weight = now.n_rows + source.n_rows, now.weight + source.total_weight
        return replace(now, params=params, n_rows=rows, weight=weight, summary=summary)

    def _after_batch(self, batch: Any, forget: float | None) -> "Arriving":
        here, value = EStep(self.model, self.params)(batch)
        before, average = (_like(here, stats) for stats in (self.s, self.mean))
        weight = batch.total_weight
        u = weight / _UNIT
        time, lost = self.time + u, 0.0 if forget is None else 1.0 - 0.5 ** (weight / forget)
        longest = math.inf if forget is None else forget / (math.log(2.0) * _UNIT)
        kept = (1.0 - (min(time, longest) + _DELAY) ** -_KAPPA) ** u
        # Statistics follow quickly, their average at the pace that is asked for: the noise of batches goes, the past with it.
        gain = max(u / time, 1.0 - kept, min(1.0, 4.0 * lost))
        s = here * (gain / weight) + before * (1.0 - gain)
        share = min(1.0, max((_SHARP + 1.0) * u / (time + _SHARP * u), lost))
        mean = s * share + average * (1.0 - share)
        window = self.window * (1.0 - lost) + weight
        params = self.model.m_step(s * window, self.params)
        return replace(
            self, params=params, s=s, mean=mean, time=time, window=window, updates=self.updates + 1, value=self.value + float(value)
        )

    def strange(self, source: Source) -> int | None:
        """The column in which the rows of a source differ from those so far by far more than chance; None if none does."""
        first = next(iter(source))
        if self.summary is None or first.lengths is not None:  # steps of a sequence depend on each other
            return None
        if not source.in_memory:
            here = source.summary
            x = np.where(here.weight > 0, here.mean, np.nan)[None, :]
            return far_off(np.repeat(x, _UNIT, axis=0), None, self.summary, _UNIT)
        whole = source.joined()
        return far_off(np.asarray(whole.x), whole.weights, self.summary, _UNIT)

    def result(self, tolerance: float) -> Result:
        """As a fit reports itself; the log-likelihood is that of each batch before it was learnt from, but for the first rows."""
        prior, slivers = float(self.model.log_prior(self.params)), self.model.slivers(self.params, self.mean * self.window)
        return Result(
            self.model, self.params, self.value, prior, self.updates, StopReason.STREAM, (), math.inf, (),
            self.n_rows, self.weight, tolerance, slivers, self.mean * self.weight,
        )  # fmt: skip


def _like(here: Any, stats: Any) -> Any:
    """Statistics that came from a file as plain arrays, in the kind that a batch has. Raises ParameterError if they are of none."""
    if not isinstance(stats, Mapping):
        return stats
    if here.flatten().keys() != stats.keys():
        raise ParameterError("the statistics in the model's file are of another form than this emkit's; call fit, or begin anew")
    return here.replace_arrays(stats)


def bare(summary: ColumnSummary) -> ColumnSummary:
    """Moments and ranges, without the sample of rows."""
    return replace(summary, rows=summary.rows[:0], hashes=summary.hashes[:0], row_weights=None)
