"""``iterate``, ``run`` and the stop rule, on models small enough to know every number."""

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest

from emkit import (
    EM,
    ArraySource,
    CollapseError,
    FiniteMixture,
    Gaussian,
    Model,
    Monitor,
    Params,
    Problem,
    Stats,
    StopReason,
    Threads,
    TimeLimit,
    Trace,
    fit,
    iterate,
)
from emkit.core.fit import Rules, run
from emkit.core.monitor import Monitors
from emkit.core.parameters import Parameter, Real
from emkit.core.result import aitken


@dataclass(frozen=True)
class Count(Params):
    """How many M-steps were made."""

    value: np.ndarray


@dataclass(frozen=True)
class Nothing(Stats):
    """No statistics."""

    zero: np.ndarray


@dataclass(frozen=True)
class Script(Model):
    """A model whose log-likelihood after i M-steps is ``values[i]``; a string there is an error to raise."""

    values: tuple

    Params = Count
    parameters = (Parameter("value", "", Real()),)

    @property
    def n_hidden(self):
        return None

    def e_step(self, params, block):
        value = self.values[min(int(params.value), len(self.values) - 1)]
        if value == "collapse":
            raise CollapseError("as the script says")
        return Nothing(np.zeros(1)), value

    def m_step(self, stats, params):
        return Count(params.value + 1)

    def resolve(self, source):
        return self

    def init(self, source, rng, attempt=0):
        return Count(np.array(0))

    def infer(self, params, block, want, out=None):
        raise NotImplementedError


SOURCE = ArraySource(np.zeros((1, 1)))
START = Count(np.array(0))


def play(*values, **settings):
    """Run a script to its end."""
    rules = Rules(**{name: settings.pop(name) for name in ("tol", "max_iter") if name in settings})
    return run(Problem(Script(values), SOURCE, Threads(1)), EM(), START, rules, **settings)


def geometric(first: float, rate: float, n: int, limit: float = 0.0) -> list[float]:
    """A sequence that approaches ``limit`` from ``first`` below it, the gap shrinking by ``rate``."""
    return [limit - first * rate**i for i in range(n)]


# --- iterate ------------------------------------------------------------------------------------------------------------


def test_iterate_is_a_generator_that_callers_drive(clusters):
    source = ArraySource(clusters(60, 2))
    model = FiniteMixture(Gaussian(), 2).resolve(source)
    problem = Problem(model, source, Threads(1))
    steps = iterate(problem, EM(), model.init(source, np.random.default_rng(0)))
    first = next(steps)
    assert first.iteration == 0
    while True:  # a stop rule of the caller's own
        step = next(steps)
        if step.objective - first.objective < 1e-2:
            break
        first = step
    assert step.iteration >= 2
    steps.close()
    assert next(iterate(problem, EM(), step.params)).objective == step.objective


def test_iterate_counts_on_from_where_it_is_told():
    steps = iterate(Problem(Script((0.0,)), SOURCE, Threads(1)), EM(), START, 7)
    assert [step.iteration for step in islice(steps, 3)] == [7, 8, 9]


# --- the stop rule ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.999])
def test_aitken_knows_the_limit_of_a_geometric_series(rate):
    trace = geometric(10.0, rate, 6, limit=-100.0)
    assert aitken(trace) == pytest.approx(-100.0 - trace[-1], rel=1e-8)


def test_aitken_when_there_is_nothing_to_estimate():
    assert aitken([0.0, 1.0]) == math.inf  # one gain has no rate
    assert aitken([0.0, 1.0, 2.0]) == math.inf  # gains that do not shrink
    assert aitken([0.0, 1.0, 3.0]) == math.inf
    assert aitken([0.0, 1.0, 0.5]) == math.inf  # a fall
    assert aitken([0.0, 1.0, 1.0]) == 0.0  # no gain at all
    assert aitken([0.0, 2.0, 1.0, 1.5]) == math.inf


def test_aitken_takes_the_larger_of_two_rates():
    """Gains 1, 0.9, 0.09: the last ratio is 0.1, the one before 0.9; one lucky ratio does not end a fit."""
    assert aitken([0.0, 1.0, 1.9, 1.99]) == pytest.approx(0.09 * 0.9 / 0.1)


