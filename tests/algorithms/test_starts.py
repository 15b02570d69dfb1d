"""Many starts: the table, the sentence about it, and that every random choice comes from one generator."""

import math

import numpy as np
import pytest

from emkit import (
    ArraySource,
    CollapseError,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    Monitor,
    ParameterError,
    Result,
    StopReason,
    Threads,
    fit,
)
from emkit.algorithms.starts import subsample_size
from emkit.core.result import Start


def result_with(*objectives, tolerance=1e-3):
    starts = tuple(Start(i, "kmeans", 0.0, value, 5, StopReason.CONVERGED) for i, value in enumerate(objectives))
    best = max((value for value in objectives if value is not None), default=-1.0)
    return Result(None, None, best, 0.0, 5, StopReason.CONVERGED, (best,), 0.0, starts, 10, 10.0, tolerance)


def test_the_sentence():
    assert result_with(-10.0).starts_summary() == "objective -10 from one start"
    assert result_with(-10.0, -10.0005, -12.5).starts_summary() == "best optimum -10 reached by 2 of 3 starts; next best -12.5"
    assert result_with(-10.0, None, -10.0).starts_summary() == "best optimum -10 reached by 2 of 2 finished starts (3 tried)"
    assert result_with(-10.0, -11.0, tolerance=0.5).starts_summary().startswith("best optimum -10 reached by 2 of 2")


def hard_data() -> ArraySource:
    """Five clusters in a row: EM from a random start often ends elsewhere."""
    rng = np.random.default_rng(0)
    return ArraySource(np.concatenate([rng.normal(3 * j, 0.5, (60, 2)) for j in range(5)]))


def run_fit(source, **settings):
    settings = {"executor": Threads(1), "rng": np.random.default_rng(3), "starts": 8, **settings}
    return fit(settings.pop("model", FiniteMixture(Gaussian("spherical"), 5)), source, **settings)


def test_the_table_has_every_start():
    result = run_fit(hard_data())
    assert [start.index for start in result.starts] == list(range(8))
    assert result.starts[0].kind == "kmeans" and {s.kind for s in result.starts[1:]} == {
        "hierarchical", "k-means++", "random_from_data",
    }  # fmt: skip
    assert all(math.isfinite(start.short_objective) for start in result.starts)
    finished = [start for start in result.starts if start.finished]
    assert max(start.objective for start in finished) == result.objective
    for start in finished:
        assert start.reason is not None and start.n_iter > 0
        assert start.objective >= start.short_objective - 1e-6  # all data here: a start only gets better
    for start in result.starts:
        assert start.finished or start.short_objective <= result.objective


def test_the_same_generator_gives_the_same_bits():
    a, b = run_fit(hard_data()), run_fit(hard_data(), executor=Threads(3))
    assert a.trace == b.trace
    assert all(np.array_equal(x, y) for x, y in zip(a.params.flatten().values(), b.params.flatten().values(), strict=True))
    assert [s.short_objective for s in a.starts] == [s.short_objective for s in b.starts]


def test_more_starts_are_the_old_ones_and_more():
    """The first starts do not depend on how many follow."""
    few, many = run_fit(hard_data(), starts=3), run_fit(hard_data(), starts=6)
    assert [s.short_objective for s in many.starts[:3]] == [s.short_objective for s in few.starts]
    assert many.objective >= few.objective


def test_short_runs_on_a_subsample():
    """A larger source: short runs see a part of it, the best few go over all of it."""
    rng = np.random.default_rng(1)
    source = ArraySource(np.concatenate([rng.normal(4 * j, 1, (4000, 2)) for j in range(3)]))
    assert subsample_size(3, 2) < source.n_rows
    result = run_fit(source, model=FiniteMixture(Gaussian(), 3), starts=6)
    finished = [start for start in result.starts if start.finished]
    assert 1 <= len(finished) < 6
    assert result.converged
    assert np.abs(np.sort(result.params.components.means[:, 0]) - [0, 4, 8]).max() < 0.1


