"""Deterministic annealing: EM on a flattened posterior that sharpens step by step, so that the start matters less."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.algorithms.em import EM
from emkit.algorithms.given_labels import GivenLabels
from emkit.core.block import Block
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.fit import Algorithm, Problem
from emkit.core.model import Model
from emkit.core.result import Step, still_to_gain


@dataclass(frozen=True)
class Tempered:
    """The E-step with the posterior raised to a power, as a function of a block: small and picklable."""

    model: Model
    params: Any
    power: float

    def __call__(self, block: Block) -> tuple[Any, float]:
        """Statistics, and the free energy: at power 1 the log-likelihood."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.model.tempered(self.params, block, self.power)


@dataclass(frozen=True)
class Annealing(Algorithm):
    """EM in which responsibilities are proportional to (weight times density)^power, for powers that rise to 1.

    At a low power components share rows, and the free energy 1/power sum log sum (weight density)^power has fewer maxima. Each
    power begins with a step from labels drawn from the flattened posterior, which moves components that a poor start has put
    together. From power 1 on this is EM. Where covariances are free, each iteration leaves only about a share of ``power`` of what
    sets means apart, and what has become one is not made two again: powers should not be low, nor last long.

    Parameters
    ----------
    start : float
        The first power, above 0, at most 1.
    growth : float
        The factor from one power to the next, above 1.
    n_iter : int
        Iterations at each power below 1.

    Raises
    ------
    ParameterError
        Also when a fit begins, for a model that does not say how its posterior is flattened (``Model.tempered``).

    References
    ----------
    Ueda and Nakano (1998), Neural Networks 11, 271-282.
    """

    start: float = 0.7
    growth: float = 1.1
    n_iter: int = 2

    monotone = False
    by_e_steps = False
    one_start = True
    draws = True

    def __post_init__(self) -> None:
        if not 0.0 < self.start <= 1.0:
            raise ParameterError(f"start={self.start!r}: give a power above 0, at most 1", parameter="start")
        if not 1.0 < self.growth < math.inf:
            raise ParameterError(f"growth={self.growth!r}: give a factor above 1", parameter="growth")
        count(self.n_iter, "n_iter")

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """The start at the first power; or where the run had got to."""
        if carried is None or not carried:
            carried = _carried(self.start, 0, problem.seed, iteration)
        return replace(self._at(problem, params, iteration, float(carried["power"])), carried=carried)

    def advance(self, problem: Problem, step: Step) -> Step:
        """An iteration at this power; or the first at the next."""
        power, (made, seed, since) = float(step.carried["power"]), step.carried["annealing"].tolist()
        if power >= 1.0:
            return replace(EM().advance(problem, step), carried=step.carried)
        stats = step.stats
        if made >= self.n_iter:
            power, made, since = min(1.0, power * self.growth), 0, step.iteration + 1
            drawn = GivenLabels(problem.model, step.params, (seed, step.iteration), power)
            stats = problem.executor.map_reduce(drawn, problem.source)[0]
        params = problem.model.m_step(stats, step.params)
        carried = _carried(power, made + 1, seed, since)
        return replace(self._at(problem, params, step.iteration + 1, power), carried=carried)

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """Of EM at power 1; before it, nothing can be said."""
        return still_to_gain(_own(step, trace)) if float(step.carried["power"]) >= 1.0 else math.inf

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """At power 1."""
        return float(step.carried["power"]) >= 1.0 and super().at_rest(problem, step, _own(step, trace))

    def finished(self, problem: Problem, step: Step) -> Step:
        """With the log-likelihood."""
        if float(step.carried["power"]) >= 1.0:
            return step
        return replace(problem.evaluate(step.params, step.iteration), carried=step.carried)

    def _at(self, problem: Problem, params: Any, iteration: int, power: float) -> Step:
        if power >= 1.0:
            return problem.evaluate(params, iteration)
        stats, value = problem.executor.map_reduce(Tempered(problem.model, params, power), problem.source)
        return Step(iteration, params, float(value), float(problem.model.log_prior(params)), stats)


def _carried(power: float, made: int, seed: int, since: int) -> dict[str, np.ndarray]:
    return {"power": np.array(power), "annealing": np.array([made, seed, since])}


def _own(step: Step, trace: Sequence[float]) -> Sequence[float]:
    """The part of a trace that was made at this power."""
    return trace[-(step.iteration - int(step.carried["annealing"][2]) + 1) :]
