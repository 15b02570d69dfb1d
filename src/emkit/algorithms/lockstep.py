"""Many starts advanced together: a few EM iterations for all of them, fewer and fewer of them; the best accelerated to the end.

Biernacki, Celeux and Govaert (2003), Computational Statistics & Data Analysis 41, 561-575, measured that many short runs find
better optima than few long ones. Here an iteration of all starts is one pass over the data: see
``emkit.core.side_by_side``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from typing import Any

import numpy as np

from emkit.algorithms.accelerated import Accelerated, State
from emkit.algorithms.together import Together
from emkit.core.errors import CollapseError
from emkit.core.fit import Problem, Rules
from emkit.core.monitor import Monitor
from emkit.core.result import Run, Step, StopReason, aitken
from emkit.core.seeding import Seeds
from emkit.core.side_by_side import SideBySide
from emkit.core.slivers import CLOSE

_MARGIN = 20.0  # times the gain that is predicted: who stays below the best with it is left
_AGREE = 4  # starts that end in one optimum, before only one of them is carried on
_NEAR, _ALIKE = 0.05, 0.01  # nats, and shares of the rows, within which two starts seem to be on the way to one optimum
_SEEN = 3  # accelerated steps, before their prediction counts


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
    patient: bool = False
    """Whether it is followed to the end, however little it promises."""
    plain: int = 0
    """Objectives that EM reached before it was accelerated."""

    @property
    def known(self) -> State:
        """The state, where there is one."""
        assert self.state is not None
        return self.state

    @property
    def value(self) -> float:
        """Its objective."""
        return self.trace[-1]

    @property
    def by_em(self) -> bool:
        """Whether only EM can end it: it has not ended, and there is no state."""
        return self.state is None and self.reason is None

    def judge(self, problem: Problem, algorithm: Accelerated, rules: Rules) -> None:
        """Note whether it has met the stop rule."""
        if self.reason is None and rules.tol > 0 and self.step.carried:
            self.remaining = algorithm.remaining(problem, self.step, self.trace)
            if self.remaining < rules.tol or algorithm.at_rest(problem, self.step, self.trace):
                self.reason = StopReason.CONVERGED

    def may_win(self, best: float, rules: Rules) -> bool:
        """Whether it is worth another step: what it may still gain reaches the best."""
        if self.reason is not None or self.state is None or len(self.trace) > rules.max_iter:
            return False
        if self.patient:
            return True
        accelerated = self.state.accepted >= _SEEN
        most = _MARGIN * (float(self.state.predicted.max()) if accelerated else aitken(self.trace[: self.plain]))
        return self.value >= best or self.value + most > best - CLOSE

    def leave(self, here: Together, j: int) -> None:
        """Take along the parameters, those of hypothesis ``j``."""
        self.step = replace(here.step(j, self.step.iteration), carried=self.step.carried)

    def run(self) -> Run:
        """As the outcome of a run."""
        return Run.ended(self.step, self.reason or StopReason.MAX_ITER, self.trace, self.remaining)


@dataclass
class Race:
    """What has become of all starts."""

    racers: list[Racer]
    """Those that reached the last round, best first."""
    short: list[float]
    """Objective of each start where it was left, or at the end of the short rounds."""
    collapsed: set[int]
    """Starts that were left because they collapsed, or give some data probability zero."""
    ended: dict[int, int]
    """Iterations of those that EM ended in the same optimum as a better one that was carried on."""
    stopped: StopReason | None = None

    @property
    def accelerated(self) -> bool:
        """Whether those still under way were; a model without slopes, or with wrong ones, goes on by EM."""
        return all(racer.reason is not None or racer.state is not None for racer in self.racers)


def race(
    small: Problem,
    problem: Problem,
    side: SideBySide,
    seeds: Seeds,
    rules: Rules,
    asked: Monitor,
    accelerate: bool,
    kept: Sequence[int] = (),
) -> Race:
    """Short runs of as many starts as there are seeds, on ``small``; the best few on ``problem``, accelerated if asked.

    Raises
    ------
    CollapseError
        If every start collapses.
    """
    here, field, stopped = _short_runs(small, side, seeds, rules, asked, kept)
    if small.source is problem.source:
        here = replace(here, problem=replace(problem, tol=rules.tol))
    else:
        here = Together.evaluated(replace(problem, tol=rules.tol), side, here.params)
        field.begin_again(here)
    racers = [
        Racer(i, here.step(j, field.made), field.traces[i], plain=len(field.traces[i]), patient=i in field.kept)
        for j, i in enumerate(field.alive)
    ]
    for racer in racers:
        racer.remaining = _left(here.problem, racer.trace)
        if racer.remaining < rules.tol:
            racer.reason = StopReason.CONVERGED
    if accelerate and stopped is None:
        stopped = _to_the_end(here, racers, Accelerated(), rules, asked)
    racers.sort(key=lambda racer: (racer.reason is StopReason.COLLAPSED, -racer.value, racer.index))
    return Race(racers, field.short, field.collapsed, field.ended, stopped)


@dataclass
class Field:
    """Who is still in the race, and what everybody has come to."""

    alive: list[int]
    traces: dict[int, list[float]]
    collapsed: set[int] = dataclass_field(default_factory=set)
    ended: dict[int, int] = dataclass_field(default_factory=dict)
    kept: frozenset[int] = frozenset()
    """Starts that are never thinned out."""
    made: int = 0
    """Iterations."""
    short: list[float] = dataclass_field(default_factory=list)

    def enter(self, here: Together) -> None:
        """The objectives of those alive."""
        for i, value in zip(self.alive, here.objective.tolist(), strict=True):
            self.traces[i].append(value)

    def take(self, here: Together, index: np.ndarray) -> Together:
        """Only some stay."""
        self.alive = [self.alive[j] for j in index.tolist()]
        return here.take(index)

    def without(self, here: Together, lost: np.ndarray) -> Together:
        """Those that are lost have collapsed. Raises CollapseError when none remains."""
        self.collapsed |= {i for i, gone in zip(self.alive, lost, strict=True) if gone}
        if lost.all():
            raise CollapseError("every start has collapsed")
        return self.take(here, np.flatnonzero(~lost))

    def thinned(self, here: Together, tol: float, least: int) -> Together:
        """The better half stays, best first, and of several that EM has ended in the best one's optimum only that one."""
        values = here.objective
        order, left = np.argsort(-values, kind="stable"), np.array([_left(here.problem, self.traces[i]) for i in self.alive])
        most, first = max(least, len(order) // 2), int(order[0])
        ended = (left < tol) & (values >= values[first] - tol)
        left_there = sum(self.traces[i][-1] >= values[first] - tol for i in self.ended)
        if ended[first] and ended.sum() + left_there >= _AGREE:
            ended[first] = False
            self.ended |= {self.alive[j]: self.made for j in np.flatnonzero(ended).tolist()}
            may_win = ~ended & (left > 2.0 * (values[first] - values) + tol)  # who is on the way to the same optimum gains the gap
            may_win[first] = True
            order = order[may_win[order]]
        if least > here.side.race[1]:  # with many starts, most are on the way to a few optima
            order = _different_first(here, order)
        stay = np.array([i < most or self.alive[j] in self.kept for i, j in enumerate(order.tolist())])
        return self.take(here, order[stay])

    def begin_again(self, here: Together) -> None:
        """Over other data: what was found on the sample stays in ``short``."""
        self.made = 0
        self.traces = {i: [] for i in self.alive}
        self.enter(here)


def _short_runs(
    small: Problem, side: SideBySide, seeds: Seeds, rules: Rules, asked: Monitor, kept: Sequence[int]
) -> tuple[Together, Field, StopReason | None]:
    """All starts, a few iterations each, fewer and fewer of them; those that remain, best first."""
    here, stopped = Together.evaluated(small, side, side.init(small.source, seeds)), None
    field = Field(list(range(len(seeds))), {i: [] for i in range(len(seeds))}, kept=frozenset(kept))
    _, every_round, finalists = side.plan(small.source)
    field.enter(here)
    for rounds in every_round:
        for _ in range(rounds):
            try:
                stopped = stopped or asked.step(here.bare(0, field.made))
                if stopped is None and field.made < rules.max_iter:
                    here = _em_step(here, field)
            except KeyboardInterrupt:
                stopped = StopReason.INTERRUPTED
        here = field.thinned(here, rules.tol, finalists)
        if len(field.alive) == 1:
            break
    field.short = [trace[-1] for trace in field.traces.values()]
    lost = np.isnan(here.objective)
    if np.isfinite(here.objective).any():  # where none is, carrying them on says which sequence has probability zero
        lost |= np.isneginf(here.objective)
    here = field.without(here, lost)
    stay = np.array([j < finalists or i in field.kept for j, i in enumerate(field.alive)])
    return field.take(here, np.flatnonzero(stay)), field, stopped


def _different_first(here: Together, order: np.ndarray) -> np.ndarray:
    """The order, best first, with those at the end that seem to be on the way to the optimum of a better one."""
    values, traits = here.objective[order], here.side.traits(here.params)[order]
    close = np.abs(values[:, None] - values) < _NEAR
    close &= np.abs(traits[:, None] - traits).max(axis=2) < _ALIKE
    again = np.tril(close, -1).any(axis=1)
    return np.concatenate([order[~again], order[again]])


def _left(problem: Problem, trace: list[float]) -> float:
    """What EM has still to gain, nats; nothing where the last change was rounding."""
    at_rest = len(trace) > 1 and abs(trace[-1] - trace[-2]) <= problem.rounding(trace[-1])
    return 0.0 if at_rest else aitken(trace)


def _em_step(here: Together, field: Field) -> Together:
    """One iteration of EM; starts that collapse are left. Raises CollapseError when none remains."""
    try:
        params = here.m_step()
    except CollapseError:
        here = field.without(here, here.collapsing())
        params = here.m_step()
    here = Together.evaluated(here.problem, here.side, params)
    field.made += 1
    field.enter(here)
    return here


def _to_the_end(here: Together, racers: list[Racer], algorithm: Accelerated, rules: Rules, asked: Monitor) -> StopReason | None:
    """Accelerate, all at once, those that may still win; returns the reason if a monitor asked to stop."""
    for racer, state in zip(racers, _states(here, [None] * len(racers)), strict=True):
        racer.state = state
    running = racers
    while True:
        best = max(racer.value for racer in racers)
        going = []
        for j, racer in enumerate(running):
            racer.judge(here.problem, algorithm, rules)
            if racer.may_win(best, rules):
                going.append(j)
            else:
                racer.leave(here, j)
        if len(going) < len(running):
            here, running = here.take(np.array(going, dtype=np.intp)), [running[j] for j in going]
        if not running:
            return None
        try:
            stopped = asked.step(running[0].step)
            if stopped is None:
                here = _advanced(here, algorithm, running)
        except CollapseError:  # those that do are left at the next turn
            lost = here.collapsing()
            if not lost.any():
                raise
            for racer, gone in zip(running, lost, strict=True):
                racer.reason = StopReason.COLLAPSED if gone else None
        except KeyboardInterrupt:
            stopped = StopReason.INTERRUPTED
        if stopped is not None:
            for j, racer in enumerate(running):
                racer.leave(here, j)
            return stopped


def _advanced(here: Together, algorithm: Accelerated, racers: list[Racer]) -> Together:
    """One step of each: trials and EM steps alike are evaluated in one pass over the data."""
    aims = [algorithm.aim(here.problem, racer.step, racer.known) for racer in racers]
    with np.errstate(all="ignore"):
        params, sound = _aimed_at(here, aims)
        new = Together.evaluated(here.problem, here.side, params)
        found = _states(new, aims)
    stay, steps = [], []
    for j, (racer, aim, state) in enumerate(zip(racers, aims, found, strict=True)):
        step, made = racer.step, new.bare(j, racer.step.iteration + 1)
        if aim is None:
            steps.append(algorithm.after_em(here.problem, step, racer.known, made, state))
            continue
        risen = bool(sound[j]) and np.isfinite(made.objective) and algorithm.rises(here.problem, step, racer.known, made)
        state = state if risen else None
        steps.append(algorithm.after_trial(here.problem, step, racer.known, made, state))
        if state is None:
            stay.append(j)
    for racer, step in zip(racers, steps, strict=True):
        racer.step, racer.state = step, State.of(step.carried)
        racer.trace.append(step.objective)
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