def test_subsample_is_between_2000_and_20000():
    assert subsample_size(1, 1) == 2000
    assert subsample_size(8, 9) == 4000
    assert subsample_size(64, 64) == 20_000


def test_given_starts():
    source = hard_data()
    model = FiniteMixture(Gaussian("spherical"), 5).resolve(source)
    starts = [model.init(source, np.random.default_rng(i), i) for i in range(3)]
    result = run_fit(source, starts=starts)
    assert [start.kind for start in result.starts] == ["given"] * 3
    assert all(start.finished and math.isnan(start.short_objective) for start in result.starts)
    assert result.trace[0] in {sum(model.e_step(start, block)[1] for block in source) + model.log_prior(start) for start in starts}


def test_starts_that_collapse_are_marked_and_left():
    """Maximum likelihood with a component for every few points: some starts run into a singularity; others do not matter less."""
    rng = np.random.default_rng(0)
    source = ArraySource(np.round(rng.standard_normal((25, 1)), 1))
    result = run_fit(source, model=FiniteMixture(Gaussian("full", None), 6), starts=12, max_iter=500)
    lost = [start for start in result.starts if start.reason is StopReason.COLLAPSED]
    assert lost
    assert math.isfinite(result.objective)
    whole = ArraySource(np.repeat([[0.0], [1.0]], 5, axis=0))
    with pytest.raises(CollapseError, match="every start"):
        run_fit(whole, model=FiniteMixture(Gaussian("full", None), 2), starts=4)


class Interrupt(Monitor):
    """Ctrl-C at a start, or at an iteration of the long runs."""

    def __init__(self, when):
        self.when = when

    def say(self, text):
        if text == self.when:
            raise KeyboardInterrupt

    def step(self, step):
        if step.iteration == self.when:
            raise KeyboardInterrupt


def test_ctrl_c_in_the_long_run_keeps_the_best():
    source = ArraySource(np.random.default_rng(0).standard_normal((5000, 2)))
    result = run_fit(source, model=FiniteMixture(Gaussian(), 3), monitors=[Interrupt(4)], tol=0.0, max_iter=100)
    assert result.reason is StopReason.INTERRUPTED and result.n_iter == 4
    _, value = Threads(1).map_reduce(lambda block: result.model.e_step(result.params, block), source)
    assert result.log_likelihood == value


def test_a_monitor_that_stops_ends_the_whole_fit():
    class Enough(Monitor):
        ended = 0

        def step(self, step):
            return StopReason.STOPPED if step.iteration == 2 else None

        def end(self, result):
            self.ended += 1

    enough = Enough()
    source = hard_data()
    model = FiniteMixture(Gaussian("spherical"), 5).resolve(source)
    starts = [model.init(source, np.random.default_rng(i), i) for i in range(3)]
    result = run_fit(source, starts=starts, monitors=[enough])
    assert result.reason is StopReason.STOPPED and enough.ended == 1
    assert sum(start.finished for start in result.starts) == 1  # no further start was begun


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"starts": 0}, "n_init=0"),
        ({"starts": True}, "n_init=True"),
        ({"tol": -1.0}, "tol=-1.0"),
        ({"tol": math.nan}, "tol=nan"),
        ({"max_iter": -1}, "max_iter=-1"),
        ({"max_iter": 1.5}, "max_iter=1.5"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ParameterError, match=message):
        run_fit(hard_data(), **settings)


@pytest.mark.parametrize("seed", range(3))
def test_where_iterations_gain_nothing_more_the_fit_still_makes_those_that_were_asked_for(seed):
    """What the best start had come to at its first look, five iterations, was kept, and called stopped at max_iter."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(21_000, 2)) + 6.0 * rng.normal(size=(2, 2))[rng.integers(2, size=21_000)]
    result = GaussianMixture(2, random_state=0, tol=0, max_iter=12, algorithm="em").fit(x).result_
    (best,) = [start for start in result.starts if start.n_iter]
    assert result.n_iter == best.n_iter == 12
