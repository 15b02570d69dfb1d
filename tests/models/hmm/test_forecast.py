"""Filtering, sampled paths, forecasts, simulation, pseudo-residuals: against enumeration, printed numbers, exact arithmetic."""

import numpy as np
import pytest
from scipy import stats

from emkit import Bernoulli, Categorical, Gaussian, Mixed, Poisson, Tied
from emkit.core.errors import DataError, ImpossibleSequenceError, ParameterError
from emkit.families.gaussian.params import GaussianParams
from emkit.kernels.hmm_filter import filter_log
from emkit.models.hmm.filter import (
    _log_filter_numpy,
    filter_probabilities,
    filter_start,
    filter_step,
    log_filter,
    predictive_weights,
)
from emkit.models.hmm.forecast import expected_time, forecast_log_density, forecast_states, occupancy, pseudo_residuals
from emkit.models.hmm.params import HMMParams
from emkit.models.hmm.paths import _sample_compiled, _sample_numpy, sample_paths, simulate
from emkit.models.hmm.recursions import forward_backward_log
from support.datasets import earthquakes
from support.paths import every_path, random_chain

# Zucchini & MacDonald: earthquakes of magnitude 7 or more, world, 1900 to 2006; the two-state maximum likelihood fit.
EARTHQUAKES = earthquakes()
QUAKES = HMMParams(
    np.array([1.0, 0.0]), np.array([[0.928374, 0.071626], [0.119034, 0.880966]]), Poisson.Params(np.array([[15.42076], [26.01824]]))
)
UMBRELLA = HMMParams(np.array([0.5, 0.5]), np.array([[0.7, 0.3], [0.3, 0.7]]), None)
UMBRELLA_SEEN = np.log(np.array([[0.9, 0.2], [0.9, 0.2], [0.1, 0.8], [0.9, 0.2], [0.9, 0.2]]))


def path_probabilities(params, b, *, end=True):
    """Every path, and its joint probability with the steps."""
    with np.errstate(divide="ignore"):
        paths, log_probs = every_path(params, np.log(b), end=end)
    return paths, np.exp(log_probs)


def compiled_log_filter(params, log_b, lengths):
    """``log_filter`` whatever the size."""
    out, lengths = log_b.copy(), np.asarray(lengths, dtype=np.int64)
    with np.errstate(divide="ignore"):
        start, transposed = np.log(params.startprob), np.ascontiguousarray(np.log(params.transmat).T)
    impossible = filter_log(out, np.cumsum(lengths) - lengths, lengths, start, params.transmat, transposed)
    if impossible >= 0:
        raise ImpossibleSequenceError(int(impossible))
    return out


FILTERS = [_log_filter_numpy, compiled_log_filter]
CASES = [(k, n, zeros, end) for k, n in [(1, 3), (2, 8), (3, 6), (4, 5), (3, 1)] for zeros, end in [(0, 0), (1, 0), (0, 1), (1, 1)]]


# --- filtering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n", "zeros", "end"), CASES)
def test_the_filter_is_what_enumeration_says(k, n, zeros, end):
    params = random_chain(k, n + 7 * k, zeros=zeros, end=end)
    b = np.random.default_rng(n).random((n, k))
    b[np.random.default_rng(k).random((n, k)) < 0.1 * zeros] = 0.0
    b[:, -1] = np.maximum(b[:, -1], 0.1)
    with np.errstate(divide="ignore"):
        log_b = np.log(b)
    try:
        filtered = filter_probabilities(params, log_b, [n])
    except ImpossibleSequenceError:
        assert path_probabilities(params, b, end=False)[1].sum() == 0
        return
    weights = predictive_weights(params, log_b, [n])
    state, before = filter_start(params), 1.0
    for t in range(n):
        paths, p = path_probabilities(params, b[: t + 1], end=False)
        expected = np.bincount(paths[:, t], weights=p, minlength=k)
        np.testing.assert_allclose(filtered[t], expected / expected.sum(), atol=1e-12)
        state = filter_step(params, state, log_b[t])
        np.testing.assert_allclose(state.probabilities, expected / expected.sum(), atol=1e-12)
        assert state.log_likelihood == pytest.approx(np.log(expected.sum()), abs=1e-10)
        # One step ahead: nothing known of step t.
        blind = b[: t + 1].copy()
        blind[t] = 1.0
        paths, p = path_probabilities(params, blind, end=False)
        ahead = np.bincount(paths[:, t], weights=p, minlength=k)
        np.testing.assert_allclose(weights[t], ahead / ahead.sum(), atol=1e-12)
        assert ahead.sum() <= before + 1e-12
        before = expected.sum()


