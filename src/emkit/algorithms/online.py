"""Online expectation-maximization: the parameters follow after every batch of rows, and one pass is worth many of EM's."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import count
from emkit.core.errors import DataError, ParameterError
from emkit.core.fit import Algorithm, Problem
from emkit.core.model import EStep, Model
from emkit.core.result import Step, StopReason

LEAST, MOST = 512, 2048
"""Rows of a batch: fewer cost more to call than to compute, more are updates that might have been made."""
ROWS_EACH = 20
"""Rows of a batch for each component at least."""
_UPDATES = 1000  # at least, where there are rows enough
_APART = 4  # updates between statistics that are averaged
_LOAD = 2**16  # rows between two steps, at which monitors and checkpoints have their turn
_SEEN = 4096  # rows of a load that tell whether it is like the rest
_FAR = 6.0  # standard errors of a batch's mean, beyond which rows are not in random order


@dataclass(frozen=True)
class State:
    """Where a run is, in ``Step.carried``: updates made, the pass, the load in it, and what statistics there are."""

    seed: int
    value: float
    t: int = 0
    turn: int = 0
    load: int = 0
    averaged: int = 0
    """Updates whose statistics were added up."""
    done: bool = False
    s: Mapping[str, np.ndarray] | None = None
    mean: Mapping[str, np.ndarray] | None = None

    @classmethod
    def of(cls, carried: Mapping[str, np.ndarray]) -> "State":
        """What a Step carries."""
        whole = {name: int(carried[f"online.{name}"]) for name in ("seed", "t", "turn", "load", "averaged", "done")}
        parts = {name: _under(carried, f"online.{name}.") or None for name in ("s", "mean")}
        return cls(value=float(carried["online.value"]), **{**whole, "done": bool(whole["done"])}, **parts)  # type: ignore[arg-type]

    def arrays(self) -> dict[str, np.ndarray]:
        """To be carried."""
        whole = {name: np.array(int(getattr(self, name))) for name in ("seed", "t", "turn", "load", "averaged", "done")}
        out = {f"online.{name}": value for name, value in whole.items()} | {"online.value": np.array(self.value)}
        for name in ("s", "mean"):
            out |= {f"online.{name}.{path}": array for path, array in (getattr(self, name) or {}).items()}
        return out


def _under(carried: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in carried.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class OnlineEM(Algorithm):
    """Statistics are averaged over batches with falling gains, and each batch is followed by an M-step.

    After the t-th batch, of weight w of N in all, the statistics are (1 - g) s + g (N / w) s_batch with g = t^-kappa: those of
    batches long ago, seen with parameters of then, fade. The fit ends after ``n_passes`` with one M-step from the average of these
    statistics over the last half of the updates. Batches are mixed from places far apart, since rows in the order of some quantity
    would lead astray. A step is a load of 65,536 rows or so; its log-likelihood is that of each batch before it was learnt from,
    scaled to all rows. At the end all rows are evaluated once more, so that what is reported is what ``score`` says.

    Parameters
    ----------
    kappa : float
        Above 0.5, at most 1: how fast gains fall.
    batch : int, optional
        Rows of a batch, or steps of whole sequences. Default: as many as make 1,000 updates, within 512 and 2,048, and at least
        20 for each component.
    n_passes : int
    evaluate : bool
        False leaves out the last evaluation; the log-likelihood is then that of each batch before it was learnt from.

    Raises
    ------
    DataError
        When a fit begins with fewer than 20 rows for each component.
    ParameterError
        For settings out of range.

    References
    ----------
    Cappe and Moulines (2009), JRSS B 71, 593-613. Averaging: Polyak and Juditsky (1992), SIAM J. Control Optim. 30, 838-855.
    """

    kappa: float = 0.51
    batch: int | None = None
    n_passes: int = 1
    evaluate: bool = True

    monotone = False
    one_start = True
    draws = True

    def __post_init__(self) -> None:
        if not 0.5 < self.kappa <= 1.0:
            raise ParameterError(f"kappa={self.kappa!r}: give a number above 0.5, at most 1", parameter="kappa")
        if self.batch is not None:
            count(self.batch, "batch")
        count(self.n_passes, "n_passes")

    # --- the run ------------------------------------------------------------------------------------------------------

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """The start, valued by a first batch; or where the run had got to."""
        prior = float(problem.model.log_prior(params))
        if carried:
            state = State.of(carried)
            return Step(iteration, params, state.value, prior, None, carried)
        rows = self._rows(problem)
        self._check(problem.model, rows)
        first = next(iter(rows.loads(_LOAD, (problem.seed, 0))[0].batches(self._size(problem.model, rows))))
        value = EStep(problem.model, params)(first)[1] * rows.total_weight / max(first.total_weight, 1e-300)
        return Step(iteration, params, float(value), prior, None, State(problem.seed, float(value)).arrays())

    def advance(self, problem: Problem, step: Step) -> Step:
        """A load of batches; after the last one the M-step from the average, evaluated."""
        state, rows, model = State.of(step.carried), self._rows(problem), problem.model
        if state.done:
            return replace(step, iteration=step.iteration + 1)
        loads = rows.loads(_LOAD, (state.seed, state.turn))
        size = self._size(model, rows)
        batches, seen = loads[state.load].batches(size), list[Block]()
        before = (state.turn * len(loads) + state.load) / (self.n_passes * len(loads))
        share = 1.0 / (self.n_passes * len(loads) * len(batches))
        found = _Sweep(self.kappa, model, step.params, state.t, state.s, state.mean, state.averaged)
        for i, batch in enumerate(batches):
            latter = before + (i + 1) * share > 0.5
            # Neighbours in time are nearly alike: a few of them say as much as all. The last of a load is always one.
            if len(seen) * size < _SEEN:
                seen.append(batch)
            found.update(batch, rows.total_weight, average=latter and (len(batches) - 1 - i) % _APART == 0)
        self._look_at_order(problem, rows, seen if len(batches) > 1 else [], size)
        if found.s is None:  # all weights are zero
            found.value, found.weight = step.log_likelihood, rows.total_weight
        value = found.value * rows.total_weight / found.weight
        turn, load = (state.turn, state.load + 1) if state.load + 1 < len(loads) else (state.turn + 1, 0)
        after = replace(state, t=found.t, turn=turn, load=load, value=value, averaged=found.averaged)
        if turn < self.n_passes:
            after = replace(after, s=_flat(found.s), mean=_flat(found.mean))
            return Step(step.iteration + 1, found.params, value, float(model.log_prior(found.params)), None, after.arrays())
        params = found.params if found.mean is None else model.m_step(found.mean * (1.0 / found.averaged), found.params)
        last = Step(step.iteration + 1, params, value, float(model.log_prior(params)), found.mean)
        if self.evaluate:
            last = problem.evaluate(params, step.iteration + 1)
        return replace(last, carried=replace(after, done=True, value=last.log_likelihood).arrays())

    def ended(self, problem: Problem, step: Step) -> StopReason | None:
        """After the passes that were asked for."""
        return StopReason.PASSES if State.of(step.carried).done else None

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """Nothing can be said."""
        return math.inf

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """Never."""
        return False

    def passes(self, step: Step) -> int:
        """Whole ones."""
        return State.of(step.carried).turn

    def finished(self, problem: Problem, step: Step) -> Step:
        """Evaluated, where the run ended before its last pass did."""
        if not self.evaluate or State.of(step.carried).done:
            return step
        return replace(problem.evaluate(step.params, step.iteration), carried=step.carried)

    # --- the data -----------------------------------------------------------------------------------------------------

    def _rows(self, problem: Problem) -> Source:
        return (problem.source if problem.rows is None else problem.rows).unmerged

    def _size(self, model: Model, rows: Source) -> int:
        """Rows of a batch."""
        if self.batch is not None:
            return self.batch
        size = min(max(self.n_passes * rows.n_rows // _UPDATES, LEAST), MOST)
        return max(size, ROWS_EACH * (model.n_hidden or 1))

    def _check(self, model: Model, rows: Source) -> None:
        needed = ROWS_EACH * (model.n_hidden or 1)
        if 0 < rows.n_rows < needed:
            raise DataError(
                f"online EM needs {ROWS_EACH} rows for each component, {needed} in all; there are {rows.n_rows}: "
                "take algorithm='em'"
            )

    def _look_at_order(self, problem: Problem, rows: Source, batches: Sequence[Block], size: int) -> None:
        """Warn where a load is not like the rest: its rows come in the order of something, and were not mixed enough."""
        if not batches or batches[0].lengths is not None:  # steps of a sequence depend on each other
            return
        seen = Block.join(batches)
        j = far_off(np.asarray(seen.x), seen.weights, rows.summary, size)
        if j is not None:
            problem.warn_once(
                f"rows seem to come in the order of something: means of {rows.columns.called(j)} differ from one stretch of the "
                "data to the next by far more than chance. Online EM needs them mixed: shuffle the rows, or use algorithm='em'"
            )


def far_off(x: np.ndarray, weights: Any, summary: Any, batch: int) -> int | None:
    """The column whose mean over rows ``x`` is furthest from the summary's, if that is many standard errors of a batch's mean.

    ``weights`` (n,) or None for ones: means are weighted, as the summary's are, and rows count as much as Kish's effective number
    of them, (sum w)^2 / sum w^2.
    """
    w = np.ones(len(x)) if weights is None else np.asarray(weights, dtype=np.float64)
    there = ~np.isnan(x) & (w > 0)[:, None]
    counted, total = there.sum(axis=0), w @ there
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = (w @ np.where(there, x, 0.0)) / total
        effective = total * total / ((w * w) @ there) * np.minimum(1.0, batch / counted)
        spread = np.sqrt(summary.variance / effective)
        off = np.where((counted > 0) & (spread > 0), np.abs(mean - summary.mean) / spread, 0.0)
    j = int(np.argmax(off)) if off.size else 0
    return j if off.size and off[j] > _FAR else None


def _flat(stats: Any) -> dict[str, np.ndarray] | None:
    return None if stats is None else stats.flatten()


class _Sweep:
    """What changes from batch to batch. Statistics that were carried are plain arrays until the first batch shows their kind."""

    def __init__(self, kappa: float, model: Model, params: Any, t: int, s: Any, mean: Any, averaged: int):
        self.kappa, self.model, self.params, self.t = kappa, model, params, t
        self._carried = s, mean
        self.s: Any = None
        self.mean: Any = None
        self.averaged = averaged
        self.value, self.weight = 0.0, 0.0

    def update(self, batch: Block, total: float, *, average: bool) -> None:
        """One batch."""
        weight = batch.total_weight
        if not weight > 0:
            return
        here, value = EStep(self.model, self.params)(batch)
        self.value, self.weight, self.t = self.value + float(value), self.weight + weight, self.t + 1
        if self.s is None:
            self.s, self.mean = (None if arrays is None else here.replace_arrays(arrays) for arrays in self._carried)
        gain = self.t**-self.kappa
        # The new ones first: what is added to them is then taken about the present parameters, where nothing cancels.
        scale = gain * total / weight
        self.s = here * scale if self.s is None or gain == 1.0 else here.blended(scale, self.s, 1.0 - gain)
        self.params = self.model.m_step(self.s, self.params)
        if average:
            self.mean = self.s if self.mean is None else self.mean + self.s
            self.averaged += 1