@pytest.mark.parametrize("rate", [0.3, 0.9, 0.99])
def test_converged_means_that_less_than_tol_is_left(rate):
    values = geometric(10.0, rate, 5000, limit=-50.0)
    outcome = play(*values, tol=1e-3, max_iter=4999)
    assert outcome.reason is StopReason.CONVERGED
    assert -50.0 - outcome.objective <= 1e-3 * (1 + 1e-6)
    assert outcome.remaining < 1e-3
    before = -50.0 - values[outcome.n_iter - 1]
    assert before > 1e-3 * (1 - 1e-6)  # and it did not go on for nothing


def test_small_steps_are_not_convergence():
    """Gains of 1e-4 that hardly shrink: a rule on the last gain alone would stop with a hundred times as much still to come."""
    values = geometric(0.1, 0.999, 20_000)
    assert values[1] - values[0] < 1e-3
    outcome = play(*values, tol=1e-3, max_iter=10_000)
    assert outcome.reason is StopReason.CONVERGED and -outcome.objective <= 1e-3 * (1 + 1e-6)


def test_a_rate_that_still_rises_is_reckoned_with():
    """Two ways to the end, the slower with little to gain along it: the rate seen is that of both."""
    steps = np.arange(5000)
    values = (-10.0 * 0.99**steps - 1e-2 * 0.995**steps).tolist()
    outcome = play(*values, tol=1e-3, max_iter=4999)
    naive = next(i for i in range(4, 5000) if aitken(values[: i + 1]) < 1e-3)
    assert outcome.reason is StopReason.CONVERGED and -outcome.objective < 1e-3 < -values[naive]


def test_the_first_gain_says_nothing_of_a_rate():
    """Components that the start treats alike: a large gain, slight ones, and larger ones again."""
    values = [-3000.0, -2711.0, -2710.86, -2710.8583, -2710.85665, -2710.85498, -2710.85]
    assert play(*values, *geometric(300.0, 0.9, 300, limit=-2400.0), tol=1e-3, max_iter=400).objective > -2400.001


def test_tol_zero_runs_exactly_max_iter():
    for n in (0, 1, 2, 17):
        outcome = play(-1.0, 0.0, tol=0.0, max_iter=n)
        assert (outcome.n_iter, outcome.reason, len(outcome.trace)) == (n, StopReason.MAX_ITER, n + 1)


def test_no_gain_twice_in_a_row_is_the_end_of_the_road():
    outcome = play(-2.0, -1.0, -1.0, -1.0, -1.0, tol=1e-9, max_iter=100)
    assert outcome.reason is StopReason.CONVERGED and outcome.n_iter <= 3


def test_a_gain_under_tol_and_then_none_is_the_end_of_the_road():
    """As a warm start of one iteration has it, which sees two gains only, the second of them mere rounding."""
    outcome = play(-1.0, -1.0 + 1e-6, -1.0 + 1e-6 - 1e-15, 5.0, tol=1e-3, max_iter=100)
    assert outcome.reason is StopReason.CONVERGED and outcome.n_iter == 2


def test_not_converged_at_max_iter():
    outcome = play(*geometric(10.0, 0.9, 100), tol=1e-3, max_iter=5)
    assert outcome.reason is StopReason.MAX_ITER and outcome.n_iter == 5
    assert outcome.remaining == pytest.approx(10.0 * 0.9**5, rel=1e-6)


# --- the other reasons --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fall", [-2.5, -math.inf, math.nan])
def test_a_falling_objective_stops_the_run(fall):
    """The parameters before the fall are kept, and the trace does not contain it."""
    outcome = play(-3.0, -2.0, fall, 5.0)
    assert outcome.reason is StopReason.DECREASED
    assert outcome.objective == -2.0 and outcome.n_iter == 1 and int(outcome.params.value) == 1
    assert outcome.trace == (-3.0, -2.0)


def test_a_fall_within_rounding_is_no_fall():
    outcome = play(-3.0, -2.0, -2.0 - 1e-15, -1.0, -1.0, -1.0, -1.0)
    assert outcome.reason is StopReason.CONVERGED and outcome.objective == -1.0


def test_rounding_follows_the_width_of_the_data():
    narrow = Problem(Script((0.0,)), SOURCE, Threads(1), precision=float(np.finfo(np.float32).eps))
    wide = Problem(Script((0.0,)), SOURCE, Threads(1))
    assert 1e-6 < narrow.rounding(1.0) < 1e-4
    assert wide.rounding(1.0) < 1e-13


