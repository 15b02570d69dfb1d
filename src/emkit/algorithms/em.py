"""Expectation-maximization as Dempster, Laird and Rubin (1977, JRSS B 39, 1-38) wrote it."""

from dataclasses import dataclass

from emkit.core.fit import Algorithm, Problem
from emkit.core.result import Step


@dataclass(frozen=True)
class EM(Algorithm):
    """One M-step from the statistics at hand, then one E-step over all data. The objective never falls."""

    def advance(self, problem: Problem, step: Step) -> Step:
        """The next hypothesis, evaluated."""
        return problem.evaluate(problem.model.m_step(step.stats, step.params), step.iteration + 1)
