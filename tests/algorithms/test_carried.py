"""What an algorithm remembers beside the parameters travels in the Step, through starts that wait, and through checkpoints."""

from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest

from emkit import (
    EM,
    Algorithm,
    ArraySource,
    Checkpoint,
    FiniteMixture,
    Gaussian,
    Monitor,
    Problem,
    StopReason,
    Threads,
    Trace,
    iterate,
)
from emkit.algorithms import starts
from emkit.core.fit import Rules, run
from emkit.io.container import read
from support.fits import fitted


@dataclass(frozen=True)
class Overrelaxed(Algorithm):
    """Goes further than EM would, by a factor that grows while that helps: the factor and the last step are what it remembers."""

    growth: float = 1.1

    def advance(self, problem, step):
        model = problem.model
        plain = model.m_step(step.stats, step.params)
        factor = float(step.carried.get("factor", 1.0))
        here, there = model.pack(step.params), model.pack(plain)
        trial = model.unpack(here + factor * (there - here), plain)
        new = problem.evaluate(trial, step.iteration + 1, {"factor": np.array(factor * self.growth), "last": there - here})
        if new.objective >= step.objective:
            return new
        return problem.evaluate(plain, step.iteration + 1, {"factor": np.array(1.0), "last": there - here})


@dataclass(frozen=True)
class Wobbling(Algorithm):
    """EM whose means are pushed to and fro: the objective goes up and down, and that is no error."""

    monotone = False

    def advance(self, problem, step):
        params = problem.model.m_step(step.stats, step.params)
        push = 1.0 + 0.02 * (-1) ** step.iteration
        arrays = params.flatten()
        arrays["components.means"] = arrays["components.means"] * push
        return problem.evaluate(params.replace_arrays(arrays), step.iteration + 1, {"push": np.array(push)})


@dataclass(frozen=True)
class Strict(Wobbling):
    """The same, said to be monotone."""

    monotone = True


@pytest.fixture(scope="module")
def source():
    rng = np.random.default_rng(0)
    return ArraySource(np.concatenate([rng.normal(2.2 * j, 1.0, (100, 2)) for j in range(3)]))


@pytest.fixture(scope="module")
def problem(source):
    model = FiniteMixture(Gaussian("diag"), 3, seeding="random_from_data").resolve(source)
    return Problem(model, source, Threads(1))


@pytest.fixture
def impatient(monkeypatch):
    """Starts wait for the others after a few iterations already."""
    monkeypatch.setattr(starts, "_SHORT", 3)
    monkeypatch.setattr(starts, "_WHOLE", 7)


def start(problem, seed=0):
    return problem.model.init(problem.source, np.random.default_rng(seed))


def assert_same(a, b):
    assert a.trace == b.trace
    assert (a.log_likelihood, a.n_iter, a.reason) == (b.log_likelihood, b.n_iter, b.reason)
    for name, value in b.params.flatten().items():
        np.testing.assert_array_equal(a.params.flatten()[name], value, err_msg=name)


# --- in the loop ------------------------------------------------------------------------------------------------------


def test_em_remembers_nothing(problem):
    steps = list(islice(iterate(problem, EM(), start(problem)), 3))
    assert [dict(step.carried) for step in steps] == [{}, {}, {}]


def test_it_travels_from_step_to_step(problem):
    steps = list(islice(iterate(problem, Overrelaxed(), start(problem)), 4))
    assert dict(steps[0].carried) == {}
    np.testing.assert_allclose([float(step.carried["factor"]) for step in steps[1:]], [1.1, 1.21, 1.331])


def test_the_run_ends_with_what_goes_with_its_parameters(problem):
    class Seen(Monitor):
        steps = ()

        def step(self, step):
            self.steps = (*self.steps, step)

    seen = Seen()
    outcome = run(problem, Overrelaxed(), start(problem), Rules(0.0, 6), monitor=seen)
    assert outcome.carried is seen.steps[-1].carried
    assert outcome.params is seen.steps[-1].params


@pytest.mark.parametrize("cut", [1, 4, 9])
def test_taken_up_again_it_goes_on_as_if_nothing_had_happened(problem, cut):
    whole = run(problem, Overrelaxed(), start(problem), Rules(0.0, 12))
    first = run(problem, Overrelaxed(), start(problem), Rules(0.0, cut))
    rest = run(problem, Overrelaxed(), first.params, Rules(0.0, 12), trace=first.trace[:-1], carried=first.carried)
    assert_same(rest, whole)
    forgetful = run(problem, Overrelaxed(), first.params, Rules(0.0, 12), trace=first.trace[:-1])
    assert forgetful.trace != whole.trace  # so that the test can tell