def test_collapse_keeps_what_came_before():
    outcome = play(-3.0, -2.0, "collapse")
    assert outcome.reason is StopReason.COLLAPSED and outcome.objective == -2.0 and outcome.n_iter == 1
    with pytest.raises(CollapseError):
        play("collapse")


def test_a_start_whose_objective_is_no_number_counts_as_collapsed():
    with pytest.raises(CollapseError, match="not a number"):
        play(math.nan, -2.0)
    outcome = play(-3.0, math.nan)
    assert outcome.reason is StopReason.DECREASED and outcome.objective == -3.0


class StopAt(Monitor):
    def __init__(self, iteration, reason):
        self.iteration, self.reason = iteration, reason

    def step(self, step):
        if step.iteration == self.iteration:
            if isinstance(self.reason, BaseException):
                raise self.reason
            return self.reason
        return None


def test_a_monitor_may_stop_a_run():
    outcome = play(*geometric(10, 0.9, 100), monitor=StopAt(4, StopReason.STOPPED))
    assert outcome.reason is StopReason.STOPPED and outcome.n_iter == 4


def test_interrupted_keeps_the_best_so_far():
    values = geometric(10, 0.9, 100)
    outcome = play(*values, monitor=StopAt(4, KeyboardInterrupt()))
    assert outcome.reason is StopReason.INTERRUPTED
    assert outcome.n_iter == 4 and outcome.objective == values[4]


def test_interrupted_before_there_is_anything_to_keep():
    class Never(Script):
        def e_step(self, params, block):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Problem(Never((0.0,)), SOURCE, Threads(1)), EM(), START, Rules())


def test_time_limit(monkeypatch):
    """Counted from the beginning of a fit, anew for each. The clock here is ours."""
    from types import SimpleNamespace

    clock = iter([100.0, 100.2, 100.5, 101.0, 200.0, 200.5])
    monkeypatch.setattr("emkit.core.monitor.time", SimpleNamespace(monotonic=lambda: next(clock)))
    limit = TimeLimit(1.0)
    limit.begin()
    outcome = play(*geometric(10, 0.9, 100), monitor=limit)
    assert outcome.reason is StopReason.TIME_LIMIT and outcome.n_iter == 2
    limit.begin()
    assert limit.step(None) is None


def test_several_monitors_are_all_told_and_the_first_reason_wins():
    trace, other = Trace(), Trace()
    both = Monitors([trace, StopAt(2, StopReason.TIME_LIMIT), StopAt(2, StopReason.STOPPED), other])
    outcome = play(*geometric(10, 0.9, 100), monitor=both)
    assert outcome.reason is StopReason.TIME_LIMIT
    assert [step.iteration for step in trace.steps] == [step.iteration for step in other.steps] == [0, 1, 2]
    assert trace.steps[0].stats is None


def test_every_reason_is_a_sentence():
    assert len({reason.value for reason in StopReason}) == len(StopReason)
    assert all(len(reason.value.split()) > 3 for reason in StopReason)


# --- what is reported ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["weak", None])
def test_the_reported_value_is_that_of_the_reported_parameters(prior, clusters):
    """Not of the hypothesis before the last M-step, as is easily done: the same bits as an E-step at the result."""
    source = ArraySource(clusters(200, 2), np.random.default_rng(0).gamma(2.0, size=200))
    result = fit(
        FiniteMixture(Gaussian("diag", prior), 2), source, executor=Threads(2), rng=np.random.default_rng(0), starts=2, max_iter=50
    )
    _, log_likelihood = Threads(1).map_reduce(lambda block: result.model.e_step(result.params, block), source)
    assert result.log_likelihood == log_likelihood
    assert result.log_prior == result.model.log_prior(result.params)
    assert result.trace[-1] == result.objective
    assert len(result.trace) == result.n_iter + 1
    assert all(b >= a - 1e-9 for a, b in zip(result.trace, result.trace[1:], strict=False))
    assert result.n_rows == 200 and result.total_weight == pytest.approx(source.weights.sum())


def test_tol_zero_through_fit(clusters):
    source = ArraySource(clusters(80, 2))
    for starts in (1, 4):
        result = fit(
            FiniteMixture(Gaussian(), 2),
            source,
            executor=Threads(1),
            starts=starts,
            tol=0.0,
            max_iter=37,
            rng=np.random.default_rng(1),
        )
        assert result.n_iter == 37 and result.reason is StopReason.MAX_ITER and not result.converged
