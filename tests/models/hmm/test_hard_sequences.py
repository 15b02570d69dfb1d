"""Outliers, impossible steps, states nobody visits, symbols nobody sees, very long sequences."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from emkit import ArraySource, Categorical, Dirichlet, FiniteMixture, Gaussian, HiddenMarkov, Poisson, SequenceSource, Threads
from emkit.core import compiled as policy
from emkit.core.errors import ImpossibleSequenceError
from emkit.models.hmm import compiled
from emkit.models.hmm.params import HMMParams
from support.fits import answers, fitted, score, sequences
from support.recursions import log_space


@pytest.mark.parametrize("place", [0, 60, 119])
def test_far_outlier(place):
    """A million standard deviations out: e^-5e11 underflows, its logarithm does not."""
    x = np.repeat([0.0, 5.0, 0.0], 40)[:, None] + np.random.default_rng(0).normal(size=(120, 1))
    model = HiddenMarkov(Gaussian(), 2)
    result = fitted(model, SequenceSource(x))
    x = x.copy()
    x[place] = 1e6
    source = SequenceSource(x)
    (block,) = source
    log_b = result.model.log_emissions(result.params, block)
    counts, _ = log_space(gamma := log_b.copy(), np.array([120]), np.ones(1), result.params)
    assert counts.log_likelihoods[0] < -1e11
    assert score(result, source) == pytest.approx(counts.log_likelihoods[0], rel=1e-14)
    np.testing.assert_allclose(answers(result, source, "marginals"), gamma, atol=1e-9)
    assert np.isfinite(score(fitted(model, source), source))


@dataclass(frozen=True)
class Given(Poisson):
    """Emissions whose log probabilities are the data themselves."""

    def log_prob(self, params, x):
        return np.array(x)


def chain_of_steps(log_b, lengths, start, matrix, weights):
    (block,) = SequenceSource(np.zeros((len(log_b), 1)), lengths, weights)
    return HiddenMarkov(Given(), len(start)), HMMParams(start, matrix, None), replace(block, x=log_b)


@pytest.fixture(params=["small", "large", "from both ends"])
def way(request, monkeypatch):
    """NumPy, or compiled; or compiled as long sequences are, which are worked from both ends."""
    if request.param == "from both ends":
        monkeypatch.setattr(compiled, "_LONG", 2)
        monkeypatch.setattr(compiled, "_LANES_UP_TO", 0)
    monkeypatch.setattr(policy, "_always", request.param != "small")


LOST = {
    "a thousand nats": [-1000.0] + [0.0] * 5,
    "one step, then slowly back": [0.0] + [-10.0] * 100,
    "slowly there, slowly back": [0.0] * 100 + [-10.0] * 110,
}


@pytest.mark.parametrize("count", [1, 3, 20])
@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("matrix", [np.eye(2), np.array([[0.7, 0.3], [0.0, 1.0]]), np.array([[0.7, 0.3], [0.2, 0.8]])])
def test_a_path_that_falls_behind_and_matters_after_all(matrix, lost, count, way):
    """Chains that never meet: one is far ahead at first, and far behind in the end. Log space says what is right."""
    rng = np.random.default_rng(1)
    first = np.array(LOST[lost])
    behind = np.where(first == 0.0, -301.0 if len(first) == 101 else -10.0, 0.0)
    n = len(first)
    log_b = rng.normal(size=(count * n, 2))
    log_b[:n] = np.column_stack([first, behind])
    lengths, weights = np.full(count, n), rng.gamma(2.0, size=count)
    start = np.array([0.5, 0.5])
    expected, _ = log_space(wanted := log_b.copy(), lengths, weights, HMMParams(start, matrix, None))
    model, params, block = chain_of_steps(log_b, lengths, start, matrix, weights)
    gamma = model.log_emissions(params, block)
    counts = model.recursions(params, block, gamma)
    np.testing.assert_allclose(counts.log_likelihoods, expected.log_likelihoods, rtol=1e-11)
    np.testing.assert_allclose(gamma, wanted, atol=1e-9)
    np.testing.assert_allclose(counts.transitions, expected.transitions, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(counts.start, expected.start, atol=1e-9)


def test_an_impossible_sequence_is_named_and_costs_nothing_without_weight(way):
    """Alpha is zero from the impossible step on; nothing of it may reach the counts of other sequences."""
    rng = np.random.default_rng(2)
    lengths, weights = np.full(20, 8), np.ones(20)
    weights[3] = 0.0
    start, matrix = np.array([0.5, 0.5]), np.array([[0.9, 0.1], [0.2, 0.8]])
    log_b = rng.normal(size=(160, 2))
    log_b[25] = -np.inf
    rest = np.delete(log_b, np.arange(24, 32), axis=0)
    expected, _ = log_space(rest, lengths[1:], np.ones(19), HMMParams(start, matrix, None))
    model, params, block = chain_of_steps(log_b, lengths, start, matrix, weights)
    with pytest.raises(ImpossibleSequenceError, match="sequence 3 has probability zero"):
        model.e_step(params, replace(block, weights=np.ones(20)))
    gamma = model.log_emissions(params, block)
    counts = model.recursions(params, block, gamma)
    assert np.isneginf(counts.log_likelihoods[3])
    np.testing.assert_allclose(counts.transitions, expected.transitions, rtol=1e-11)
    np.testing.assert_allclose(counts.start, expected.start, rtol=1e-11)
    np.testing.assert_allclose(np.delete(gamma, np.arange(24, 32), axis=0), rest, atol=1e-12)


def test_impossible_sequences_have_a_number():
    result = fitted(HiddenMarkov(Categorical(), 2), sequences([0, 1, 0, 1, 1, 0]))
    source = sequences([0, 1, 0, 2, 1, 1], [2, 2, 2])
    np.testing.assert_array_equal(np.isneginf(answers(result, source, "log_likelihood")), [False, True, False])
    assert score(result, source) == -np.inf
    with pytest.raises(ImpossibleSequenceError, match="sequence 1 has probability zero") as caught:
        answers(result, source, "marginals")
    assert caught.value.sequence == 1
    path = answers(result, source, "mode")
    assert (path[2:4] == -1).all() and (np.delete(path, [2, 3]) >= 0).all()


def test_a_state_never_visited_keeps_its_parameters():
    """Nothing is counted for it: rows and emissions stay as they were, nothing becomes NaN."""
    x = np.random.default_rng(4).normal(size=(50, 1))
    family = Gaussian("diag", None, start_values={"means": [[-1.0], [1.0], [7.0]], "covariances": np.ones((3, 1))})
    chain = {"startprob": [0.5, 0.5, 0.0], "transmat": [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.3, 0.3, 0.4]]}
    result = fitted(HiddenMarkov(family, 3, start_values=chain), SequenceSource(x), starts=1, tol=0, max_iter=5)
    np.testing.assert_allclose(result.params.transmat[2], [0.3, 0.3, 0.4])
    assert result.params.emissions.means[2, 0] == 7.0
    assert not answers(result, SequenceSource(x), "marginals")[:, 2].any()
    assert np.isfinite(score(result, SequenceSource(x)))


def test_a_symbol_never_seen():
    """It has probability zero by maximum likelihood, and a share of the prior's with one."""
    source = sequences([0, 0, 2, 2, 0, 2, 2, 0])
    plain = fitted(HiddenMarkov(Categorical(4), 2), source)
    probs = plain.model.shown(plain.params)["probs"]
    assert probs.shape == (2, 4)
    assert not probs[:, [1, 3]].any()
    smooth = fitted(HiddenMarkov(Categorical(4, Dirichlet(2.0)), 2), source)
    assert (smooth.model.shown(smooth.params)["probs"] > 0.02).all()
    assert np.isfinite(score(smooth, sequences([1, 3])))


