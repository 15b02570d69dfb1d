"""EM accelerated by a quasi-Newton method whose slopes come from the E-step.

Jamshidian and Jennrich (1997), JRSS B 59, 569-587, had the idea. The gradient of the objective costs nothing beside the E-step
that EM makes anyway (``Declared.slope``), and the complete-data information (``Declared.information``) is the unit in which
steps are measured, so that those of the data do not matter. An iteration is one E-step, as in EM. EM steps come in between as
referees: they begin, they help out where steps are refused, and they are asked before the end.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emkit.algorithms.em import EM
from emkit.algorithms.lbfgs import Curvature, bend, over
from emkit.core.errors import ImpossibleSequenceError
from emkit.core.fit import Algorithm, Problem
from emkit.core.result import Step

_TURNED = 1e-8  # radians: what a whole turn changes in an angle, by rounding
_REFUSALS = 3  # in a row, before an EM step
_PAIRS = 8  # of moves and turns since the method began afresh, before a predicted gain is believed
_MARGIN = 20.0  # in 42 fits of 14 models up to 20 times what was predicted was still to come
_FLATTEST, _FLAT = 1e-4, 1e-3  # curvatures that what is left may hide along: measured to the first, reckoned with from the second
_LONGEST = 6  # at most 2^6 EM steps, before the next try
_DOUBTS = 3  # in a row, before the slope is
_RISE = 1e-4  # of what the slope promises, the least that a step must bring (Nocedal and Wright 2006, equation 3.4)
_GIVEN_UP = {"given_up": np.array(1)}  # no slope, or a wrong one: plain EM to the end
_COUNTS = ("accepted", "refused", "plain", "idle", "doubts", "doubled", "failed")
_REFUSED = (ArithmeticError, np.linalg.LinAlgError, ImpossibleSequenceError)  # a CollapseError is an ArithmeticError


@dataclass(frozen=True)
class State:
    """What is known at a hypothesis: it travels in ``Step.carried``."""

    at: np.ndarray
    """Its coordinates, as ``pack`` gives them."""
    slope: np.ndarray
    information: np.ndarray
    known: Curvature
    direction: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """Where the next step leads, at full length; empty before the first step."""
    predicted: np.ndarray = field(default_factory=lambda: np.full(2, np.inf))
    """Gains still to come, nats, as the quadratic model had them before the last step and has them now."""
    accepted: int = 0
    """Steps of the quasi-Newton method since it last began afresh."""
    refused: int = 0
    """In a row."""
    plain: int = 0
    """EM steps in a row."""
    idle: int = 0
    """Steps in a row that changed the objective by no more than rounding."""
    doubts: int = 0
    """Referees in a row whose gain was not what the slope said."""
    doubled: int = 0
    """Times that the step is doubled, since the objective bent upward along the last ones."""
    failed: int = 0
    """Times in a row that the method soon had to begin afresh: the more of them, the longer EM goes on before the next try."""
    flattest: float = 1.0
    """The least curvature met along a move, as a share of what it were with nothing hidden: one less the slowest rate of EM."""

    @classmethod
    def of(cls, carried: Mapping[str, np.ndarray]) -> "State | None":
        """What a Step carries; None if it carries nothing."""
        if "slope" not in carried:
            return None
        known = Curvature(carried["moves"], carried["turns"])
        at, slope, information, direction = (carried[name] for name in ("at", "slope", "information", "direction"))
        bare = cls(at, slope, information, known, direction, carried["predicted"], flattest=float(carried["flattest"]))
        return replace(bare, **dict(zip(_COUNTS, carried["counts"].tolist(), strict=True)))

    def arrays(self) -> dict[str, np.ndarray]:
        """To be carried."""
        counts = np.array([self.accepted, self.refused, self.plain, self.idle, self.doubts, self.doubled, self.failed])  # _COUNTS
        return {
            "at": self.at, "slope": self.slope, "information": self.information, "direction": self.direction,
            "predicted": self.predicted, "moves": self.known.moves, "turns": self.known.turns, "counts": counts,
            "flattest": np.array(self.flattest),
        }  # fmt: skip

    @classmethod
    def found(cls, problem: Problem, step: Step, at: np.ndarray | None = None) -> "State | None":
        """Of an evaluated hypothesis, whose coordinates are ``at`` if that is given; None where the model has no slope."""
        slope = problem.model.slope(step.stats, step.params)
        information = None if slope is None or not len(slope) else problem.model.information(step.stats, step.params)
        if slope is None or information is None:
            return None
        return cls.made(problem.model.pack(step.params) if at is None else at, slope, information)

    @classmethod
    def made(cls, at: np.ndarray, slope: np.ndarray, information: np.ndarray) -> "State | None":
        """With nothing known of the curvature; None where the slope or the information is not finite."""
        if not (np.isfinite(slope).all() and np.isfinite(information).all()):
            return None
        return cls(at, slope, information, Curvature.unknown(len(slope)))

    def after(self, new: "State", memory: int) -> "State":
        """``new``, one move on from here, with what is learned on the way."""
        move, turn = new.at - self.at, self.slope - new.slope
        known = self.known.learned(move, turn, new.information, memory)
        direction = known.step(new.slope, new.information)
        predicted = np.array([self.predicted[1], 0.5 * float(new.slope @ direction)])
        flattest = min(self.flattest, bend(move, turn, new.information))
        return replace(new, known=known, direction=direction, predicted=predicted, flattest=flattest)

    def beside(self, problem: Problem, params: Any, near: np.ndarray) -> "State":
        """With whole turns added to angles, which ``pack`` has within (-pi, pi], so that they lie nearest to those of ``near``."""
        turns = 2.0 * np.pi * np.round((near - self.at) / (2.0 * np.pi))
        if not turns.any():
            return self
        again = problem.model.pack(problem.model.unpack(self.at + turns, params))
        return replace(self, at=np.where(np.abs(again - self.at) < _TURNED, self.at + turns, self.at))

    @property
    def length(self) -> float:
        """Of the step to be tried, in full ones."""
        return float(2.0**self.doubled * 0.5**self.refused)

    @property
    def left(self) -> float:
        """Nats that are not exceeded by what is still to gain; inf where too little is known to say so.

        The quadratic model knows nothing of directions that no step has taken yet, and these are the flat ones, along which the
        slope is slight and the way long. So what EM would gain comes in too, were its rate the slowest that was met; steps become
        very small before a flat direction shows, and a rate of .999 is reckoned with in any case.
        """
        if self.accepted < min(_PAIRS, len(self.slope)):
            return math.inf
        by_em = 0.5 * float(self.slope @ over(self.slope, self.information))
        return max(_MARGIN * float(self.predicted.max()), by_em / min(max(self.flattest, _FLATTEST), _FLAT))


@dataclass(frozen=True)
class Accelerated(Algorithm):
    """L-BFGS in units of the complete-data information, with an EM step where that fails. The objective never falls.

    A step that leaves the domain, cannot be evaluated or lowers the objective is refused: the next one is shorter, and after
    three an EM step is made and what was remembered is forgotten. Refused steps count as iterations, since each is an E-step;
    the parameters stay.

    The fit has converged when twice in a row the quadratic model, known from at least eight steps, has less than a twentieth of
    ``tol`` still to gain, when EM at the slowest rate that was met (.999 at least) would gain less than ``tol``, and an EM step,
    asked then, agrees. With ``tol=0``, and for models without ``slope``, this is plain EM.

    Parameters
    ----------
    memory : int
        How many steps are remembered.
    """

    memory: int = 30

    def advance(self, problem: Problem, step: Step) -> Step:
        """A quasi-Newton step, tried; or an EM step."""
        if problem.tol == 0 or "given_up" in step.carried:
            return replace(EM().advance(problem, step), carried=step.carried)
        state = State.of(step.carried) or State.found(problem, step)
        if state is None:
            return replace(EM().advance(problem, step), carried=_GIVEN_UP)
        aim = self.aim(problem, step, state)
        if aim is None:
            new = EM().advance(problem, step)
            here = State.found(problem, new)
            return self.after_em(problem, step, state, new, None if here is None else here.beside(problem, new.params, state.at))
        tried = self._tried(problem, step, aim)
        here = State.found(problem, tried, aim) if tried is not None and self.rises(problem, step, state, tried) else None
        return self.after_trial(problem, step, state, tried, here)

    def aim(self, problem: Problem, step: Step, state: State) -> np.ndarray | None:
        """Where to try next, in coordinates: the step that the quadratic model has for the best, or a part of it.

        None for an EM step: these are made where the method begins, where it is lost, and where it believes to be at the end.
        """
        asked = state.refused >= _REFUSALS or state.idle >= 2 or state.left < problem.tol
        if asked or not step.carried or 0 < state.plain < 2**state.failed:
            return None
        return np.asarray(state.at + state.length * state.direction)

    def rises(self, problem: Problem, step: Step, state: State, tried: Step) -> bool:
        """Whether a trial brings enough of what the slope promises."""
        promised = state.length * float(state.slope @ state.direction)
        return tried.objective >= step.objective + _RISE * promised - problem.rounding(step.objective)

    def remaining(self, problem: Problem, step: Step, trace: Sequence[float]) -> float:
        """What the quadratic model predicts, once an EM step agrees; of EM steps, their own rule."""
        state = State.of(step.carried)
        if state is None:
            return super().remaining(problem, step, trace) if "given_up" in step.carried else math.inf
        if state.plain >= min(_PAIRS, len(trace) - 1):
            return super().remaining(problem, step, trace[-state.plain - 1 :])
        agreed = state.plain > 0 and not state.doubts and trace[-1] - trace[-2] < problem.tol
        return state.left if agreed else math.inf

    def at_rest(self, problem: Problem, step: Step, trace: Sequence[float]) -> bool:
        """Whether neither the last steps nor an EM step after them changed more than rounding does."""
        state = State.of(step.carried)
        if state is None:
            return "given_up" in step.carried and super().at_rest(problem, step, trace)
        return state.plain > 0 and state.idle >= 2

    def after_em(self, problem: Problem, step: Step, state: State, new: Step, here: State | None) -> Step:
        """``new``, an EM step on from ``step``, with what is carried on; ``here``: what is known of it alone."""
        if here is None:
            return replace(new, carried=_GIVEN_UP)
        lost = state.refused >= _REFUSALS
        gain = new.objective - step.objective
        said = 0.5 * float((state.slope + here.slope) @ (here.at - state.at))
        known = replace(state, known=Curvature.unknown(len(here.at))) if lost else state
        here = known.after(here, self.memory)
        judged = (state.accepted > 0 or lost) and gain > 100.0 * problem.rounding(step.objective)
        doubts = state.doubts if not judged else 0 if 0.5 * gain <= said <= 2.0 * gain else state.doubts + 1
        if doubts >= _DOUBTS:
            problem.warn_once(
                f"the slope that {problem.model.called} says is not that of its objective, as EM steps show: the fit goes on by "
                "plain EM. emkit.testing.check_model compares slope and objective"
            )
            return replace(new, carried=_GIVEN_UP)
        idle = state.idle + 1 if abs(gain) <= problem.rounding(step.objective) else 0
        accepted = 0 if lost or doubts or gain >= problem.tol else state.accepted
        failed = min(state.failed + 1, _LONGEST) if lost and state.accepted < _PAIRS else state.failed
        here = replace(here, accepted=accepted, plain=state.plain + 1, idle=idle, doubts=doubts, failed=failed)
        return replace(new, carried=here.arrays())

    def after_trial(self, problem: Problem, step: Step, state: State, tried: Step | None, here: State | None) -> Step:
        """``tried`` with what is carried on, or ``step`` where it was refused; ``here`` is what is known of it alone."""
        if tried is None or here is None:
            stay = replace(state, refused=state.refused + 1, plain=0)
            return replace(step, iteration=step.iteration + 1, carried=stay.arrays())
        upward = float((here.at - state.at) @ (state.slope - here.slope)) <= 0.0
        here = state.after(here, self.memory)
        idle = state.idle + 1 if abs(tried.objective - step.objective) <= problem.rounding(step.objective) else 0
        failed = state.failed if state.accepted < _PAIRS else 0
        doubled = min(state.doubled + 1, _LONGEST) if upward else 0
        here = replace(here, accepted=state.accepted + 1, idle=idle, doubts=state.doubts, failed=failed, doubled=doubled)
        return replace(tried, carried=here.arrays())

    def _tried(self, problem: Problem, step: Step, vector: np.ndarray) -> Step | None:
        """The hypothesis with these coordinates, evaluated; None where that cannot be done."""
        model = problem.model
        try:
            with np.errstate(all="ignore"):
                params: Any = model.unpack(vector, step.params)
                if not all(np.isfinite(array).all() for array in params.flatten().values()):
                    return None
                model.refuse_collapse(params)
                new = problem.evaluate(params, step.iteration + 1)
        except _REFUSED:
            return None
        return new if np.isfinite(new.objective) else None
