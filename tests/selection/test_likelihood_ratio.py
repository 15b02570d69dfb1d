"""The bootstrap likelihood-ratio test: what its p values are, and what becomes of what goes wrong."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

import emkit
from emkit.inference.redraw import Form
from emkit.selection.likelihood_ratio import Hypothesis, likelihood_ratio_test

THREADS = emkit.Threads(1)


def rng(seed=0):
    return np.random.default_rng(seed)


def mixtures(*sizes, **how):
    return [Hypothesis(emkit.FiniteMixture(emkit.Gaussian(), k), {"starts": 2, "tol": 1e-2, "max_iter": 30, **how}) for k in sizes]


def outcome(hypotheses, source, seed=0, **more):
    return likelihood_ratio_test(*hypotheses, source, executor=THREADS, rng=rng(seed), **{"n_jobs": 1, **more})


def test_p_values_are_uniform_under_the_null():
    """One component against two, where there is one; ``python -m benchmarks lrt`` has the full experiment."""
    found = [
        outcome(
            mixtures(1, 2, starts=1, max_iter=10),
            emkit.ArraySource(rng(s).normal(size=(40, 1))),
            s,
            n_replicates=19,
            stop_after=None,
        )
        for s in range(20)
    ]
    assert kstest([one.p_value for one in found], "uniform").pvalue > 0.01


def test_two_groups_are_found():
    x = np.concatenate([rng(1).normal(0, 1, 50), rng(2).normal(5, 1, 50)])[:, None]
    found = outcome(mixtures(1, 2), emkit.ArraySource(x), n_replicates=39)
    assert found.p_value == 1 / 40
    assert found.statistic > found.replicates.max()
    expected = 2 * (found.alternative.log_likelihood - found.null.log_likelihood)
    assert found.statistic == pytest.approx(expected, rel=1e-14)
    assert found.interval[0] == 0.0
    assert 0.025 < found.interval[1] < 0.1


def test_stops_early_where_the_p_value_is_clear():
    """At the h-th replicate that is as large the p value is h / l, and what came before is the same without stopping."""
    source = emkit.ArraySource(rng(4).normal(size=(60, 1)))
    short = outcome(mixtures(1, 2), source, stop_after=3, n_replicates=25)
    whole = outcome(mixtures(1, 2), source, stop_after=None, n_replicates=25)
    assert short.stopped_early
    assert short.n_as_large == 3
    assert short.p_value == 3 / short.n_replicates
    assert np.array_equal(short.replicates, whole.replicates[: short.n_replicates])
    assert whole.p_value == (1 + whole.n_as_large) / 26
    assert "stopped early" in str(short)


def test_processes_change_nothing():
    source = emkit.ArraySource(rng(4).normal(size=(30, 1)))
    alone = outcome(mixtures(1, 2), source, n_replicates=19, stop_after=None)
    shared = outcome(mixtures(1, 2), source, n_replicates=19, stop_after=None, n_jobs=2)
    assert np.allclose(alone.replicates, shared.replicates, rtol=0, atol=1e-8)


def test_never_below_zero():
    """The alternative contains the null, even where its own starts are stopped long before they reach it."""
    x = np.concatenate([rng(1).normal(0, 1, 40), rng(2).normal(6, 1, 40)])[:, None]
    null, alternative = mixtures(2, 3)
    hurried = replace(alternative, how={"starts": 1, "max_iter": 0})
    found = outcome([null, hurried], emkit.ArraySource(x), n_replicates=19)
    assert found.statistic >= 0.0
    assert (found.replicates >= 0.0).all()


def test_drawn_data_have_the_form_of_the_data():
    """Holes stay in their places; whole weights are rows of their own; sequences keep their lengths."""
    x = rng().normal(size=(6, 2))
    x[2, 0] = np.nan
    model = emkit.FiniteMixture(emkit.Gaussian("diag"), 1)
    result = emkit.fit(model, emkit.ArraySource(x), executor=THREADS)
    form = Form.of(emkit.ArraySource(x, np.array([1.0, 0.0, 2.0, 1.0, 1.0, 3.0])))
    drawn = form.draw(result.model, result.params, rng())
    assert drawn.joined().weights is None
    assert np.argwhere(np.isnan(drawn.x)).tolist() == [[1, 0], [2, 0]]
    assert drawn.n_rows == 8
    weights = np.array([0.5, 1.0, 2.0, 1.0, 1.0, 3.0])
    assert Form.of(emkit.ArraySource(x, weights)).draw(result.model, result.params, rng()).joined().weights is weights

    y, lengths = rng().poisson(3.0, (9, 1)).astype(float), [2, 4, 3]
    source = emkit.SequenceSource(y, lengths)
    chain = emkit.fit(emkit.HiddenMarkov(emkit.Poisson(), 2), source, executor=THREADS, starts=1)
    assert Form.of(source).draw(chain.model, chain.params, rng()).lengths.tolist() == lengths


def test_hidden_markov_models_and_latent_classes():
    states = np.repeat([0, 1, 0, 1], 15)
    y = rng(3).poisson(np.where(states, 12.0, 2.0))[:, None]
    settings = {"n_init": 2, "tol": 1e-2, "max_iter": 50}
    hmms = [emkit.PoissonHMM(k, n_iter=50, tol=1e-2, n_init=2) for k in (1, 2)]
    chains = emkit.likelihood_ratio_test(*hmms, y, lengths=[30, 30], n_replicates=19, random_state=0, n_jobs=1)
    assert chains.p_value == 0.05

    answers = np.where(rng(5).uniform(size=(80, 4)) < np.repeat([[0.1], [0.9]], 40, axis=0), "yes", "no")
    classes = [emkit.LatentClass(k, **settings) for k in (1, 2)]
    found = emkit.likelihood_ratio_test(*classes, answers, n_replicates=19, random_state=0, n_jobs=1)
    assert found.p_value == 0.05
    assert not hasattr(classes[0], "result_")


def test_replicates_that_cannot_be_fitted_count_as_large():
    """A sample of few rare events may be all zeros, which no second component has a row of."""
    x = np.array([0.0] * 5 + [1.0])[:, None]
    null, alternative = (Hypothesis(emkit.FiniteMixture(emkit.Gaussian("tied", prior=None), k), {"starts": 1}) for k in (1, 2))
    found = outcome([null, alternative], emkit.ArraySource(x), n_replicates=19, stop_after=None)
    assert np.isinf(found.replicates).sum() == len(found.failures)
    assert found.p_value >= (1 + len(found.failures)) / 20


def test_interrupted_keeps_what_there_is():
    def halfway(text):
        if text.startswith("replicate 7 "):
            raise KeyboardInterrupt

    source = emkit.ArraySource(rng(4).normal(size=(40, 1)))
    found = outcome(mixtures(1, 2), source, n_replicates=50, stop_after=None, say=halfway)
    assert found.interrupted
    assert found.n_replicates == 7
    assert "interrupted, 50 were asked for" in str(found)


def test_what_is_refused():
    source = emkit.ArraySource(rng().normal(size=(30, 1)))
    with pytest.raises(emkit.ParameterError, match="the null must be the simpler one"):
        outcome(mixtures(2, 2), source)
    with pytest.raises(emkit.ParameterError, match="fewer than 19"):
        outcome(mixtures(1, 2), source, n_replicates=10)
    with pytest.raises(emkit.ParameterError, match="stop_after"):
        outcome(mixtures(1, 2), source, stop_after=0)
    with pytest.raises(emkit.ParameterError, match="labels are known"):
        outcome(mixtures(1, 2), emkit.ArraySource(source.x, labels=np.zeros(30, dtype=int), checked=True))
    with pytest.raises(emkit.ParameterError, match="give an estimator"):
        emkit.likelihood_ratio_test("one", emkit.GaussianMixture(2), source.x)
    with pytest.raises(emkit.ParameterError, match="rows as independent and the other sequences"):
        emkit.likelihood_ratio_test(emkit.GaussianMixture(1), emkit.HMM(2), source.x)
    with pytest.raises(emkit.ParameterError, match="give n_components a number"):
        emkit.likelihood_ratio_test(emkit.GaussianMixture("auto"), emkit.GaussianMixture(3), source.x)
    variational = [emkit.VariationalGaussianHMM(k) for k in (1, 2)]
    with pytest.raises(emkit.ParameterError, match="lower bounds"):
        emkit.likelihood_ratio_test(*variational, source.x)


def test_a_model_that_cannot_draw():
    class Mute(emkit.FiniteMixture):
        def simulate(self, params, n, rng):
            return None

    hypotheses = [Hypothesis(Mute(emkit.Gaussian(), k), {"starts": 1}) for k in (1, 2)]
    with pytest.raises(emkit.ParameterError, match="does not say how data are drawn"):
        outcome(hypotheses, emkit.ArraySource(rng().normal(size=(20, 1))))
