"""EM accelerated by the slopes that its E-steps give: never a fall, no units, the same bits; what it refuses, and when it stops."""

from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module

import numpy as np
import pytest

from emkit import (
    EM,
    Accelerated,
    ArraySource,
    Checkpoint,
    CollapseError,
    DataError,
    FiniteMixture,
    Gaussian,
    HiddenMarkov,
    Monitor,
    Poisson,
    Problem,
    StopReason,
    Threads,
)  # fmt: skip
from emkit._names import MODULES, group
from emkit.algorithms.accelerated import State
from emkit.core.errors import ImpossibleSequenceError
from emkit.core.fit import Rules, run
from emkit.testing import draw
from emkit.testing.model_laws import resumed_is_uninterrupted
from support.bad_slopes import Backwards, Nonsense, Quiet
from support.fits import fitted
from support.slow import FURTHER, SLOW, overlapping


def problem_of(model, source, threads=1):
    return Problem(model.resolve(source), source, Threads(threads))


@cache
def made(name):
    """A problem, and a start."""
    model, source = {**SLOW, **FURTHER}[name]()
    problem = problem_of(model, source)
    return problem, problem.model.init(source, np.random.default_rng(1), 1)


def follow(problem, start, algorithm=None, tol=1e-3, most=1000, **more):
    return run(problem, algorithm or Accelerated(), start, Rules(tol, most), **more)


class Seen(Monitor):
    """Every step."""

    def __init__(self):
        self.steps = []

    def step(self, step):
        self.steps.append(step)


def assert_same_bits(a, b):
    assert a.trace == b.trace
    assert (a.log_likelihood, a.n_iter, a.reason, a.remaining) == (b.log_likelihood, b.n_iter, b.reason, b.remaining)
    for name, value in b.params.flatten().items():
        np.testing.assert_array_equal(a.params.flatten()[name], value, err_msg=name)


# --- what it is for -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SLOW)
def test_fewer_e_steps_than_em(name):
    problem, start = made(name)
    begun = follow(problem, start, EM(), tol=0, most=8).params
    plain, fast = follow(problem, begun, EM(), most=3000), follow(problem, begun)
    assert fast.reason is StopReason.CONVERGED
    assert fast.objective > plain.objective - 1e-3
    assert fast.n_iter < max(0.6 * plain.n_iter, 60)


@pytest.mark.parametrize("name", [*SLOW, *FURTHER])
def test_converged_means_that_less_than_tol_is_left(name):
    """Polished afterwards: by many EM steps, and by acceleration to the last digits."""
    problem, start = made(name)
    found = follow(problem, start)
    assert found.reason is StopReason.CONVERGED
    assert found.remaining < 1e-3
    polished = max(
        follow(problem, found.params, tol=1e-8).objective, follow(problem, found.params, EM(), tol=1e-7, most=300).objective
    )
    assert polished - found.objective < 1e-3


def test_the_trace_counts_e_steps(monkeypatch):
    problem, start = made("full overlapping")
    count = 0

    class Counting(Threads):
        def map_reduce(self, fn, source):
            nonlocal count
            count += 1
            return super().map_reduce(fn, source)

    found = follow(Problem(problem.model, problem.source, Counting(1)), start)
    assert count == found.n_iter + 1 == len(found.trace)


# --- never a fall -----------------------------------------------------------------------------------------------------------

FAMILIES = [example for name in group("families") for example in getattr(import_module(MODULES[name]), name).examples()]
MODELS = [*(FiniteMixture(family, 2) for family in FAMILIES), *FiniteMixture.examples(), *HiddenMarkov.examples()]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{type(model).__name__}-{type(model.family).__name__}")
def test_the_objective_never_falls(model):
    """A thousand small random fits, some cells missing, some rows weighted: a score for each example of each family and model."""
    for seed in range(20):
        source = draw(model, 60, weighted=seed % 2 == 0, seed=seed)
        problem = problem_of(model, source)
        start = problem.model.init(source, np.random.default_rng(seed), seed)
        trace = follow(problem, start, tol=1e-9, most=40).trace
        falls = -np.diff(trace)
        assert falls.max(initial=0.0) <= problem.rounding(trace[-1])


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{type(model).__name__}-{type(model.family).__name__}")
def test_it_does_not_fall_with_many_starts_either(model):
    for seed in range(2):
        source = draw(model, 60, weighted=seed % 2 == 0, seed=seed)
        result = fitted(model, source, seed=seed, starts="auto", max_iter=60)
        rounding = problem_of(model, source).rounding(result.objective)
        assert result.reason in (StopReason.CONVERGED, StopReason.MAX_ITER)
        assert -np.diff(result.trace).min(initial=0.0) <= rounding and result.objective >= result.trace[-1] - rounding


