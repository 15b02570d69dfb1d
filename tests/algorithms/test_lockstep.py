"""Many starts side by side: what n_init="auto" does, on few rows and on many, and what ends it."""

import math
import warnings

import numpy as np
import pytest

from emkit import (
    ArraySource,
    CollapseError,
    Family,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    Monitor,
    ParameterError,
    Poisson,
    Problem,
    StopReason,
    Threads,
    TimeLimit,
    Trace,
)
from emkit.algorithms import starts as starts_module
from emkit.core.seeding import values_that_stand_out
from support.bad_slopes import Backwards, Nonsense, Quiet
from support.fits import fitted, score
from support.slow import FURTHER, SLOW


def simulated(n=900, k=4, d=2, seed=0, apart=1.6):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(k, d)) * apart
    return ArraySource(means[rng.integers(k, size=n)] + rng.normal(size=(n, d)))


@pytest.fixture(scope="module")
def source():
    return simulated()


@pytest.fixture(scope="module")
def result(source):
    return fitted(FiniteMixture(Gaussian(), 4), source)


def test_every_start_is_in_the_table(result):
    assert [start.index for start in result.starts] == list(range(24))
    assert {start.kind for start in result.starts} == {"k-means++", "plain k-means++", "random_from_data"}
    assert all(math.isfinite(start.short_objective) for start in result.starts)
    done = [start for start in result.starts if start.finished]
    assert 1 <= len(done) <= 4 and result.objective == max(start.objective for start in done)
    assert all(start.reason is StopReason.CONVERGED for start in done)


def test_the_answer_is_an_optimum_at_least_as_good_as_eight_starts_find(result, source):
    assert result.converged and result.remaining < 1e-3
    eight = fitted(FiniteMixture(Gaussian(), 4), source, starts=8, algorithm="em", max_iter=5000)
    assert result.objective > eight.objective - 1e-2
    further = fitted(result.model, source, starts=[result.params], algorithm="em", tol=0, max_iter=500)
    assert further.objective - result.objective < 1e-3
    assert np.all(np.diff(result.trace) >= -1e-9 * abs(result.objective))


def test_what_is_reported_is_what_score_says(result, source):
    assert score(result, source) == result.log_likelihood
    assert result.trace[-1] == result.objective and len(result.trace) == result.n_iter + 1


def test_the_same_generator_gives_the_same_bits_on_any_number_of_threads(result, source):
    again = fitted(FiniteMixture(Gaussian(), 4), source, threads=3)
    assert again.trace == result.trace
    assert all(np.array_equal(a, b) for a, b in zip(again.params.flatten().values(), result.params.flatten().values(), strict=True))


def test_units_do_not_matter(result, source):
    """Columns in other units: the same answer after the same number of steps."""
    scaled = fitted(FiniteMixture(Gaussian(), 4), ArraySource(source.x * [1e-3, 1e4]))
    n = source.n_rows
    assert scaled.log_likelihood + n * math.log(1e-3 * 1e4) == pytest.approx(result.log_likelihood, abs=1e-3)
    assert abs(scaled.n_iter - result.n_iter) <= 0.2 * result.n_iter


def test_plain_em_after_short_runs_where_it_is_asked_for(source):
    plain = fitted(FiniteMixture(Gaussian(), 4), source, algorithm="em", max_iter=5000)
    assert len(plain.starts) == 24 and plain.converged
    gains = np.diff(plain.trace)
    assert (gains >= -1e-9).all() and len(plain.trace) == plain.n_iter + 1


class NoSlope(Poisson):
    """As a family of one's own may be: without gradient and curvature."""

    gradient, curvature = Family.gradient, Family.curvature


def overlapping_counts():
    rng = np.random.default_rng(0)
    return ArraySource(rng.poisson(rng.gamma(2.0, 4.0, (6, 2))[rng.integers(6, size=1500)]).astype(float))


def test_where_there_is_no_slope_em_continues_from_several_starts():
    source = overlapping_counts()
    plain, slopeless = (fitted(FiniteMixture(family, 6), source, seed=1) for family in (Poisson(), NoSlope()))
    assert sum(start.finished for start in slopeless.starts) > 1
    assert slopeless.converged and slopeless.objective == pytest.approx(plain.objective, abs=2e-3)  # twice tol


