"""Many starts advanced together: a few EM iterations for all of them, fewer and fewer of them; the best accelerated to the end.

Biernacki, Celeux and Govaert (2003), Computational Statistics & Data Analysis 41, 561-575, measured that many short runs find
better optima than few long ones. Here an iteration of all starts is one pass over the data: see
``emkit.models.side_by_side``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.algorithms.accelerated import Accelerated, State
from emkit.core.fit import Problem, Rules
from emkit.core.model import EStep
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Step, StopReason
from emkit.models.side_by_side import SideBySide

MANY = 24  # starts
FINALISTS = 4
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
        return self.value >= best or self.value + self.state.left > best - rules.tol

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
    def at(cls, problem: Problem, side: SideBySide, params: Any) -> "Together":
        """One E-step for all of them."""
        stats, log_likelihood = problem.executor.map_reduce(EStep(side, params), problem.source)
        return cls(problem, side, params, stats, np.asarray(log_likelihood), side.log_prior(params))

    @property
    def objective(self) -> np.ndarray:
        """Of each."""
        return self.log_likelihood + self.log_prior

    @classmethod
    def of(cls, problem: Problem, side: SideBySide, steps: Sequence[Step]) -> "Together":
        """Of hypotheses that were evaluated one by one."""
        params, stats = side.stacked([step.params for step in steps]), side.stacked([step.stats for step in steps])
        values = np.array([[step.log_likelihood, step.log_prior] for step in steps])
        return cls(problem, side, params, stats, values[:, 0], values[:, 1])

    def m_step(self) -> Any:
        """The hypotheses that EM goes on to."""
        return self.side.m_step(self.stats, self.params)

    def em_step(self) -> "Together":
        """One iteration of EM."""
        return Together.at(self.problem, self.side, self.m_step())

    def take(self, index: np.ndarray) -> "Together":
        """Some of them."""
        params, stats = self.side.take(self.params, index), self.side.take(self.stats, index)
        return replace(self, params=params, stats=stats, log_likelihood=self.log_likelihood[index], log_prior=self.log_prior[index])

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
    """Starts from as many generators as there are on ``small``; the best few of them on ``problem``, accelerated to the end if asked.

    Raises
    ------
    CollapseError
        Where a component of some start collapses in the short rounds.
    """
    problem, stopped, made = replace(problem, tol=rules.tol), None, 0
    here, alive = Together.at(small, side, side.init(small.source, rngs)), np.arange(len(rngs))
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
        here, made = Together.at(problem, side, side.take(here.params, np.arange(min(FINALISTS, len(alive))))), 0
        traces = {i: [value] for i, value in zip(alive.tolist(), here.objective.tolist(), strict=False)}
    racers = [Racer(i, here.step(j, made), traces[i]) for j, i in enumerate(alive[:FINALISTS].tolist())]
    if accelerate and stopped is None:
        stopped = _to_the_end(problem, side, racers, rules, asked)
    racers.sort(key=lambda racer: (-racer.value, racer.index))
    return Race(racers, short, stopped)


def _to_the_end(problem: Problem, side: SideBySide, racers: list[Racer], rules: Rules, asked: Monitor) -> StopReason | None:
    """Accelerate, all at once, those that may still win; returns the reason if a monitor asked to stop."""
    algorithm = Accelerated()
    for racer, state in zip(racers, _states(side, Together.of(problem, side, [racer.step for racer in racers]), [None] * len(racers)), strict=True):
        racer.state = state
    while True:
        best = max(racer.value for racer in racers)
        for racer in racers:
            racer.judge(problem, algorithm, rules)
        running = [racer for racer in racers if racer.may_win(best, rules)]
        if not running:
            return None
        stopped = asked.step(running[0].step)
        if stopped is not None:
            return stopped
        _advance(problem, side, algorithm, running)


def _advance(problem: Problem, side: SideBySide, algorithm: Accelerated, racers: list[Racer]) -> None:
    """One step of each: trials and EM steps alike are evaluated in one pass over the data."""
    aims = [algorithm.aim(problem, racer.step, racer.known) for racer in racers]
    before = [(racer.step, racer.known) for racer in racers]
    with np.errstate(all="ignore"):
        params = _aimed_at(problem, side, racers, aims)
        new = Together.at(problem, side, side.stacked([racer.step.params if p is None else p for racer, p in zip(racers, params, strict=True)]))
        here = _states(side, new, aims)
    for j, (racer, aim) in enumerate(zip(racers, aims, strict=True)):
        step, known = before[j]
        made, state = new.step(j, step.iteration + 1), here[j]
        if aim is None:
            racer.step = algorithm.after_em(problem, step, known, made, state)
        elif params[j] is None or not np.isfinite(made.objective) or not algorithm.rises(problem, step, known, made):
            racer.step = algorithm.after_trial(problem, step, known, None, None)
        else:
            racer.step = algorithm.after_trial(problem, step, known, made, state)
        racer.state = State.of(racer.step.carried)
        racer.trace.append(racer.step.objective)


def _aimed_at(problem: Problem, side: SideBySide, racers: list[Racer], aims: list[np.ndarray | None]) -> list[Any]:
    """The hypothesis that each start tries next; None where its aim is not one."""
    params: list[Any] = [None] * len(racers)
    tried = [j for j, aim in enumerate(aims) if aim is not None]
    if tried:
        trial = side.unpack(np.stack([aim for aim in aims if aim is not None]), racers[0].step.params)
        for i in np.flatnonzero(side.sound(trial)):
            params[tried[i]] = side.one(trial, int(i))
    plain = [j for j, aim in enumerate(aims) if aim is None]
    if plain:
        moved = Together.of(problem, side, [racers[j].step for j in plain]).m_step()
        for i, j in enumerate(plain):
            params[j] = side.one(moved, i)
    return params


def _states(side: SideBySide, here: Together, at: Sequence[np.ndarray | None]) -> list[State | None]:
    """What is known of each hypothesis alone, at its coordinates if these are given; None where the model has no slope."""
    slope, information = side.slope(here.stats, here.params), side.information(here.stats, here.params)
    if slope is None or information is None:
        return [None] * len(at)
    rows = side.pack(here.params) if any(place is None for place in at) else slope
    return [
        State.made(row if place is None else place, *about)
        for place, row, about in zip(at, rows, zip(slope, information, strict=True), strict=True)
    ]
