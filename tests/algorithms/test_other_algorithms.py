"""Incremental EM, annealing, stochastic and classification EM: each keeps its own law, for every model that can do it."""

from dataclasses import replace
from importlib import import_module
from itertools import islice

import numpy as np
import pytest

from emkit import (
    EM,
    Annealing,
    ArraySource,
    ClassificationEM,
    FiniteMixture,
    Gaussian,
    IncrementalEM,
    ParameterError,
    Problem,
    StochasticEM,
    StopReason,
    Threads,
    iterate,
)
from emkit._names import MODULES, group
from emkit.algorithms import incremental
from emkit.algorithms.annealing import Tempered
from emkit.algorithms.given_labels import GivenLabels
from emkit.algorithms.words import WORDS
from emkit.core.fit import Rules, run
from emkit.testing import check_model, draw
from support.fits import fitted, score

ALL = {
    f"{name}-{i}": example
    for name in group("models")
    for i, example in enumerate(getattr(import_module(MODULES[name]), name).examples())
}
LABELLED = {name: model for name, model in ALL.items() if model.n_hidden is not None}


def problem_of(model, rows=300, **how):
    source = draw(model, rows=rows, **how)
    model = model.resolve(source)
    return Problem(model, source, Threads(1)), model.init(source, np.random.default_rng(0))


def falls(problem, algorithm, start, steps=15):
    values = [step.objective for step in islice(iterate(problem, algorithm, start), steps + 1)]
    return min(np.diff(values)) < -problem.rounding(values[-1]), values


@pytest.fixture
def many_parts(monkeypatch):
    monkeypatch.setattr(incremental, "_LEAST", 40)


@pytest.mark.parametrize("name", ALL)
def test_incremental_em_never_lowers_its_objective_and_ends_where_em_does(name, many_parts):
    problem, start = problem_of(ALL[name], weighted=True)
    fell, values = falls(problem, IncrementalEM(4), start)
    assert not fell
    for step in islice(iterate(problem, IncrementalEM(4), start), 4):
        exact = problem.evaluate(step.params)
        assert step.objective <= exact.objective + problem.rounding(exact.objective)  # the free energy is a lower bound
    found, em = (run(problem, algorithm, start, Rules(tol=1e-5, max_iter=200)) for algorithm in (IncrementalEM(4), EM()))
    assert found.objective >= values[-1] - 1e-3
    assert found.objective >= em.objective - 0.05 or problem.model.n_hidden is None


def test_incremental_em_needs_fewer_passes():
    rng = np.random.default_rng(0)
    source = ArraySource(rng.normal(1.8 * np.array([[0, 0], [1, 0], [0, 1]])[rng.integers(3, size=8000)], 1.0))
    model = FiniteMixture(Gaussian("tied"), 3).resolve(source)
    problem, start = Problem(model, source, Threads(1)), model.init(source, rng)
    needed = {type(a).__name__: run(problem, a, start, Rules()).n_iter for a in (EM(), IncrementalEM())}
    assert needed["IncrementalEM"] < 0.8 * needed["EM"]


def test_incremental_em_with_one_part_is_em():
    problem, start = problem_of(ALL["FiniteMixture-0"], rows=100)
    a, b = (run(problem, algorithm, start, Rules()) for algorithm in (IncrementalEM(), EM()))
    assert a.trace == b.trace


@pytest.mark.parametrize("name", LABELLED)
def test_the_classification_likelihood_never_falls(name):
    problem, start = problem_of(LABELLED[name], weighted=True)
    fell, values = falls(problem, ClassificationEM(), start)
    assert not fell
    found = run(problem, ClassificationEM(), start, Rules())
    assert found.reason is StopReason.CONVERGED
    assert found.log_likelihood >= values[-1] - found.log_prior - problem.rounding(values[-1])


def test_classification_em_is_k_means_for_round_clusters_of_one_size():
    from sklearn.cluster import KMeans

    x = np.random.default_rng(0).normal(np.repeat([[0, 0], [4, 0], [0, 4]], 100, axis=0), 1.0)
    source = ArraySource(x)
    fixed = {"covariances": 1.0}
    model = FiniteMixture(Gaussian("tied-spherical", fixed=fixed), 3, fixed={"weights": np.full(3, 1 / 3)}).resolve(source)
    start = model.init(source, np.random.default_rng(0))
    found = run(Problem(model, source, Threads(1)), ClassificationEM(), start, Rules())
    theirs = KMeans(3, init=start.components.means, n_init=1, tol=0).fit(x).cluster_centers_
    np.testing.assert_allclose(found.params.components.means, theirs, rtol=1e-10)


@pytest.mark.parametrize("name", LABELLED)
def test_drawn_labels_agree_with_the_posterior(name):
    problem, start = problem_of(LABELLED[name], rows=24, missing=0.0)
    model, block, rng = problem.model, problem.source.joined(), np.random.default_rng(0)
    k = model.n_hidden
    for power in (1.0, 0.4):
        if power != 1.0 and block.lengths is not None:
            continue  # marginals of a flattened chain are no powers of marginals
        target = np.asarray(model.infer(start, block, "marginals").marginals) ** power
        target /= target.sum(axis=1, keepdims=True)
        counts = sum(np.eye(k)[model.drawn_labels(start, block, rng, power)] for _ in range(400))
        assert np.abs(counts / 400 - target).max() < 5 * 0.5 / np.sqrt(400)


