"""A pass of online EM, which covers most of the way, and then EM to the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emkit.algorithms.auto import Auto
from emkit.algorithms.online import OnlineEM
from emkit.core.fit import Algorithm, Problem
from emkit.core.result import Step, StopReason

_BEGAN = "batch.began"


@dataclass(frozen=True)
class OnlineThenBatch(Algorithm):
    """``OnlineEM``, then ``Auto`` from where that ended, until its stop rule is met.

    On data of a million rows the online pass does the work of ten or more iterations. What comes after it has all of EM's promises:
    the objective does not fall, and the fit ends where less than ``tol`` nats are left to gain.

    Parameters
    ----------
    online, batch : Algorithm
    """

    online: OnlineEM = field(default_factory=OnlineEM)
    batch: Algorithm = field(default_factory=Auto)

    monotone = False
    one_start = True
    draws = True

    def begin(self, problem: Problem, params: Any, iteration: int = 0, carried: Mapping[str, np.ndarray] | None = None) -> Step:
        """Of whichever phase it is."""
        if carried and _BEGAN in carried:
            inner = self.batch.begin(problem, params, iteration, _inner(carried))
            return replace(inner, carried=carried)
        return self.online.begin(problem, params, iteration, carried)

    def advance(self, problem: Problem, step: Step) -> Step:
        """A load of rows; or an iteration over all of them."""
        if _BEGAN in step.carried:
            new = self.batch.advance(problem, replace(step, carried=_inner(step.carried)))
            return replace(new, carried={**new.carried, _BEGAN: step.carried[_BEGAN]})
        new = self.online.advance(problem, step)
        if self.online.ended(problem, new) is None:
            return new
        if not self.online.evaluate:
            new = problem.evaluate(new.params, new.iteration)
        return replace(new, carried={_BEGAN: np.array([new.iteration, self.online.n_passes])})

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """Of the second phase; nothing can be said in the first."""
        if _BEGAN not in step.carried:
            return self.online.remaining(problem, step, trace)
        return self.batch.remaining(problem, replace(step, carried=_inner(step.carried)), _own(step, trace))

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """In the second phase."""
        if _BEGAN not in step.carried:
            return False
        return self.batch.at_rest(problem, replace(step, carried=_inner(step.carried)), _own(step, trace))

    def ended(self, problem: Problem, step: Step) -> StopReason | None:
        """As the second phase says."""
        return None if _BEGAN not in step.carried else self.batch.ended(problem, replace(step, carried=_inner(step.carried)))

    def passes(self, step: Step) -> int:
        """Of both phases."""
        if _BEGAN not in step.carried:
            return self.online.passes(step)
        began, passes = step.carried[_BEGAN].tolist()
        return int(step.iteration - began + passes)

    def finished(self, problem: Problem, step: Step) -> Step:
        """Evaluated, if the first phase was not over."""
        return step if _BEGAN in step.carried else self.online.finished(problem, step)


def _inner(carried: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: value for name, value in carried.items() if name != _BEGAN}


def _own(step: Step, trace: Sequence[float]) -> Sequence[float]:
    """The second phase's part of a trace."""
    return trace[-(step.iteration - int(step.carried[_BEGAN][0]) + 1) :]