@pytest.mark.parametrize("family", [Gaussian(), NoSlope()])
def test_what_plain_em_reports_is_what_score_says(family):
    source = overlapping_counts()
    for k in (2, 6):
        found = fitted(FiniteMixture(family, k), source, algorithm="em")
        assert found.converged and score(found, source) == found.log_likelihood


@pytest.mark.parametrize("max_iter", [0, 1, 5, 12, 20])
def test_max_iter_holds_for_every_start(source, max_iter):
    result = fitted(FiniteMixture(Gaussian(), 4), source, max_iter=max_iter)
    assert result.n_iter == max_iter and result.reason is StopReason.MAX_ITER


def test_zero_tol_is_exactly_so_many_plain_iterations(source):
    result = fitted(FiniteMixture(Gaussian(), 4), source, tol=0, max_iter=40)
    assert result.n_iter == 40 and result.reason is StopReason.MAX_ITER
    model, params = result.model, None
    for start in result.starts:
        assert start.objective is None or start.n_iter == 40
    params = fitted(model, source, starts=[result.params], tol=0, max_iter=0).params
    assert all(np.array_equal(a, b) for a, b in zip(params.flatten().values(), result.params.flatten().values(), strict=True))


@pytest.mark.parametrize("rows", [1500, 60_000])
def test_large_data_are_searched_on_a_sample(rows, monkeypatch):
    """The finalists are carried on over all rows; with few rows the same way is taken by a lower limit."""
    if rows < 20_000:
        monkeypatch.setattr(starts_module, "_TOGETHER", 700)
    source = simulated(rows, 3, 2, apart=4.0)
    result = fitted(FiniteMixture(Gaussian(), 3), source)
    assert result.converged and len(result.starts) == 24
    assert Problem(result.model, source, Threads(2)).evaluate(result.params).log_likelihood == result.log_likelihood
    plain = fitted(result.model, source, starts=[result.params], algorithm="em", tol=0, max_iter=50)
    assert plain.objective - result.objective < 1e-3


def test_weights_and_missing_cells():
    rng = np.random.default_rng(4)
    x = simulated(600, 3, 3, seed=2, apart=6.0).x.copy()
    weighted = ArraySource(x, rng.integers(0, 3, size=600).astype(float))
    repeated = ArraySource(np.repeat(x, weighted.weights.astype(int), axis=0))
    a, b = fitted(FiniteMixture(Gaussian(), 3), weighted), fitted(FiniteMixture(Gaussian(), 3), repeated)
    assert a.log_likelihood == pytest.approx(b.log_likelihood, abs=2e-3)
    x[rng.random(x.shape) < 0.1] = np.nan
    holes = fitted(FiniteMixture(Gaussian("diag"), 3), ArraySource(x))
    assert holes.converged and len(holes.starts) == 24


def test_counts():
    rng = np.random.default_rng(0)
    source = ArraySource(rng.poisson(np.array([[2.0, 9.0], [7.0, 1.0], [15.0, 15.0]])[rng.integers(3, size=500)]).astype(float))
    result = fitted(FiniteMixture(Poisson(), 3), source)
    assert result.converged and len(result.starts) == 24
    assert np.sort(result.params.components.rates[:, 0]) == pytest.approx([2.0, 7.0, 15.0], abs=0.5)


def test_a_collapse_does_not_end_the_search():
    """Maximum likelihood, a component for every few points: starts that collapse are left, and said to have."""
    x = np.round(np.random.default_rng(0).standard_normal((25, 1)), 1)
    result = fitted(FiniteMixture(Gaussian(prior=None), 5), ArraySource(x), max_iter=500)
    assert math.isfinite(result.objective) and len(result.starts) == 72
    assert any(start.reason is StopReason.COLLAPSED for start in result.starts)
    with pytest.raises(CollapseError, match="every start"):
        fitted(FiniteMixture(Gaussian(prior=None), 2), ArraySource(np.repeat([[0.0], [1.0]], 5, axis=0)))


def test_a_collapse_that_no_start_shows_alone_is_not_tried_for_ever(source, monkeypatch):
    def collapses(*_):
        raise CollapseError("as the test says")

    monkeypatch.setattr("emkit.algorithms.lockstep._advanced", collapses)
    with pytest.raises(CollapseError):
        fitted(FiniteMixture(Gaussian(), 4), source)


