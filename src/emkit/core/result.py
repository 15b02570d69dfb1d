"""What a fit reports: the answer, why it stopped, and every start that was tried."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from itertools import pairwise
from typing import Any

import numpy as np

from emkit.core.notebook import preformatted
from emkit.core.records import Params
from emkit.core.slivers import CLOSE, Sliver

SETTLED = 4
"""Iterations before a rate is believed."""
_CAUTION, _MORE = 1.25, 1.001  # what an estimate is multiplied by, where it was exceeded that much before


class StopReason(Enum):
    """Why a fit stopped. The value is the sentence a person reads."""

    CONVERGED = "converged: the estimated remaining gain is below tol"
    MAX_ITER = "stopped at max_iter before the stop rule was met"
    INTERRUPTED = "interrupted; the best parameters so far were kept"
    TIME_LIMIT = "stopped at the time limit; the best parameters so far were kept"
    STOPPED = "stopped by a monitor; the best parameters so far were kept"
    DECREASED = "stopped because the objective fell by more than rounding; the parameters before the fall were kept"
    SET_BY_HAND = "not fitted: the parameters were set by hand"
    MAX_TRIES = "all max_tries tries of the search were made; the best was kept"
    TRIES_AGREED = "tries of the search agreed on the best"
    PASSES = "made all its passes over the data; it has no other end"
    STREAM = "learnt from a stream, which may go on"
    COLLAPSED = "stopped because a component collapsed onto a point; the parameters before that were kept"


class Valued:
    """Whatever has a value of the objective."""

    log_likelihood: float
    log_prior: float

    @property
    def objective(self) -> float:
        """What EM maximises: log-likelihood plus log prior (up to the prior's constant), in nats."""
        return self.log_likelihood + self.log_prior


class Ended(Valued):
    """What came to an end, for a reason."""

    reason: StopReason

    @property
    def converged(self) -> bool:
        """True only if the stop rule was met."""
        return self.reason is StopReason.CONVERGED


@dataclass(frozen=True)
class Step(Valued):
    """One hypothesis with its value: what ``iterate`` yields. Iteration 0 is the start, before any update.

    ``carried``: what the algorithm must remember beside the parameters, arrays by name; checkpoints save it.
    """

    iteration: int
    params: Any
    log_likelihood: float
    log_prior: float
    stats: Any = field(default=None, repr=False)
    carried: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Run(Ended):
    """One start followed until it stopped."""

    params: Params
    log_likelihood: float
    log_prior: float
    n_iter: int
    reason: StopReason
    trace: tuple[float, ...]
    remaining: float
    """Estimated remaining gain, nats; inf where it could not be estimated."""
    carried: Mapping[str, np.ndarray] = field(default_factory=dict)
    stats: Any = field(default=None, repr=False)
    """Expected statistics at ``params``; None if they are not kept, as in a checkpoint."""

    @classmethod
    def ended(cls, step: Step, reason: StopReason, trace: Sequence[float], remaining: float) -> "Run":
        """With a last step, and the objectives up to it."""
        about = (len(trace) - 1, reason, tuple(trace), remaining, step.carried, step.stats)
        return cls(step.params, step.log_likelihood, step.log_prior, *about)


@dataclass(frozen=True)
class Start:
    """One row of the table of starts."""

    index: int
    kind: str
    short_objective: float
    """Objective after the short run, on the subsample (NaN if it had no short run)."""
    objective: float | None = None
    """Objective on all data; None if the start was not carried on."""
    n_iter: int = 0
    reason: StopReason | None = None
    trace: tuple[float, ...] = field(default=(), repr=False)
    """Objective at each iteration on all data; empty if the start was not carried on."""

    def row(self) -> dict[str, Any]:
        """As files have it: JSON's types, by name."""
        about = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**about, "reason": self.reason.name if self.reason else None, "trace": list(self.trace)}

    @classmethod
    def of_row(cls, row: Mapping[str, Any] | Sequence[Any]) -> "Start":
        """The inverse; files of earlier versions have lists, without traces."""
        if not isinstance(row, Mapping):
            row = dict(zip((one.name for one in fields(cls)), row, strict=False))
        reason = StopReason[row["reason"]] if row["reason"] else None
        return cls(**{**row, "reason": reason, "trace": tuple(row.get("trace", ()))})

    @property
    def finished(self) -> bool:
        """Whether it was carried on to the end on all data."""
        return self.objective is not None