def test_begin_is_told_what_was_carried(problem):
    told = []

    class Telling(Overrelaxed):
        def begin(self, problem, params, iteration=0, carried=None):
            told.append((iteration, carried))
            return super().begin(problem, params, iteration, carried)

    first = run(problem, Telling(), start(problem), Rules(0.0, 3))
    run(problem, Telling(), first.params, Rules(0.0, 5), trace=first.trace[:-1], carried=first.carried)
    assert told == [(0, None), (3, first.carried)]


# --- an objective that may fall -----------------------------------------------------------------------------------------


def test_a_fall_is_no_error_where_the_algorithm_says_so(problem):
    outcome = run(problem, Wobbling(), start(problem), Rules(0.0, 15))
    assert outcome.reason is StopReason.MAX_ITER and outcome.n_iter == 15
    assert np.diff(outcome.trace).min() < -0.1
    assert outcome.objective == outcome.trace[-1]  # where it is, not where it was best


def test_the_same_fall_ends_a_monotone_one(problem):
    outcome = run(problem, Strict(), start(problem), Rules(0.0, 15))
    assert outcome.reason is StopReason.DECREASED and outcome.n_iter < 15
    assert np.diff(outcome.trace).min() >= 0.0


def test_falls_through_a_fit_with_several_starts(source, impatient):
    model = FiniteMixture(Gaussian("diag"), 3, seeding="random_from_data")
    result = fitted(model, source, algorithm=Wobbling(), starts=4, max_iter=20)
    assert result.reason is StopReason.MAX_ITER and result.n_iter == 20
    assert np.diff(result.trace).min() < -0.01


# --- through starts and checkpoints -------------------------------------------------------------------------------------


class Crash(Exception):
    """The power goes."""


class CrashAfter(Monitor):
    def __init__(self, n):
        self.n = n

    def step(self, step):
        self.n -= 1
        if self.n == 0:
            raise Crash


def run_fit(source, path=None, monitors=(), starts=1, algorithm=None, every=1, **settings):
    return fitted(
        FiniteMixture(Gaussian("diag"), 3, seeding="random_from_data"), source, seed=5,
        algorithm=algorithm or Overrelaxed(), starts=starts, monitors=monitors,
        checkpoint=None if path is None else Checkpoint(path, every=every), **settings,
    )  # fmt: skip


def test_starts_that_wait_go_on_with_what_they_remembered(source, impatient):
    """A start followed in three pieces makes the iterations that it makes in one."""
    result = run_fit(source, starts=4, tol=0.0, max_iter=20)
    best = max((start for start in result.starts if start.finished), key=lambda start: start.objective)
    model = result.model
    seeds = np.random.default_rng(5)
    first = model.init(source, seeds.spawn(4)[best.index], best.index)
    alone = run(Problem(model, source, Threads(1)), Overrelaxed(), first, Rules(0.0, 20))
    assert result.trace == alone.trace
    assert best.n_iter == 20


@pytest.mark.parametrize("algorithm", [Overrelaxed(), Wobbling()], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("starts", [1, 4])
@pytest.mark.parametrize("cut", [1, 3, 8, 14])
def test_a_checkpoint_saves_it_and_gives_it_back(source, tmp_path, impatient, algorithm, starts, cut):
    path = tmp_path / "fit.ckpt"
    settings = {"starts": starts, "algorithm": algorithm, "tol": 0.0, "max_iter": 16}
    whole = run_fit(source, **settings)
    with pytest.raises(Crash):
        run_fit(source, path, [CrashAfter(cut)], **settings)
    assert_same(run_fit(source, path, **settings), whole)


def test_what_the_file_holds(source, tmp_path):
    path = tmp_path / "fit.ckpt"
    trace = Trace()
    with pytest.raises(Crash):
        run_fit(source, path, [trace, CrashAfter(5)])
    _, arrays = read(path, "checkpoint")
    assert float(arrays["queue.0.carried.factor"]) == pytest.approx(1.1**4)
    assert arrays["queue.0.carried.last"].shape == (2 + 2 * 3 * 2,)
    model = FiniteMixture(Gaussian("diag"), 3, seeding="random_from_data").resolve(source)
    (waiting,) = Checkpoint(path).load(model, source).queue
    assert sorted(waiting.carried) == ["factor", "last"]
    assert waiting.carried["factor"].shape == () and waiting.carried["factor"].dtype == np.float64
    for name, value in trace.steps[4].params.flatten().items():
        np.testing.assert_array_equal(waiting.params.flatten()[name], value)


def test_after_a_time_limit(source, tmp_path):
    """A fit that was told to stop, not cut off: the file has what it takes to go on."""

    class Enough(Monitor):
        def step(self, step):
            return StopReason.TIME_LIMIT if step.iteration == 6 else None

    path = tmp_path / "fit.ckpt"
    partial = run_fit(source, path, [Enough()], every=1000, max_iter=16, tol=0.0)
    assert partial.reason is StopReason.TIME_LIMIT and partial.n_iter == 6
    assert_same(run_fit(source, path, max_iter=16, tol=0.0), run_fit(source, max_iter=16, tol=0.0))