def test_the_umbrella_world_filtered():
    """Russell & Norvig, section 15.2.1: P(rain) is .818 after one umbrella and .883 after two."""
    filtered = filter_probabilities(UMBRELLA, UMBRELLA_SEEN, [5])
    assert filtered[:2, 0].round(3).tolist() == [0.818, 0.883]
    state = filter_start(UMBRELLA)
    for row in UMBRELLA_SEEN:
        state = filter_step(UMBRELLA, state, row)
    assert state.log_likelihood == pytest.approx(-3.3725, abs=5e-5)
    assert state.probabilities[0] == pytest.approx(0.8673, abs=5e-5)
    np.testing.assert_allclose(state.probabilities, filtered[-1], rtol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 5, 30])
def test_the_compiled_filter_equals_its_twin(k):
    params = random_chain(k, k, zeros=k > 2)
    rng = np.random.default_rng(k)
    lengths = np.array([1, 40, 7, 1, 100])
    # From ordinary steps to steps far beyond what exp can hold.
    for spread in (1.0, 100.0, 1e4):
        log_b = rng.normal(size=(lengths.sum(), k)) * spread
        ours, twin = compiled_log_filter(params, log_b, lengths), _log_filter_numpy(params, log_b, lengths)
        assert (np.isfinite(ours) == np.isfinite(twin)).all()
        seen = np.isfinite(twin)
        np.testing.assert_allclose(ours[seen], twin[seen], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("run", FILTERS)
@pytest.mark.parametrize("advantage", [8.0, 290.0, 800.0])
def test_a_state_long_given_up_can_come_back(run, advantage):
    """Two states that never change: only the sum of all steps decides, however long one of them was negligible."""
    params = HMMParams(np.array([0.5, 0.5]), np.eye(2), None)
    log_b = np.zeros((202, 2))
    log_b[:100, 1] = -advantage
    log_b[100:, 0] = -advantage
    out = run(params, log_b, np.array([202]))
    difference = np.cumsum(log_b[:, 1] - log_b[:, 0])
    np.testing.assert_allclose(out[:, 1] - out[:, 0], difference, atol=1e-6)
    assert np.exp(out[-1]).argmax() == 1


@pytest.mark.parametrize("run", FILTERS)
def test_tiny_transitions_count_when_nothing_else_is_left(run):
    params = HMMParams(np.array([1.0, 0.0]), np.array([[1.0, 1e-250], [1e-250, 1.0]]), None)
    log_b = np.array([[0.0, -np.inf], [-np.inf, 0.0], [0.0, -np.inf], [-600.0, 0.0]])
    out = run(params, log_b, np.array([4]))
    assert np.exp(out[1]).tolist() == [0.0, 1.0]
    assert out[3, 1] - out[3, 0] == pytest.approx(-250 * np.log(10) + 600, abs=1e-6)


@pytest.mark.parametrize("run", FILTERS)
def test_an_impossible_sequence_is_named(run):
    params = random_chain(3, 0)
    log_b = np.zeros((30, 3))
    log_b[17] = -np.inf
    with pytest.raises(ImpossibleSequenceError) as caught:
        run(params, log_b, np.array([5, 10, 1, 14]))
    assert caught.value.sequence == 3
    one_way = HMMParams(np.array([0.0, 1.0]), np.array([[1.0, 0.0], [0.0, 1.0]]), None)
    with pytest.raises(ImpossibleSequenceError):
        run(one_way, np.array([[0.0, 0.0], [0.0, -np.inf]]), np.array([2]))
    with pytest.raises(ImpossibleSequenceError):
        run(one_way, np.array([[0.0, -np.inf]]), np.array([1]))


def test_a_stream_survives_what_it_refuses():
    one_way = HMMParams(np.array([0.0, 1.0]), np.eye(2), None)
    state = filter_step(one_way, filter_start(one_way), np.array([-1.0, -2.0]))
    with pytest.raises(DataError, match="step 1 has probability zero"):
        filter_step(one_way, state, np.array([0.0, -np.inf]))
    for bad in (np.array([0.0, np.nan]), np.zeros(3)):
        with pytest.raises(DataError, match="step 1"):
            filter_step(one_way, state, bad)
    later = filter_step(one_way, state, np.zeros(2))
    assert later.steps == 2 and later.log_likelihood == pytest.approx(-2.0)
    assert state.steps == 1 and later.probabilities.tolist() == [0.0, 1.0]


def test_a_million_steps_filtered_and_drawn():
    params = random_chain(3, 3)
    log_b = np.random.default_rng(0).normal(size=(1_000_000, 3))
    filtered = filter_probabilities(params, log_b, [1_000_000])
    np.testing.assert_allclose(filtered.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(filtered[:50], np.exp(_log_filter_numpy(params, log_b[:50], np.array([50]))), rtol=1e-10)
    paths = sample_paths(params, log_b, [1_000_000], 2, np.random.default_rng(1))
    assert paths.shape == (2, 1_000_000)
    assert set(np.unique(paths)) == {0, 1, 2}


# --- sampled paths --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "n", "end"), [(2, 4, 0), (3, 3, 1), (2, 1, 1), (4, 3, 0)])
@pytest.mark.parametrize("draw", [_sample_numpy, _sample_compiled])
def test_drawn_paths_come_as_often_as_they_should(draw, k, n, end):
    params = random_chain(k, 11 * k, zeros=k > 2, end=end)
    log_b = np.log(np.random.default_rng(k).random((n, k)))
    paths, p = path_probabilities(params, np.exp(log_b))
    p = p / p.sum()
    draws = 20_000
    filtered = log_filter(params, log_b, np.array([n]))
    sampled = draw(params, filtered, np.array([n]), np.random.default_rng(5).random((draws, n)))
    codes = k ** np.arange(n - 1, -1, -1)
    counts = np.bincount(sampled @ codes, minlength=k**n)
    assert counts[p == 0].sum() == 0
    expected = draws * p[paths @ codes]
    likely = expected > 5
    chi2 = ((counts - expected)[likely] ** 2 / expected[likely]).sum()
    assert stats.chi2.sf(chi2, max(likely.sum() - 1, 1)) > 1e-4


def test_compiled_sampling_draws_the_same_paths():
    params = random_chain(4, 2, zeros=True, end=True)
    lengths = np.array([1, 30, 6, 12])
    log_b = np.random.default_rng(0).normal(size=(lengths.sum(), 4)) * 50
    filtered = log_filter(params, log_b, lengths)
    uniforms = np.random.default_rng(1).random((40, lengths.sum()))
    np.testing.assert_array_equal(
        _sample_numpy(params, filtered, lengths, uniforms), _sample_compiled(params, filtered, lengths, uniforms)
    )


def test_average_of_drawn_paths_is_the_smoother():
    params = random_chain(3, 4)
    log_b = np.random.default_rng(2).normal(size=(20, 3))
    _, gamma, _ = forward_backward_log(log_b, np.log(params.startprob), np.log(params.transmat), None)
    drawn = sample_paths(params, log_b, [20], 20_000, np.random.default_rng(3))
    share = np.stack([(drawn == j).mean(axis=0) for j in range(3)], axis=1)
    assert np.abs(share - gamma).max() < 0.02
    np.testing.assert_allclose(occupancy(gamma).sum(), 20.0)


@pytest.mark.parametrize("draw", [_sample_numpy, _sample_compiled])
def test_a_sequence_that_cannot_end_is_named(draw):
    params = HMMParams(np.array([1.0, 0.0]), np.array([[0.5, 0.5], [0.0, 0.5]]), None, np.array([0.0, 0.5]))
    lengths = np.array([2, 1])
    filtered = log_filter(params, np.zeros((3, 2)), lengths)
    with pytest.raises(ImpossibleSequenceError) as caught:
        draw(params, filtered, lengths, np.full((2, 3), 0.5))
    assert caught.value.sequence == 1


# --- forecasts ------------------------------------------------------------------------------------------------------


def test_forecasts_are_powers_of_the_transition_matrix():
    params = random_chain(3, 6)
    now = np.array([0.2, 0.5, 0.3])
    forecast = forecast_states(params, now, 30)
    for h in (1, 2, 7, 30):
        np.testing.assert_allclose(forecast.probabilities[h - 1], now @ np.linalg.matrix_power(params.transmat, h), atol=1e-12)
    assert (forecast.survival == 1).all()


def test_forecasts_of_chains_that_end():
    params = random_chain(3, 6, end=True)
    now = np.array([0.2, 0.5, 0.3])
    forecast = forecast_states(params, now, 10)
    for h in (1, 4, 10):
        alive = now @ np.linalg.matrix_power(params.transmat, h)
        assert forecast.survival[h - 1] == pytest.approx(alive.sum(), rel=1e-12)
        np.testing.assert_allclose(forecast.probabilities[h - 1], alive / alive.sum(), rtol=1e-12)
    surely = HMMParams(np.ones(1), np.zeros((1, 1)), None, np.ones(1))
    over = forecast_states(surely, np.ones(1), 2)
    assert over.survival.tolist() == [0.0, 0.0] and over.probabilities.tolist() == [[0.0], [0.0]]


def test_residuals_of_outliers_on_both_sides():
    """Beyond 8 standard deviations a distribution function is 1 to the last digit."""
    family, normal = Gaussian("diag"), GaussianParams(np.zeros((1, 1)), np.ones((1, 1)))
    x = np.array([[-30.0], [-8.5], [-7.0], [0.0], [7.0], [8.5], [30.0]])
    beyond = distribution(family, normal, x, upper=True)
    z = pseudo_residuals(np.ones((7, 1)), *distribution(family, normal, x), beyond)
    np.testing.assert_allclose(z.middle, x[:, 0], rtol=1e-9, atol=1e-12)
    for family, params, cells in (
        (Poisson(), Poisson.Params(np.array([[1.0], [4.0]])), np.arange(0.0, 40.0)),
        (Categorical((4,)), Categorical.Params(np.array([[[0.1, 0.2, 0.3, 0.4]], [[0.7, 0.1, 0.1, 0.1]]])), np.arange(4.0)),
        (Bernoulli(), Bernoulli.Params(np.array([[0.25], [0.6]])), np.arange(2.0)),
    ):
        (below, at), (from_here, above) = distribution(family, params, cells), distribution(family, params, cells, upper=True)
        np.testing.assert_allclose(below + from_here, 1.0, atol=1e-14)
        np.testing.assert_allclose(at + above, 1.0, atol=1e-14)
    tail = distribution(Poisson(), Poisson.Params(np.array([[1.0]])), np.array([25.0]), upper=True)[0][0, 0]
    assert tail == pytest.approx(stats.poisson.sf(24, 1.0), rel=1e-10)


def test_earthquake_forecasts_add_up_to_one():
    log_b = Poisson().log_prob(QUAKES.emissions, EARTHQUAKES)
    last = filter_probabilities(QUAKES, log_b, [107])[-1]
    forecast = forecast_states(QUAKES, last, 50)
    counts = np.arange(150.0)[:, None]
    density = np.exp(forecast_log_density(Poisson(), QUAKES, forecast.probabilities, counts))
    assert density.shape == (50, 150)
    np.testing.assert_allclose(density.sum(axis=1), 1.0, atol=1e-12)
    # After half a century the forecast is the stationary one.
    assert forecast.probabilities[-1, 0] == pytest.approx(0.119034 / (0.119034 + 0.071626), abs=1e-5)
    state = filter_start(QUAKES)
    for row in log_b:
        state = filter_step(QUAKES, state, row)
    assert state.log_likelihood == pytest.approx(-341.87870, abs=1e-4)


@pytest.mark.parametrize("bad", [np.array([0.5, 0.6]), np.array([1.0]), np.array([-0.5, 1.5]), np.array([np.nan, 1.0])])
def test_a_forecast_begins_at_a_distribution(bad):
    with pytest.raises(ParameterError, match="filtered_last"):
        forecast_states(UMBRELLA, bad, 3)
    with pytest.raises(ParameterError, match="horizon"):
        forecast_states(UMBRELLA, np.array([0.5, 0.5]), 0)


def test_expected_time_in_a_state():
    params = HMMParams(np.ones(3) / 3, np.array([[0.9, 0.1, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]), None)
    np.testing.assert_allclose(expected_time(params), [10.0, 1.0, np.inf])


# --- simulation -----------------------------------------------------------------------------------------------------


def test_simulated_chains_move_as_the_matrix_says():
    params = HMMParams(QUAKES.startprob, np.array([[0.9, 0.1], [0.3, 0.7]]), QUAKES.emissions)
    x, states, lengths = simulate(Poisson(), params, 40_000, np.random.default_rng(0))
    assert x.shape == (40_000, 1) and lengths.tolist() == [40_000] and states[0] == 0
    for i in range(2):
        here = np.flatnonzero(states[:-1] == i)
        assert (states[here + 1] == 1).mean() == pytest.approx(params.transmat[i, 1], abs=0.015)
        assert x[states == i].mean() == pytest.approx(params.emissions.rates[i, 0], rel=0.01)
    x, states, lengths = simulate(Poisson(), params, [3, 1, 5], np.random.default_rng(0))
    assert len(x) == len(states) == 9 and lengths.tolist() == [3, 1, 5]
    assert (states[[0, 3, 4]] == 0).all()


def test_simulated_sequences_end_when_they_end():
    params = HMMParams(np.array([1.0, 0.0]), np.array([[0.5, 0.4], [0.0, 0.8]]), QUAKES.emissions, np.array([0.1, 0.2]))
    _, states, lengths = simulate(Poisson(), params, 20_000, np.random.default_rng(1))
    assert lengths.sum() == len(states) and len(lengths) == 20_000
    mean = params.startprob @ np.linalg.solve(np.eye(2) - params.transmat, np.ones(2))
    assert lengths.mean() == pytest.approx(mean, rel=0.03)
    # Of given lengths: as often as among the random ones of that length.
    _, forced, _ = simulate(Poisson(), params, np.full(20_000, 2), np.random.default_rng(2))
    starts = (np.cumsum(lengths) - lengths)[lengths == 2]
    assert (forced[1::2] == 1).mean() == pytest.approx((states[starts + 1] == 1).mean(), abs=0.02)


def test_what_cannot_be_simulated():
    rng = np.random.default_rng(0)
    endless = HMMParams(np.array([1.0, 0.0]), np.array([[0.5, 0.4], [0.0, 1.0]]), QUAKES.emissions, np.array([0.1, 0.0]))
    with pytest.raises(ParameterError, match="state 1"):
        simulate(Poisson(), endless, 3, rng)
    exactly_two = HMMParams(np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.0, 0.0]]), QUAKES.emissions, np.array([0.0, 1.0]))
    assert simulate(Poisson(), exactly_two, 3, rng)[2].tolist() == [2, 2, 2]
    with pytest.raises(ParameterError, match="cannot end"):
        simulate(Poisson(), exactly_two, [2, 3], rng)
    for bad in (0, [3, -1], 2.5):
        with pytest.raises(ParameterError, match="lengths"):
            simulate(Poisson(), QUAKES, bad, rng)


