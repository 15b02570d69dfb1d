"""algorithm="auto": EM where EM is quick, accelerated where it is not; and the words that settings take."""

import math

import numpy as np
import pytest

from emkit import (
    EM,
    Accelerated,
    ArraySource,
    Auto,
    FiniteMixture,
    Gaussian,
    GaussianMixture,
    ParameterError,
    PoissonHMM,
    StopReason,
)
from emkit.algorithms.auto import iterations_left
from emkit.algorithms.words import algorithm_of
from emkit.core.fit import Rules, run
from support.fits import fitted, problem_of
from support.slow import SLOW, overlapping


def start_of(problem, seed=1):
    return problem.model.init(problem.source, np.random.default_rng(seed), seed)


@pytest.fixture(scope="module")
def easy():
    """Three clusters far apart."""
    rng = np.random.default_rng(0)
    return problem_of(
        FiniteMixture(Gaussian(), 3), ArraySource(np.concatenate([rng.normal(8.0 * j, 1.0, (200, 2)) for j in range(3)]))
    )


def test_where_em_is_quick_it_is_em(easy):
    plain, found = (run(easy, algorithm, start_of(easy), Rules()) for algorithm in (EM(), Auto()))
    assert found.trace == plain.trace and found.n_iter == plain.n_iter


@pytest.mark.parametrize("name", ["full overlapping", "diag eight", "answers"])
def test_where_em_is_slow_it_begins_like_em_and_ends_sooner(name):
    problem = problem_of(*SLOW[name]())
    plain, found = (run(problem, algorithm, start_of(problem), Rules(max_iter=3000)) for algorithm in (EM(), Auto()))
    assert found.trace[:13] == plain.trace[:13]
    assert found.reason is StopReason.CONVERGED and found.n_iter < 0.6 * plain.n_iter
    assert found.objective > plain.objective - 1e-3


def test_its_settings():
    problem = problem_of(*SLOW["answers"]())
    start, rules = start_of(problem), Rules(max_iter=60)
    plain = run(problem, EM(), start, rules)
    assert run(problem, Auto(at_least=60), start, rules).trace == plain.trace
    late, soon = (run(problem, Auto(n, patience), start, rules).trace for n, patience in ((30, 30), (4, 0)))
    assert late[:31] == plain.trace[:31] and late[-1] > plain.trace[-1]
    assert soon[:5] == plain.trace[:5] and soon[30] > plain.trace[30]


def test_exactly_so_many_plain_iterations():
    model, source = SLOW["full overlapping"]()
    plain, found = (fitted(model, source, algorithm=word, starts=1, tol=0, max_iter=25) for word in ("em", "auto"))
    assert found.trace == plain.trace and found.n_iter == 25


@pytest.mark.parametrize("cut", [3, 12, 13, 19])
def test_taken_up_again_it_goes_on_as_if_nothing_had_happened(cut):
    problem = problem_of(*SLOW["counts"]())
    whole = run(problem, Auto(), start_of(problem), Rules())
    first = run(problem, Auto(), start_of(problem), Rules(max_iter=cut))
    rest = run(problem, Auto(), first.params, Rules(), trace=first.trace[:-1], carried=first.carried)
    assert (rest.trace, rest.reason, rest.remaining) == (whole.trace, whole.reason, whole.remaining)


def test_several_starts_agree_on_the_same_optimum():
    model, source = SLOW["full apart"]()
    plain, found = (fitted(model, source, algorithm=word) for word in ("em", "auto"))
    assert found.converged and found.objective > plain.objective - 1e-3
    assert sum(start.n_iter for start in found.starts) < sum(start.n_iter for start in plain.starts)


# --- how many more --------------------------------------------------------------------------------------------------------


def geometric(rate, n=6, first=1.0):
    """Objectives whose gains shrink at that rate, and what is left after the last."""
    gains = first * rate ** np.arange(n)
    return (np.cumsum(gains)).tolist(), gains[-1] * rate / (1.0 - rate)


@pytest.mark.parametrize("rate", [0.5, 0.9, 0.99])
def test_iterations_left(rate):
    trace, left = geometric(rate)
    expected = math.log(1e-3 / left) / math.log(rate)
    assert iterations_left(trace, 1e-3) == pytest.approx(expected, rel=1e-6)
    assert iterations_left(trace, left * 1.01) == 0.0


@pytest.mark.parametrize("trace", [[0.0], [0.0, 1.0, 3.0, 6.0], [3.0, 2.0, 1.0, 2.0]], ids=["one", "growing", "falling"])
def test_without_a_rate_there_is_no_end_in_sight(trace):
    assert iterations_left(trace, 1e-3) == math.inf


# --- words ----------------------------------------------------------------------------------------------------------------


def test_words():
    assert [algorithm_of(word) for word in ("auto", "em", "accelerated")] == [Auto(), EM(), Accelerated()]
    mine = Accelerated(memory=7)
    assert algorithm_of(mine) is mine


@pytest.mark.parametrize("value", ["AUTO", "fast", 3, None, EM])
def test_other_words_are_refused(value):
    with pytest.raises(ParameterError, match=r"give 'auto', 'em', 'accelerated', .* or an emkit") as caught:
        algorithm_of(value)
    assert caught.value.parameter == "algorithm"


@pytest.mark.parametrize("algorithm", ["auto", "accelerated", Accelerated(memory=5)], ids=str)
def test_estimators_take_them(algorithm, tmp_path):
    from emkit import load

    x = overlapping(600, 2, 3, 2.0, 0)
    settings = {"n_init": 2, "random_state": 0}
    plain = GaussianMixture(3, algorithm="em", **settings).fit(x)
    model = GaussianMixture(3, algorithm=algorithm, **settings).fit(x)
    assert model.converged_ and model.n_iter_ < plain.n_iter_
    assert model.result_.objective > plain.result_.objective - 1e-3
    model.save(tmp_path / "model")
    assert load(tmp_path / "model").algorithm == algorithm
    assert model.set_params(warm_start=True).fit(x).n_iter_ <= 15
    with pytest.raises(ParameterError, match="algorithm='quick'"):
        GaussianMixture(3, algorithm="quick").fit(x)


def test_hmmlearn_means_the_decoder_by_the_word():
    x = np.random.default_rng(0).poisson(np.repeat([2.0, 9.0, 2.0], 40))[:, None]
    assert PoissonHMM(2, algorithm="map", random_state=0).fit(x).predict(x).shape == (120,)


def test_the_engine_without_a_word_takes_auto():
    model, source = SLOW["full overlapping"]()
    automatic, none = (fitted(model, source, algorithm=word, starts=1) for word in ("auto", None))
    assert none.trace == automatic.trace