@dataclass(frozen=True)
class Result(Ended):
    """The outcome of a fit.

    Attributes
    ----------
    model : Model
        The resolved model: data-dependent defaults made concrete.
    params : Params
        The best hypothesis found.
    log_likelihood, log_prior : float
        At ``params`` exactly (not at the hypothesis before the last update), nats.
    n_iter : int
        Updates (M-steps) of the best run.
    reason : StopReason
        Why the best run stopped.
    trace : tuple of float
        Objective at iterations 0, 1, ..., n_iter of the best run.
    remaining : float
        Estimated remaining gain, nats (Aitken).
    starts : tuple of Start
        Every start tried, in order.
    n_rows, total_weight : int, float
        Rows (or sequences' steps) and the sum of their weights.
    slivers : tuple of Sliver
        Components or states not to be believed in, since they rest on too few rows: empty for a regular optimum.
    """

    model: Any
    params: Any
    log_likelihood: float
    log_prior: float
    n_iter: int
    reason: StopReason
    trace: tuple[float, ...]
    remaining: float
    starts: tuple[Start, ...]
    n_rows: int
    total_weight: float
    tolerance: float = 1e-3
    slivers: tuple[Sliver, ...] = ()
    stats: Any = field(default=None, repr=False, compare=False)
    """Expected statistics of all data at ``params``, from which ``partial_fit`` goes on; None if they were not kept."""

    @classmethod
    def of(
        cls,
        model: Any,
        run: Run,
        starts: Sequence[Start],
        *,
        n_rows: int,
        total_weight: float,
        tolerance: float,
        slivers: Sequence[Sliver] = (),
    ) -> "Result":
        """From the best run."""
        return cls(
            model, run.params, run.log_likelihood, run.log_prior, run.n_iter, run.reason, run.trace,
            run.remaining, tuple(starts), n_rows, total_weight, tolerance, tuple(slivers), run.stats,
        )  # fmt: skip

    @classmethod
    def by_hand(cls, model: Any, params: Any) -> "Result":
        """Parameters that were set, not fitted: nothing is known of any data."""
        return cls(model, params, math.nan, math.nan, 0, StopReason.SET_BY_HAND, (), math.inf, (), 0, 0.0)

    def _repr_html_(self) -> str:
        lines = [f"Result: {self.model.in_words}, {self.n_rows} rows", f"  {self.reason.value}; {self.n_iter} iterations"]
        if self.trace:
            lines += [f"  {self.starts_summary()}", f"  log-likelihood {self.log_likelihood:.4f}   free parameters {self.n_free}"]
        return preformatted("\n".join([*lines, *(f"  a sliver: {sliver}" for sliver in self.slivers)]))

    @property
    def n_free(self) -> int:
        """Free parameters of the model."""
        return int(self.model.n_free(self.params))

    def starts_summary(self) -> str:
        """One sentence, e.g. "best optimum -2750.12 reached by 7 of 20 starts; next best -2755.6"."""
        done = [s.objective for s in self.starts if s.objective is not None]
        if len(self.starts) <= 1 or not done:
            return f"objective {self.objective:.6g} from one start"
        # Two runs count as the same optimum when what separates them is what the stop rule leaves open.
        close = max(10.0 * self.tolerance, 1e-9 * abs(self.objective))
        best = self._best_value(done, close)
        reached = sum(abs(best - value) <= close for value in done)
        finished = len(done)
        whole = (
            f"{reached} of {finished} starts"
            if finished == len(self.starts)
            else f"{reached} of {finished} finished starts ({len(self.starts)} tried)"
        )
        text = f"best optimum {best:.8g} reached by {whole}"
        others = [value for value in done if best - value > close]
        text += f"; next best {max(others):.8g}" if others else ""
        above = [value for value in done if value - best > close]
        return text + (f"; a sliver at {max(above):.8g} was passed over" if above else "")

    def _best_value(self, done: Sequence[float], close: float) -> float:
        """The best objective of ``done``, or the result's own where a regular optimum was taken before slivers within a nat."""
        best, own = max(done), self.objective
        passed_over = self.converged and not self.slivers and close < best - own <= CLOSE + close
        return own if passed_over else best


def aitken(trace: list[float] | tuple[float, ...]) -> float:
    """Estimated remaining gain, from the last gains of a linearly converging sequence.

    With gains g1, g2, g3 and rate a = max(g2 / g1, g3 / g2), the rest of the geometric series is g3 a / (1 - a); inf where the
    gains are not yet shrinking. Taking the larger of two rates guards against one lucky ratio; where only one is known, it counts
    as at least 1/2. Aitken's acceleration as a
    stop rule: Boehning et al. (1994), Ann. Inst. Statist. Math. 46, 373-388.
    """
    if len(trace) < 3:
        return math.inf
    values = [float(value) for value in trace[-4:]]  # of so few, Python is quicker than NumPy
    if not all(map(math.isfinite, values)):
        return math.inf
    gains = [after - before for before, after in pairwise(values)]
    last = gains[-1]
    if last <= 0.0:
        return 0.0 if last == 0.0 else math.inf
    if min(gains) <= 0.0:
        return math.inf
    rate = max(after / before for before, after in pairwise(gains))
    if len(gains) == 2:  # the first gain of all is often no part of the series
        rate = max(rate, 0.5)
    return last * rate / (1.0 - rate) if rate < 1.0 else math.inf


def still_to_gain(trace: Sequence[float]) -> float:
    """Aitken's estimate, held against what it said earlier, from the fourth iteration on.

    The first gain leads from anywhere to where EM can lead, and says nothing of a rate; the next ones are slight where a start
    treats components alike, and grow later. If the last rate is larger than the one before, the next is taken to be larger yet in
    the same proportion. And where the rule, asked when there was e times as much to gain, said too little, it does now: a quarter
    is added then.
    """
    left = aitken(tuple(trace[-4:]))
    if len(trace) <= SETTLED or not 0.0 < left < math.inf:
        return left if left == 0.0 else math.inf
    first, second, last = (trace[-i] - trace[-i - 1] for i in (3, 2, 1))
    next_rate = (last / second) ** 2 / (second / first)
    if next_rate > last / second:
        left = max(left, last * next_rate / (1.0 - next_rate)) if next_rate < 1.0 else math.inf
    if left == math.inf:
        return left
    ago = min(int((left + last) / last), len(trace) - SETTLED - 1)
    said = aitken(tuple(trace[-ago - 4 : len(trace) - ago]))
    return left * (_CAUTION if trace[-1] - trace[-1 - ago] + left > _MORE * said else 1.0)