def mostly_zeros(n, d, seed):
    """Three quarters of the cells of every column are zero, each for itself; the others lognormal."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((n, d)) < 0.75, 0.0, rng.lognormal(1.0, 0.7, (n, d)))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_a_value_that_most_rows_have_exactly_gets_a_component(d):
    """A column with the spike of its zeros in it is hundreds of nats better than one without; distances do not show it."""
    for seed in range(5):
        x = mostly_zeros(400, d, seed)
        result = fitted(FiniteMixture(Gaussian(), 2), ArraySource(x), seed=seed)
        assert "repeated values" in {start.kind for start in result.starts}
        zeros, best = x == 0, -math.inf
        for group in (*zeros.T, zeros.all(axis=1)):
            parts = [x[group], x[~group]]
            means, covariances = np.array([p.mean(axis=0) for p in parts]), np.array([np.cov(p.T).reshape(d, d) for p in parts])
            first = Gaussian().Params(means, covariances + 1e-9 * np.eye(d))
            start = FiniteMixture.Params(np.array([group.mean(), 1.0 - group.mean()]), first)
            best = max(best, fitted(result.model, ArraySource(x), starts=[start]).objective)
        assert result.objective > best - 1.0


def test_what_stands_out():
    rng = np.random.default_rng(0)
    columns = np.column_stack([
        np.where(rng.random(200) < 0.3, 7.5, rng.normal(size=200)), rng.normal(size=200), rng.poisson(2.0, 200),
        rng.random(200) < 0.9, np.where(rng.random(200) < 0.8, 0.0, rng.poisson(9.0, 200)), np.full(200, 3.0),
    ])  # fmt: skip
    columns[::3, 0] = np.nan
    np.testing.assert_array_equal(values_that_stand_out(columns), [7.5, np.nan, np.nan, np.nan, 0.0, np.nan])


class StopAt(Monitor):
    """Asks to stop, or is interrupted, when it is asked for the n-th time."""

    def __init__(self, when, interrupt=False):
        self.asked_for, self.when, self.interrupt = 0, when, interrupt

    def asked(self):
        self.asked_for += 1
        if self.asked_for < self.when:
            return None
        if self.interrupt:
            raise KeyboardInterrupt
        return StopReason.STOPPED

    def step(self, step):
        return self.asked()


@pytest.mark.parametrize("when", [1, 7, 20, 24])
def test_a_monitor_that_stops_in_the_middle(source, when):
    result = fitted(FiniteMixture(Gaussian(), 4), source, monitors=[StopAt(when)])
    assert result.reason is StopReason.STOPPED and math.isfinite(result.objective)
    assert score(result, source) == result.log_likelihood


def test_a_time_limit_cuts_the_batch_too():
    result = fitted(FiniteMixture(Gaussian(), 12), simulated(6000, 12, 4), monitors=[TimeLimit(0.0)])
    assert result.reason is StopReason.TIME_LIMIT and result.n_iter <= 1


@pytest.mark.parametrize("when", [7, 20])
def test_an_interrupt_keeps_the_best_so_far(source, when):
    result = fitted(FiniteMixture(Gaussian(), 4), source, monitors=[StopAt(when, interrupt=True)])
    assert result.reason is StopReason.INTERRUPTED and math.isfinite(result.objective)


def test_monitors_see_the_end(source, result):
    trace = Trace()
    fitted(FiniteMixture(Gaussian(), 4), source, monitors=[trace])
    assert result.objective in [step.objective for step in trace.steps]


def test_the_estimator_says_so(source):
    model = GaussianMixture(n_components=4, random_state=0).fit(source.x)
    assert model.n_init == "auto" and model.algorithm == "auto"
    assert "24 tried" in model.result_.starts_summary()
    assert len(GaussianMixture(4, n_init=3, random_state=0).fit(source.x).result_.starts) == 3
    for wrong in ("many", 0, 2.5):
        with pytest.raises(ParameterError, match="n_init"):
            GaussianMixture(4, n_init=wrong).fit(source.x)


def test_starting_values_of_everything_make_one_start(source):
    model = GaussianMixture(4, random_state=0).fit(source.x)
    again = GaussianMixture(4, init=model.parameters()).fit(source.x)
    assert len(again.result_.starts) == 1 and again.converged_


def test_starts_that_agree_are_carried_on_once():
    """Two groups far apart: every start is there after a few iterations, and one of them is enough."""
    rng = np.random.default_rng(0)
    source = ArraySource(np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(12, 1, (200, 2))]))
    result = fitted(FiniteMixture(Gaussian(), 2), source)
    done = [start for start in result.starts if start.finished]
    assert result.converged and len(done) >= 4
    assert all(start.reason is StopReason.CONVERGED and result.objective - start.objective < 2e-3 for start in done)
    assert sum(start.n_iter == result.n_iter for start in done) == 1 and f"reached by {len(done)} of" in result.starts_summary()
    assert result.n_iter <= 14  # two rounds of six, and the last look
    assert len({round(start.short_objective, 3) for start in result.starts}) <= 2


def test_one_component_needs_one_start(source):
    result = fitted(FiniteMixture(Gaussian(), 1), source)
    assert len(result.starts) == 1 and result.converged
    assert result.params.components.means[0] == pytest.approx(source.x.mean(axis=0))


def test_thin_components_far_from_the_middle():
    """Where single passes take differences, the search still goes by features; what is reported is exact."""
    rng = np.random.default_rng(1)
    thin = rng.standard_normal((400, 2)) @ [[0.0, -0.01], [1.7, 0.4]]
    source = ArraySource(np.concatenate([thin, rng.normal([-6, 3], 0.7, (400, 2))]))
    result = fitted(FiniteMixture(Gaussian(), 2), source)
    assert result.converged and score(result, source) == result.log_likelihood
    plain = fitted(FiniteMixture(Gaussian(), 2), source, starts=8, algorithm="em")
    assert result.objective == pytest.approx(plain.objective, abs=2e-3)


# --- families that say too little, or what is wrong ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def rates():
    """Counts on which EM takes long, and the best objective known."""
    source = FURTHER["rates"]()[1]
    return source, fitted(FiniteMixture(Poisson(), 3), source, algorithm="em", max_iter=5000, tol=1e-6).objective


@pytest.mark.parametrize("starts", ["auto", 6])
@pytest.mark.parametrize("family", [Quiet(), Nonsense(), Backwards()], ids=lambda family: type(family).__name__)
def test_without_a_slope_or_with_a_wrong_one_it_ends_by_plain_em(rates, family, starts):
    """A wrong slope is said once, however many starts notice."""
    source, best = rates
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fitted(FiniteMixture(family, 3), source, starts=starts)
    assert len(caught) == (type(family) is Backwards)
    assert all("the fit goes on by plain EM" in str(warning.message) for warning in caught)
    assert result.converged and best - result.objective < 1e-3
    assert np.diff(result.trace).min() >= -1e-9 * abs(best)


@pytest.mark.parametrize("family", [Quiet(), Nonsense(), Backwards()], ids=lambda family: type(family).__name__)
def test_with_tol_0_no_slope_is_asked_for(rates, family):
    plain, found = (fitted(FiniteMixture(each, 3), rates[0], tol=0, max_iter=30) for each in (Poisson(), family))
    assert found.trace == plain.trace and found.n_iter == 30 and found.reason is StopReason.MAX_ITER


# --- ended in the middle of a step ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def refusing():
    """Steps are refused on the way to this one's end."""
    return SLOW["full overlapping"]()


@pytest.mark.parametrize("end", ["a monitor", "Ctrl-C", "max_iter"])
def test_wherever_it_ends_the_best_is_kept(refusing, end):
    model, source = refusing
    for when in range(19, 43, 3):
        monitors = [] if end == "max_iter" else [StopAt(when, interrupt=end == "Ctrl-C")]
        result = fitted(model, source, monitors=monitors, max_iter=when if end == "max_iter" else 1000)
        expected = {"a monitor": StopReason.STOPPED, "Ctrl-C": StopReason.INTERRUPTED, "max_iter": StopReason.MAX_ITER}[end]
        assert result.reason is expected and result.n_iter <= when
        assert score(result, source) == pytest.approx(result.log_likelihood, rel=1e-13)
        assert result.objective == pytest.approx(max(result.trace), rel=1e-13)
        assert np.diff(result.trace).min(initial=0.0) >= -1e-9 * abs(result.objective)