@pytest.mark.parametrize("name", LABELLED)
def test_stochastic_em_ends_near_em_and_repeats(name):
    problem, start = problem_of(LABELLED[name])
    first, em = problem.evaluate(start).objective, run(problem, EM(), start, Rules(max_iter=60)).objective
    found = run(problem, StochasticEM(40), start, Rules())
    assert found.reason is StopReason.PASSES and found.n_iter == 40
    assert found.objective > em - max(0.3 * (em - first), 4.0)
    assert run(problem, StochasticEM(40), start, Rules()).trace == found.trace


@pytest.mark.parametrize("name", LABELLED)
def test_at_power_one_annealing_is_em(name):
    problem, start = problem_of(LABELLED[name], weighted=True)
    a, b = (run(problem, algorithm, start, Rules(max_iter=30)) for algorithm in (Annealing(start=1.0), EM()))
    assert a.trace == b.trace
    block = problem.source.joined()
    stats, value = Tempered(problem.model, start, 1.0)(block)
    expected, log_likelihood = problem.model.e_step(start, block)
    assert value == pytest.approx(log_likelihood, rel=1e-9)
    np.testing.assert_allclose(stats.pack(), expected.pack(), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", LABELLED)
def test_at_a_given_power_the_free_energy_never_falls(name):
    problem, start = problem_of(LABELLED[name], missing=0.0)
    values, params = [], start
    for _ in range(8):
        stats, value = Tempered(problem.model, params, 0.5)(problem.source.joined())
        values.append(value + problem.model.log_prior(params))
        params = problem.model.m_step(stats, params)
    assert min(np.diff(values)) > -1e-8 * abs(values[-1])


def test_annealing_leaves_bad_starts():
    """Six clusters, and starts at six rows of one of them: EM often ends with two components in a cluster, annealing seldom."""
    gains = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        means = 5.0 * rng.normal(size=(6, 2))
        x = rng.normal(np.repeat(means, 150, axis=0), 1.0)
        source = ArraySource(x)
        model = FiniteMixture(Gaussian("spherical"), 6).resolve(source)
        start = model.init(source, rng)
        start = replace(start, weights=np.full(6, 1 / 6), components=replace(start.components, means=x[:6]))
        problem = Problem(model, source, Threads(1))
        em, annealed = (run(problem, algorithm, start, Rules()).objective for algorithm in (EM(), Annealing()))
        gains.append(annealed - em)
    assert np.mean(gains) > 100 and min(gains) > -5


@pytest.mark.parametrize("algorithm", ["stochastic", "classification", "annealing"])
def test_models_that_cannot_do_it_say_so(algorithm):
    problem, start = problem_of(ALL["BayesNet-0"])
    with pytest.raises(ParameterError, match="BayesNet") as caught:
        run(problem, WORDS[algorithm](), start, Rules())
    assert caught.value.parameter == "algorithm"


@pytest.mark.parametrize("algorithm", [IncrementalEM(4), Annealing(n_iter=2), StochasticEM(6), ClassificationEM()], ids=repr)
def test_cut_off_and_taken_up_again_they_have_the_same_bits(algorithm, many_parts):
    for name in ("FiniteMixture-1", "HiddenMarkov-0"):
        assert "resumed_is_uninterrupted" in check_model(ALL[name], draw(ALL[name], rows=200), rows=200, algorithm=algorithm)


@pytest.mark.parametrize("word", WORDS)
def test_every_word_fits_and_reports_what_score_says(word):
    x = np.random.default_rng(0).normal(np.repeat([[0.0], [5.0]], 400, axis=0), 1.0)
    source = ArraySource(x)
    found = fitted(FiniteMixture(Gaussian(), 2), source, algorithm=word)
    assert found.log_likelihood == score(found, source)
    assert found.reason in (StopReason.CONVERGED, StopReason.PASSES)
    np.testing.assert_allclose(np.sort(found.params.components.means.ravel()), [0, 5], atol=0.4)


def test_known_labels_are_kept_by_both():
    source = draw(ALL["FiniteMixture-1"], rows=40, missing=0.0)
    model = ALL["FiniteMixture-1"].resolve(source)
    start, block = model.init(source, np.random.default_rng(0)), source.joined()
    evidence = np.tile([[0.0, 2.0]], (40, 1))
    for seed in (None, (1, 2)):
        stats, value = GivenLabels(model, start, seed)(replace(block, labels=np.ones(40, dtype=np.int64)))
        assert stats.counts.tolist() == [0.0, 40.0]
        with_evidence = GivenLabels(model, start, seed)(replace(block, labels=evidence))
        assert with_evidence[1] == pytest.approx(value + 40 * np.log(2.0))