# --- units ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "tied-diag"])
@pytest.mark.parametrize("units", [(1e-6, 1e6), (1e6, 1e6), (1e3, 1e-2)])
def test_units_do_not_matter(kind, units):
    x = overlapping(1000, 2, 3, 1.5, 4)
    runs = []
    for unit in (np.ones(2), np.array(units)):
        problem = problem_of(FiniteMixture(Gaussian(kind), 3, seeding="random"), ArraySource(x * unit))
        runs.append(follow(problem, problem.model.init(problem.source, np.random.default_rng(3))))
    plain, scaled = runs
    assert scaled.log_likelihood + len(x) * np.log(units).sum() == pytest.approx(plain.log_likelihood, abs=2e-3)
    np.testing.assert_allclose(
        scaled.params.components.means / np.array(units), plain.params.components.means, rtol=0.01, atol=0.01
    )
    assert abs(scaled.n_iter - plain.n_iter) <= 0.2 * plain.n_iter


# --- what is refused ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failing(Accelerated):
    """Steps of its own, three in four, end in trouble: an error of the E-step, or a log-likelihood that is not a number."""

    trouble: object = None

    def _tried(self, problem, step, vector):
        trouble = self.trouble

        class There(Threads):
            def map_reduce(self, fn, source):
                if isinstance(trouble, Exception):
                    raise trouble
                return super().map_reduce(fn, source)[0], trouble

        return super()._tried(replace(problem, executor=There(1)) if step.iteration % 4 else problem, step, vector)


TROUBLE = [
    CollapseError("gone"), FloatingPointError("overflow"), np.linalg.LinAlgError("singular"), ImpossibleSequenceError(3),
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda t: t if isinstance(t, float) else type(t).__name__)
def test_a_step_that_cannot_be_evaluated_is_refused(trouble):
    problem, start = made("rates")
    seen = Seen()

    found = follow(problem, start, Failing(trouble=trouble), monitor=seen)
    assert found.reason is StopReason.CONVERGED
    assert found.objective == pytest.approx(follow(problem, start, tol=1e-7).objective, abs=1e-3)
    states = [State.of(step.carried) for step in seen.steps[1:]]
    assert max(state.refused for state in states) == 3  # then an EM step, and what was known is forgotten
    after = states[next(i for i, state in enumerate(states) if state.refused == 3) + 1]
    assert after.plain == 1 and after.known.pairs <= 1


@pytest.mark.parametrize("error", [DataError("broken"), ValueError("a bug"), TypeError("a bug")], ids=lambda e: type(e).__name__)
def test_other_errors_are_not_hidden(error):
    problem, start = made("rates")

    with pytest.raises(type(error), match=str(error)):
        follow(problem, start, Failing(trouble=error))


def test_a_refused_step_is_an_iteration_that_changes_nothing():
    problem, start = made("numbers")
    seen = Seen()
    follow(problem, start, monitor=seen)
    refused = [(a, b) for a, b in zip(seen.steps[1:], seen.steps[2:], strict=False) if State.of(b.carried).refused]
    assert refused
    for before, after in refused:
        assert after.params is before.params and after.iteration == before.iteration + 1 and after.objective == before.objective


@pytest.mark.parametrize("stop", [3, 9, 10, 11, 12, 20])
def test_a_monitor_may_stop_it_anywhere(stop):
    problem, start = made("numbers")

    class Enough(Monitor):
        def step(self, step):
            return StopReason.STOPPED if step.iteration == stop else None

    found = follow(problem, start, monitor=Enough())
    assert (found.reason, found.n_iter) == (StopReason.STOPPED, stop)
    assert found.objective == max(found.trace) == problem.evaluate(found.params).objective


def test_ctrl_c_in_mid_step_keeps_the_best():
    problem, start = made("numbers")

    class Interrupted(Accelerated):
        def _tried(self, problem, step, vector):
            if step.iteration >= 12:
                raise KeyboardInterrupt
            return super()._tried(problem, step, vector)

    found = follow(problem, start, Interrupted())
    assert found.reason is StopReason.INTERRUPTED and found.n_iter <= 13
    assert found.objective == max(found.trace)


