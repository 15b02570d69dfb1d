"""Many starts advanced together: a few EM iterations for all of them, fewer and fewer of them; the best accelerated to the end.

Biernacki, Celeux and Govaert (2003), Computational Statistics & Data Analysis 41, 561-575, measured that many short runs find
better optima than few long ones. Here an iteration of all starts is one pass over the data: see
``emkit.models.side_by_side``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.algorithms.accelerated import Accelerated, State
from emkit.core.fit import Problem, Rules
from emkit.core.model import EStep
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Step, StopReason
from emkit.core.slivers import CLOSE
from emkit.models.side_by_side import SideBySide

MANY = 24  # starts
FINALISTS = 4
_MARGIN, _SEEN = 20.0, 3  # times what is predicted, after so many accelerated steps: who then is below the best is left
_ROUNDS = (8, 8, 8)  # EM iterations, of all starts, of the better half, of the best quarter


@dataclass
class Racer:
    """A start on its way."""

    index: int
    step: Step
    trace: list[float]
    state: State | None = None
    """What the accelerated method knows; None where it has nothing to go by."""
    reason: StopReason | None = None
    remaining: float = math.inf
    going: bool = True

    @property
    def known(self) -> State:
        """The state, where there is one."""
        assert self.state is not None
        return self.state

    @property
    def value(self) -> float:
        """Its objective."""
        return self.trace[-1]

    def judge(self, problem: Problem, algorithm: Accelerated, rules: Rules) -> None:
        """Whether it has met the stop rule."""
        if self.reason is None and rules.tol > 0 and self.step.carried:
            self.remaining = algorithm.remaining(problem, self.step, self.trace)
            if self.remaining < rules.tol or algorithm.at_rest(problem, self.step, self.trace):
                self.reason = StopReason.CONVERGED

    def may_win(self, best: float, rules: Rules) -> bool:
        """Whether it is worth another step: what it may still gain reaches the best."""
        if self.reason is not None or self.state is None or len(self.trace) > rules.max_iter:
            return False
        most = _MARGIN * float(self.state.predicted.max()) if self.state.accepted >= _SEEN else math.inf
        return self.value >= best or self.value + most > best - CLOSE

    def leave(self, here: "Together", j: int) -> None:
        """Take along the parameters, those of hypothesis ``j``."""
        self.step = replace(here.step(j, self.step.iteration), carried=self.step.carried)

    def run(self) -> Run:
        """As the outcome of a run."""
        step, n_iter, reason = self.step, len(self.trace) - 1, self.reason or StopReason.MAX_ITER
        about = (n_iter, reason, tuple(self.trace), self.remaining, step.carried)
        return Run(step.params, step.log_likelihood, step.log_prior, *about)


@dataclass
class Race:
    """What has become of all starts."""

    racers: list[Racer]
    """Those that reached the last round, best first."""
    short: list[float]
    """Objective of each start where it was left, or at the end of the short rounds."""
    stopped: StopReason | None = None


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

    def em_step(self) -> "Together":
        """One iteration of EM."""
        return Together.evaluated(self.problem, self.side, self.m_step())

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


def race(
    small: Problem,
    problem: Problem,
    side: SideBySide,
    rngs: Sequence[np.random.Generator],
    rules: Rules,
    asked: Monitor,
    accelerate: bool,
) -> Race:
    """Short runs of as many starts as there are generators, on ``small``; the best few on ``problem``, accelerated if asked.

    Raises
    ------
    CollapseError
        Where a component of some start collapses in the short rounds.
    """
    problem, stopped, made = replace(problem, tol=rules.tol), None, 0
    here, alive = Together.evaluated(small, side, side.init(small.source, rngs)), np.arange(len(rngs))
    traces = {i: [value] for i, value in enumerate(here.objective.tolist())}
    for rounds in _ROUNDS:
        for _ in range(rounds):
            stopped = stopped or asked.step(here.step(0, made))
            if stopped is None and made < rules.max_iter:
                here, made = here.em_step(), made + 1
                for i, value in zip(alive.tolist(), here.objective.tolist(), strict=True):
                    traces[i].append(value)
        best = np.argsort(-here.objective, kind="stable")[: max(FINALISTS, len(alive) // 2)]
        here, alive = here.take(best), alive[best]
    short = [trace[-1] for trace in traces.values()]
    if small is not problem and small.source is not problem.source:
        here, made = Together.evaluated(problem, side, side.take(here.params, np.arange(FINALISTS))), 0
        traces = {i: [value] for i, value in zip(alive.tolist(), here.objective.tolist(), strict=False)}
    here = replace(here, problem=problem)
    racers = [Racer(i, here.step(j, made), traces[i]) for j, i in enumerate(alive[:FINALISTS].tolist())]
    if accelerate and stopped is None:
        stopped = _to_the_end(here.take(np.arange(len(racers))), racers, Accelerated(), rules, asked)
    racers.sort(key=lambda racer: (-racer.value, racer.index))
    return Race(racers, short, stopped)


def _to_the_end(here: Together, racers: list[Racer], algorithm: Accelerated, rules: Rules, asked: Monitor) -> StopReason | None:
    """Accelerate, all at once, those that may still win; returns the reason if a monitor asked to stop."""
    for racer, state in zip(racers, _states(here, [None] * len(racers)), strict=True):
        racer.state = state
    running = racers
    while True:
        best = max(racer.value for racer in racers)
        for j, racer in enumerate(running):
            racer.judge(here.problem, algorithm, rules)
            racer.going = racer.may_win(best, rules)
            if not racer.going:
                racer.leave(here, j)
        going = [j for j, racer in enumerate(running) if racer.going]
        if len(going) < len(running):
            here, running = here.take(np.array(going, dtype=np.intp)), [running[j] for j in going]
        if not running:
            return None
        stopped = asked.step(running[0].step)
        if stopped is not None:
            for j, racer in enumerate(running):
                racer.leave(here, j)
            return stopped
        here = _advanced(here, algorithm, running)


def _advanced(here: Together, algorithm: Accelerated, racers: list[Racer]) -> Together:
    """One step of each: trials and EM steps alike are evaluated in one pass over the data."""
    aims = [algorithm.aim(here.problem, racer.step, racer.known) for racer in racers]
    with np.errstate(all="ignore"):
        params, sound = _aimed_at(here, aims)
        new = Together.evaluated(here.problem, here.side, params)
        found = _states(new, aims)
    stay = []
    for j, (racer, aim, state) in enumerate(zip(racers, aims, found, strict=True)):
        step, made = racer.step, new.bare(j, racer.step.iteration + 1)
        if aim is None:
            racer.step = algorithm.after_em(here.problem, step, racer.known, made, state)
        else:
            risen = bool(sound[j]) and np.isfinite(made.objective) and algorithm.rises(here.problem, step, racer.known, made)
            state = state if risen else None
            racer.step = algorithm.after_trial(here.problem, step, racer.known, made, state)
            if state is None:
                stay.append(j)
        racer.state = State.of(racer.step.carried)
        racer.trace.append(racer.step.objective)
    return new.with_rows(here, stay) if stay else new


def _aimed_at(here: Together, aims: list[np.ndarray | None]) -> tuple[Any, np.ndarray]:
    """The hypotheses to try next, and which of them are ones; where an aim is none, its start stays where it is."""
    side, n = here.side, len(aims)
    sound = np.ones(n, dtype=bool)
    plain = np.array([aim is None for aim in aims])
    if plain.all():
        return here.m_step(), sound
    like = side.one(here.params, 0)
    at = here.at
    rows = np.stack([at[j] if aim is None else aim for j, aim in enumerate(aims)])
    params = side.unpack(rows, like)
    sound[~plain] = side.sound(params)[~plain]
    if plain.any():
        params = side.with_rows(params, here.m_step(), np.flatnonzero(plain))
    if not sound.all():
        params = side.with_rows(params, here.params, np.flatnonzero(~sound))
    return params, sound


def _states(here: Together, at: Sequence[np.ndarray | None]) -> list[State | None]:
    """What is known of each hypothesis alone, at its coordinates if these are given; None where the model has no slope."""
    side = here.side
    slope, information = side.slope(here.stats, here.params), side.information(here.stats, here.params)
    if slope is None or information is None:
        return [None] * len(at)
    rows = here.at if any(place is None for place in at) else slope
    return [
        State.made(row if place is None else place, *about)
        for place, row, about in zip(at, rows, zip(slope, information, strict=True), strict=True)
    ]