def distribution(family, params, x, *, upper=False):
    return family.cdf(params, np.asarray(x, dtype=float).reshape(-1, 1), upper=upper)


# --- pseudo-residuals -----------------------------------------------------------------------------------------------


def test_distribution_functions_are_scipys():
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 7.0])
    gaussian = GaussianParams(np.array([[0.0], [2.0]]), np.array([[1.0], [4.0]]))
    below, at = distribution(Gaussian("diag"), gaussian, x[:, None])
    np.testing.assert_array_equal(below, at)
    np.testing.assert_allclose(at, np.column_stack([stats.norm.cdf(x, 0, 1), stats.norm.cdf(x, 2, 2)]), rtol=1e-12)
    for shape in ((1, 1), (1, 1, 1)):
        tied = distribution(Gaussian("tied"), GaussianParams(gaussian.means, np.full(shape, 4.0)), x)[1]
        np.testing.assert_allclose(tied[:, 1], at[:, 1])
    poisson = Poisson.Params(np.array([[0.5], [3.0]]))
    below, at = distribution(Poisson(), poisson, x)
    np.testing.assert_allclose(at, stats.poisson.cdf(x[:, None], [0.5, 3.0]), rtol=1e-12)
    np.testing.assert_allclose(below, stats.poisson.cdf(np.ceil(x)[:, None] - 1, [0.5, 3.0]), rtol=1e-12)
    symbols = Categorical.Params(np.array([[[0.2, 0.3, 0.5]], [[1.0, 0.0, 0.0]]]))
    below, at = distribution(Categorical(), symbols, x)
    np.testing.assert_allclose(at[:, 0], [0, 0.2, 0.2, 0.5, 1, 1])
    np.testing.assert_allclose(below[:, 0], [0, 0, 0.2, 0.2, 0.5, 1])
    np.testing.assert_allclose(at[:, 1], [0, 1, 1, 1, 1, 1])
    below, at = distribution(Bernoulli(), Bernoulli.Params(np.array([[0.3]])), x)
    np.testing.assert_allclose(at[:, 0], [0, 0.7, 0.7, 1, 1, 1])
    np.testing.assert_allclose(below[:, 0], [0, 0, 0.7, 0.7, 1, 1])


