"""Algorithms that give each row a label before they learn from it: the most probable one, or one drawn from the posterior."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.block import Block
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.fit import Algorithm, Problem
from emkit.core.model import Model
from emkit.core.result import Step, StopReason


@dataclass(frozen=True)
class GivenLabels:
    """An E-step that takes labels as known: small and picklable, so that it can travel.

    ``seed``: None for the most probable labels; otherwise they are drawn, of each block by a generator of its own. With ``power``
    they are drawn from the posterior raised to it.
    """

    model: Model
    params: Any
    seed: tuple[int, ...] | None = None
    power: float = 1.0

    def __call__(self, block: Block) -> tuple[Any, float]:
        """Statistics of the block with its labels, and the log-likelihood of rows and labels together."""
        with np.errstate(over="ignore", invalid="ignore"):
            if self.seed is None:
                labels = self.model.infer(self.params, block, "mode").mode
            else:
                rng = np.random.default_rng((*self.seed, block.start))
                labels = self.model.drawn_labels(self.params, block, rng, self.power)
            assert labels is not None
            return self.model.e_step(self.params, replace(block, labels=_joined(labels, block.labels)))


def _joined(labels: np.ndarray, known: Any) -> np.ndarray:
    """Labels with what is known of their probabilities, which goes into the likelihood."""
    if known is None or np.ndim(known) == 1:
        return labels
    evidence = np.array(known, dtype=np.float64)
    rows = np.flatnonzero(labels >= 0)
    kept = evidence[rows, labels[rows]]
    evidence[rows] = 0.0
    evidence[rows, labels[rows]] = kept
    return evidence


def _refuse_without_labels(problem: Problem, name: str) -> None:
    if problem.model.n_hidden is None:
        raise ParameterError(
            f"algorithm={name!r} gives every row a label, and rows of {problem.model.called} have none; take 'em'",
            parameter="algorithm",
        )


@dataclass(frozen=True)
class ClassificationEM(Algorithm):
    """Each row, or sequence, counts wholly as what it most probably is: k-means, for any model.

    The classification likelihood of rows and their labels together never falls, and the fit ends when it stays; steps report it. It
    is quick, but its parameters are biased where components overlap. The log-likelihood of the result is that of the rows.

    References
    ----------
    Celeux and Govaert (1992), Comput. Stat. Data Anal. 14, 315-332.
    """

    by_e_steps = False

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """Rows with the labels that the start gives them."""
        _refuse_without_labels(problem, "classification")
        return self._classified(problem, params, iteration)

    def advance(self, problem: Problem, step: Step) -> Step:
        """An M-step from labelled rows, and new labels."""
        return self._classified(problem, problem.model.m_step(step.stats, step.params), step.iteration + 1)

    def finished(self, problem: Problem, step: Step) -> Step:
        """With the log-likelihood of the rows."""
        return problem.evaluate(step.params, step.iteration)

    def _classified(self, problem: Problem, params: Any, iteration: int) -> Step:
        stats, value = problem.executor.map_reduce(GivenLabels(problem.model, params), problem.source)
        return Step(iteration, params, float(value), float(problem.model.log_prior(params)), stats)


@dataclass(frozen=True)
class StochasticEM(Algorithm):
    """Labels are drawn from their posterior, and the M-step takes them for known: it can leave optima in which EM would end.

    After ``n_iter`` iterations one M-step is made from the statistics' average over the last half of them, which the noise of the
    draws hardly touches.

    Parameters
    ----------
    n_iter : int

    References
    ----------
    Celeux and Diebolt (1985), Computational Statistics Quarterly 2, 73-82. Celeux and Govaert (1992), Comput. Stat. Data Anal. 14,
    315-332.
    """

    n_iter: int = 100

    monotone = False
    by_e_steps = False
    one_start = True
    draws = True

    def __post_init__(self) -> None:
        count(self.n_iter, "n_iter")

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """Rows with labels drawn under the start."""
        _refuse_without_labels(problem, "stochastic")
        if carried:
            seed, t, done = (int(number) for number in carried["drawn"])
            step = problem.evaluate(params, iteration) if done else self._drawn(problem, params, iteration, seed, t)
            return replace(step, carried=carried)
        return replace(self._drawn(problem, params, iteration, problem.seed, 0), carried={"drawn": np.array([problem.seed, 0, 0])})

    def advance(self, problem: Problem, step: Step) -> Step:
        """An M-step from labelled rows, and new draws; at the end one from the average."""
        seed, t, done = (int(number) for number in step.carried["drawn"])
        if done:
            return replace(step, iteration=step.iteration + 1)
        mean: Any = step.stats.replace_arrays(_mean(step.carried)) if "mean.count" in step.carried else None
        counted = int(step.carried.get("mean.count", 0))
        if 2 * (t + 1) > self.n_iter:
            mean, counted = step.stats if mean is None else mean + step.stats, counted + 1
        if t + 1 >= self.n_iter:
            params = problem.model.m_step(mean * (1.0 / counted), step.params)
            return problem.evaluate(params, step.iteration + 1, {"drawn": np.array([seed, t + 1, 1])})
        params = problem.model.m_step(step.stats, step.params)
        carried = {"drawn": np.array([seed, t + 1, 0])}
        if mean is not None:
            carried |= {f"mean.stats.{name}": array for name, array in mean.flatten().items()} | {"mean.count": np.array(counted)}
        return replace(self._drawn(problem, params, step.iteration + 1, seed, t + 1), carried=carried)

    def ended(self, problem: Problem, step: Step) -> StopReason | None:
        """After the iterations that were asked for."""
        return StopReason.PASSES if int(step.carried["drawn"][2]) else None

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """Nothing can be said."""
        return math.inf

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """Never."""
        return False

    def finished(self, problem: Problem, step: Step) -> Step:
        """With the log-likelihood of the rows."""
        if int(step.carried["drawn"][2]):
            return step
        return replace(problem.evaluate(step.params, step.iteration), carried=step.carried)

    def _drawn(self, problem: Problem, params: Any, iteration: int, seed: int, t: int) -> Step:
        stats, value = problem.executor.map_reduce(GivenLabels(problem.model, params, (seed, t)), problem.source)
        return Step(iteration, params, float(value), float(problem.model.log_prior(params)), stats)


def _mean(carried: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name.removeprefix("mean.stats."): array for name, array in carried.items() if name.startswith("mean.stats.")}