def test_without_a_prior_a_collapse_ends_the_run():
    """Two rows that agree, and a start on them: the likelihood is unbounded."""
    x = np.concatenate([np.random.default_rng(0).normal(size=(60, 2)), np.full((3, 2), 5.0)])
    problem = problem_of(FiniteMixture(Gaussian("full", None), 2), ArraySource(x))
    family = problem.model.family
    start = problem.model.Params(
        np.array([0.9, 0.1]), family.Params(np.array([[0.0, 0.0], [5.0, 5.0]]), np.array([np.eye(2), 0.01 * np.eye(2)]))
    )
    found = follow(problem, start)
    assert found.reason is StopReason.COLLAPSED and np.isfinite(found.objective)


# --- the same bits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, 12, 17, 25])
def test_taken_up_again_it_goes_on_as_if_nothing_had_happened(cut):
    problem, start = made("counts")
    whole = follow(problem, start)
    first = follow(problem, start, most=cut)
    rest = follow(problem, first.params, trace=first.trace[:-1], carried={k: v.copy() for k, v in first.carried.items()})
    assert_same_bits(rest, whole)


class Crash(Exception):
    """The power goes."""


@pytest.mark.parametrize("name", ["full apart", "counts"])
@pytest.mark.parametrize("cut", [2, 9, 14])
def test_a_checkpoint_keeps_what_it_remembers(name, cut, tmp_path):
    model, source = SLOW[name]()

    class CrashAfter(Monitor):
        n = cut

        def step(self, step):
            self.n -= 1
            if self.n == 0:
                raise Crash

    settings = {"algorithm": "accelerated", "starts": 1, "seed": 3}
    whole = fitted(model, source, **settings)
    with pytest.raises(Crash):
        fitted(model, source, monitors=[CrashAfter()], checkpoint=Checkpoint(tmp_path / "fit", every=1), **settings)
    assert_same_bits(fitted(model, source, checkpoint=Checkpoint(tmp_path / "fit", every=1), **settings), whole)


def test_the_number_of_threads_does_not_matter():
    x = overlapping(20_000, 3, 3, 1.0, 5)
    one, two = (fitted(FiniteMixture(Gaussian(), 3), ArraySource(x), algorithm="accelerated", starts=1, threads=n) for n in (1, 2))
    assert_same_bits(two, one)


def test_the_kit_takes_it_up_again():
    from emkit.testing import check_model

    assert resumed_is_uninterrupted.__name__ in check_model(FiniteMixture(Gaussian(), 2), algorithm=Accelerated(memory=3))


# --- slopes that are wrong, or not there ------------------------------------------------------------------------------------


class Forgetful(Poisson):
    """Forgets the exposure."""

    def gradient(self, stats, params):
        return {"rates": stats.total / params.rates}


def rates_of(family):
    source = FURTHER["rates"]()[1]
    problem = problem_of(FiniteMixture(family, 3), source)
    return problem, problem.model.init(source, np.random.default_rng(0))


@pytest.mark.parametrize("family", [Quiet(), Nonsense()], ids=lambda f: type(f).__name__)
def test_without_a_slope_it_is_plain_em(family):
    problem, start = rates_of(family)
    plain, found = follow(problem, start, EM()), follow(problem, start)
    assert found.trace == plain.trace and found.reason is plain.reason


@pytest.mark.parametrize("family", [Backwards(), Forgetful()], ids=lambda f: type(f).__name__)
def test_a_wrong_slope_is_noticed(family):
    problem, start = rates_of(family)
    with pytest.warns(UserWarning, match="the fit goes on by plain EM") as caught:
        found = follow(problem, start)
    assert len(caught) == 1
    assert found.reason is StopReason.CONVERGED
    assert found.objective == pytest.approx(follow(problem, start, EM(), tol=1e-6, most=5000).objective, abs=2e-3)


def test_with_tol_0_it_is_plain_em():
    problem, start = made("counts")
    assert follow(problem, start, tol=0, most=13).trace == follow(problem, start, EM(), tol=0, most=13).trace


def test_nothing_free_is_nothing_to_do():
    problem, _ = rates_of(Poisson())
    fixed = {"rates": [[3.0, 5.0], [5.0, 7.0], [6.0, 3.0]]}
    model = FiniteMixture(Poisson(fixed=fixed), 3, fixed={"weights": [0.3, 0.3, 0.4]})
    held = problem_of(model, problem.source)
    found = follow(held, held.model.init(held.source, np.random.default_rng(0)))
    assert found.reason is StopReason.CONVERGED and found.n_iter <= 3