@pytest.mark.parametrize(
    ("family", "params"),
    [
        (Poisson(), Poisson.Params(np.ones((2, 1)))),
        (Bernoulli(), Bernoulli.Params(np.full((2, 1), 0.5))),
        (Gaussian("diag"), GaussianParams(np.zeros((2, 1)), np.ones((2, 1)))),
    ],
)
def test_a_missing_cell_has_no_residual(family, params):
    below, at = distribution(family, params, np.array([[np.nan], [0.0]]))
    assert np.isnan(below[0]).all() and np.isnan(at[0]).all() and np.isfinite(at[1]).all()
    assert np.isnan(pseudo_residuals(np.full((2, 2), 0.5), below, at).middle).tolist() == [True, False]


def test_mixed_and_tied_families_have_those_of_their_parts():
    x = np.array([0.0, 2.0, np.nan, 7.0])
    rates = np.array([[1.0], [4.0], [9.0], [2.0]])
    weights = np.array([[0.3, 0.7], [0.5, 0.5]])
    mixed = Mixed(Poisson(), 2)
    for upper in (False, True):
        parts = distribution(Poisson(), Poisson.Params(rates), x, upper=upper)
        found = distribution(mixed, mixed.Params(weights, Poisson.Params(rates)), x, upper=upper)
        tied = distribution(Tied(Poisson(), (0, 1, 0)), Poisson.Params(rates[:2]), x, upper=upper)
        for whole, shared, each in zip(found, tied, parts, strict=True):
            np.testing.assert_allclose(whole, (each.reshape(4, 2, 2) * weights).sum(axis=2), rtol=1e-13)
            np.testing.assert_array_equal(shared, each[:, [0, 1, 0]])


