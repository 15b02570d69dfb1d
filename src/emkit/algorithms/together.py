"""Several hypotheses of one model, evaluated by one pass over the data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.errors import CollapseError
from emkit.core.fit import Problem
from emkit.core.model import EStep
from emkit.core.result import Step
from emkit.core.side_by_side import SideBySide


@dataclass(frozen=True)
class Together:
    """Several hypotheses, evaluated: what a Step is for one."""

    problem: Problem
    side: SideBySide
    params: Any
    stats: Any
    log_likelihood: np.ndarray
    log_prior: np.ndarray

    @classmethod
    def evaluated(cls, problem: Problem, side: SideBySide, params: Any) -> "Together":
        """One E-step for all of them."""
        stats, log_likelihood = problem.executor.map_reduce(EStep(side, params), problem.source)
        return cls(problem, side, params, stats, np.asarray(log_likelihood), side.log_prior(params))

    @property
    def objective(self) -> np.ndarray:
        """Of each."""
        return self.log_likelihood + self.log_prior

    def m_step(self) -> Any:
        """The hypotheses that EM goes on to."""
        return self.side.m_step(self.stats, self.params)

    def collapsing(self) -> np.ndarray:
        """Which of them collapse at the next M-step, booleans."""
        return np.array([_collapses(self.take(np.array([i]))) for i in range(len(self.log_prior))])

    def take(self, index: np.ndarray) -> "Together":
        """Some of them."""
        params, stats = self.side.take(self.params, index), self.side.take(self.stats, index)
        return replace(self, params=params, stats=stats, log_likelihood=self.log_likelihood[index], log_prior=self.log_prior[index])

    @cached_property
    def at(self) -> np.ndarray:
        """The coordinates of each."""
        return self.side.pack(self.params)

    def with_rows(self, other: "Together", index: Sequence[int]) -> "Together":
        """With some of them as ``other`` has them."""
        params, stats = (self.side.with_rows(*pair, index) for pair in ((self.params, other.params), (self.stats, other.stats)))
        log_likelihood, log_prior = self.log_likelihood.copy(), self.log_prior.copy()
        log_likelihood[index], log_prior[index] = other.log_likelihood[index], other.log_prior[index]
        return Together(self.problem, self.side, params, stats, log_likelihood, log_prior)

    def bare(self, i: int, iteration: int) -> Step:
        """The value of one of them, without its parameters."""
        return Step(iteration, None, float(self.log_likelihood[i]), float(self.log_prior[i]))

    def step(self, i: int, iteration: int) -> Step:
        """One of them."""
        params, stats = self.side.one(self.params, i), self.side.one(self.stats, i)
        return Step(iteration, params, float(self.log_likelihood[i]), float(self.log_prior[i]), stats)


def _collapses(one: Together) -> bool:
    try:
        one.m_step()
    except CollapseError:
        return True
    return False