@pytest.mark.parametrize("k", [2, 4])
def test_a_million_steps(k):
    """One sequence of 10^6 steps: its log-likelihood is the sum of the predictive probabilities, and EM improves it."""
    rng = np.random.default_rng(5)
    n = 10**6
    x = (np.repeat(rng.integers(k, size=n // 50), 50) * 3.0 + rng.normal(size=n))[:, None]
    family = Gaussian("diag", start_values={"means": 3.0 * np.arange(k)[:, None] + 0.3, "covariances": np.full((k, 1), 1.5)})
    chain = {"startprob": np.full(k, 1.0 / k), "transmat": np.full((k, k), 0.02 / k) + 0.98 * np.eye(k)}
    source = SequenceSource(x)
    result = fitted(HiddenMarkov(family, k, start_values=chain), source, starts=1, max_iter=2, tol=0)
    assert (np.diff(result.trace) > 0).all()
    np.testing.assert_allclose(result.params.emissions.means.ravel(), 3.0 * np.arange(k), atol=0.2)
    # The chain forgets: cut in half, the log-likelihood changes by a few nats of a million and a half.
    halves = answers(result, sequences(x, [n // 2, n // 2]), "log_likelihood")
    assert score(result, source) == pytest.approx(halves.sum(), abs=30.0)
    assert score(result, source) == result.log_likelihood


def test_same_bits_with_any_number_of_threads():
    """A source of several blocks."""
    rng = np.random.default_rng(6)
    lengths = rng.integers(1, 400, size=900)
    x = rng.normal(size=(lengths.sum(), 2)) + np.repeat(rng.integers(2, size=900) * 2.0, lengths)[:, None]
    source = SequenceSource(x, lengths)
    assert len(list(source)) > 1
    model = HiddenMarkov(Gaussian(), 3)
    one, three = (fitted(model, source, seed=1, threads=threads, starts=2, max_iter=6, tol=1e-9) for threads in (1, 3))
    assert one.trace == three.trace
    for name, value in one.params.flatten().items():
        np.testing.assert_array_equal(value, three.params.flatten()[name])
    np.testing.assert_array_equal(answers(one, source, "marginals"), answers(three, source, "marginals", threads=3))
    np.testing.assert_array_equal(answers(one, source, "mode"), answers(three, source, "mode", threads=3))
    assert score(one, source) == score(three, source, threads=3) == one.log_likelihood


def test_compiled_and_plain_agree_on_a_fit(monkeypatch):
    """The same start, ten iterations one way and the other."""
    rng = np.random.default_rng(7)
    lengths = rng.integers(1, 30, size=40)
    source = SequenceSource(rng.poisson(4.0, size=(lengths.sum(), 1)).astype(float), lengths)
    model = HiddenMarkov(Poisson(), 3, end=True).resolve(source)
    runs = []
    for limit in (0.0, np.inf):
        monkeypatch.setattr(policy, "_always", limit == 0)
        params = model.init(source, np.random.default_rng(0))
        for _ in range(10):
            stats, value = Threads(1).map_reduce(lambda block, p=params: model.e_step(p, block), source)
            params = model.m_step(stats, params)
        runs.append((params, value))
    assert runs[0][1] == pytest.approx(runs[1][1], rel=1e-11)
    for name, value in runs[0][0].flatten().items():
        np.testing.assert_allclose(value, runs[1][0].flatten()[name], rtol=1e-7, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("family", [Gaussian("diag"), Poisson()])
def test_sequences_of_one_step_are_a_mixture(family):
    """With no transitions, a hidden Markov model is a mixture: weights are the start probabilities."""
    x = np.random.default_rng(8).poisson(4.0, size=(60, 1)).astype(float)
    source = SequenceSource(x, np.ones(60, dtype=int))
    model = HiddenMarkov(family, 2).resolve(source)
    params = model.init(source, np.random.default_rng(0))
    params = HMMParams(np.array([0.3, 0.7]), params.transmat, params.emissions)
    mixture = FiniteMixture(family, 2).resolve(ArraySource(x))
    like = mixture.init(ArraySource(x), np.random.default_rng(0))
    stats, value = model.e_step(params, next(iter(source)))
    there = replace(like, weights=params.startprob, components=params.emissions)
    expected, expected_value = mixture.e_step(there, next(iter(ArraySource(x))))
    assert value == pytest.approx(expected_value, rel=1e-12)
    new, new_mixture = model.m_step(stats, params), mixture.m_step(expected, there)
    np.testing.assert_allclose(new.startprob, new_mixture.weights, rtol=1e-11)
    np.testing.assert_array_equal(new.transmat, params.transmat)
    for name, array in new.emissions.flatten().items():
        np.testing.assert_allclose(array, new_mixture.components.flatten()[name], rtol=1e-9)