def test_shapes_of_residuals():
    with pytest.raises(ParameterError, match="same shape"):
        pseudo_residuals(np.ones((3, 2)), np.ones((3, 1)), np.ones((3, 2)))


def test_residuals_of_simulated_data_are_standard_normal():
    rng = np.random.default_rng(7)
    emissions = GaussianParams(np.array([[0.0], [3.0]]), np.array([[1.0], [0.5]]))
    params = HMMParams(np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.2, 0.8]]), emissions)
    family = Gaussian("diag")
    x, _, lengths = simulate(family, params, [2_000, 1, 1_999], rng)
    weights = predictive_weights(params, family.log_prob(emissions, x), lengths)
    z = pseudo_residuals(weights, *distribution(family, emissions, x))
    np.testing.assert_array_equal(z.lower, z.upper)
    assert stats.kstest(z.middle, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(z.middle[:-1], z.middle[1:])[0, 1]) < 0.06


def test_earthquake_residual_segments():
    log_b = Poisson().log_prob(QUAKES.emissions, EARTHQUAKES)
    weights = predictive_weights(QUAKES, log_b, [107])
    z = pseudo_residuals(weights, *distribution(Poisson(), QUAKES.emissions, EARTHQUAKES))
    assert (z.lower < z.middle).all() and (z.middle < z.upper).all()
    # The first step's forecast is the Poisson distribution of the state it surely begins in.
    assert stats.norm.cdf(z.upper[0]) == pytest.approx(stats.poisson.cdf(13, 15.42076), rel=1e-10)
    assert stats.norm.cdf(z.lower[0]) == pytest.approx(stats.poisson.cdf(12, 15.42076), rel=1e-10)
    # Segments' probabilities are the forecast probabilities of what came.
    state = np.log(stats.norm.cdf(z.upper) - stats.norm.cdf(z.lower)).sum()
    assert state == pytest.approx(-341.87870, abs=1e-3)
