"""Forward-backward against the enumeration of every path, in every implementation there is."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from emkit import Bernoulli, Categorical, Gaussian, HiddenMarkov, Poisson, SequenceSource
from emkit.core.block import Block
from emkit.models.hmm import compiled as recursions_compiled
from emkit.models.hmm.params import HMMParams
from support.paths import enumerated, random_chain
from support.recursions import IMPLEMENTATIONS, PADDED, log_space, states_sparse

LENGTHS = np.array([6, 1, 3, 8, 1, 5, 2, 4, 7, 1, 3, 2, 6, 1, 2, 3, 4, 2, 1])
"""More sequences than there are SIMD lanes, so that a group is left half empty."""


def log_emissions(rng, n, k):
    """Random log probabilities of very different sizes; some steps say nothing (missing), some rule states out (labels)."""
    log_b = rng.normal(size=(n, k)) * rng.choice([0.1, 1.0, 10.0], size=(n, 1)) + rng.choice([0.0, -40.0, 30.0], size=(n, 1))
    log_b[rng.random(n) < 0.15] = 0.0
    for t in np.flatnonzero(rng.random(n) < 0.15):
        log_b[t, rng.integers(k)] = -np.inf if k > 1 else 0.0
    return log_b


@cache
def problem(k, end, zeros):
    """A chain, lengths, weights, log emissions, and the enumeration of each sequence; without the impossible ones."""
    rng = np.random.default_rng([k, end, zeros])
    params = random_chain(k, rng, end=end, zeros=zeros)
    lengths = LENGTHS if k < 4 else np.minimum(LENGTHS, 6)
    log_b = log_emissions(rng, lengths.sum(), k)
    weights = rng.gamma(1.0, size=len(lengths))
    weights[:2] = (0.0, 2.0)
    parts = np.split(log_b, np.cumsum(lengths)[:-1])
    found = [enumerated(params, part) for part in parts]
    possible = np.array([likelihood > 0 for likelihood, *_ in found])
    assert possible.sum() >= 10
    keep = np.flatnonzero(possible)
    lengths, weights, found = lengths[keep], weights[keep], [found[i] for i in keep]
    return params, lengths, weights, np.concatenate([parts[i] for i in keep]), found


@pytest.mark.parametrize("zeros", [False, True], ids=["dense", "zeros"])
@pytest.mark.parametrize("end", [False, True], ids=["goes on", "ends"])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_path(implementation, k, end, zeros):
    """Likelihoods, single and pair posteriors of sequences of lengths 1 to 8, with weights; 0 is absence."""
    params, lengths, weights, log_b, found = problem(k, end, zeros)
    gamma = log_b.copy()
    counts, redo = IMPLEMENTATIONS[implementation](gamma, lengths, weights, params)
    assert not redo.any()
    np.testing.assert_allclose(counts.log_likelihoods, [np.log(f[0]) for f in found], rtol=1e-11, atol=1e-11)
    expected = np.concatenate([w * f[1] for w, f in zip(weights, found, strict=True)])
    np.testing.assert_allclose(gamma, expected, atol=1e-11)
    np.testing.assert_allclose(counts.transitions, sum(w * f[2] for w, f in zip(weights, found, strict=True)), atol=1e-10)
    np.testing.assert_allclose(counts.end, sum(w * f[3] for w, f in zip(weights, found, strict=True)), atol=1e-11)
    np.testing.assert_allclose(counts.start, sum(w * f[1][0] for w, f in zip(weights, found, strict=True)), atol=1e-11)
    assert not counts.transitions[params.transmat == 0].any()


@pytest.fixture(scope="module")
def eight_steps():
    """The largest problem that is enumerated: four states, 65,536 paths."""
    rng = np.random.default_rng(8)
    params, log_b = random_chain(4, rng, end=True), log_emissions(rng, 8, 4)
    return params, log_b, enumerated(params, log_b)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_four_states_eight_steps(implementation, eight_steps):
    params, log_b, (likelihood, single, pairs, _) = eight_steps
    gamma = log_b.copy()
    counts, _ = IMPLEMENTATIONS[implementation](gamma, np.array([8]), np.ones(1), params)
    assert counts.log_likelihoods[0] == pytest.approx(np.log(likelihood), rel=1e-12)
    np.testing.assert_allclose(gamma, single, atol=1e-12)
    np.testing.assert_allclose(counts.transitions, pairs, atol=1e-12)


def hmm_and_rows(emission, rng, n):
    """A family, and rows (n, 2) with missing cells and wholly missing steps."""
    family, x = {
        "gaussian": (Gaussian("full"), rng.normal(size=(n, 2)) * 2.0),
        "poisson": (Poisson(), rng.poisson(3.0, size=(n, 2)).astype(float)),
        "categorical": (Categorical((3, 2)), np.column_stack([rng.integers(3, size=n), rng.integers(2, size=n)]).astype(float)),
        "bernoulli": (Bernoulli(), rng.integers(2, size=(n, 2)).astype(float)),
    }[emission]
    x[rng.random(x.shape) < 0.2] = np.nan
    x[rng.random(n) < 0.15] = np.nan
    return family, x


@pytest.mark.parametrize("labels", [None, "hard", "allowed", "probabilities"])
@pytest.mark.parametrize("emission", ["gaussian", "poisson", "categorical", "bernoulli"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "part of something large"])
def test_a_whole_e_step(emission, labels, large, monkeypatch):
    """``HiddenMarkov.e_step`` with missing cells and labels; ``large`` takes the compiled way."""
    from emkit.core import compiled as policy

    monkeypatch.setattr(policy, "_always", bool(large))
    rng = np.random.default_rng(3)
    k, lengths = 3, np.array([5, 1, 6, 2, 4])
    n = int(lengths.sum())
    family, x = hmm_and_rows(emission, rng, n)
    known = {
        None: None,
        "hard": np.where(rng.random(n) < 0.3, rng.integers(k, size=n), -1),
        "allowed": np.maximum(rng.random((n, k)) < 0.6, np.eye(k, dtype=bool)[rng.integers(k, size=n)]).astype(float),
        "probabilities": rng.dirichlet(np.ones(k), size=n),
    }[labels]
    weights = rng.gamma(2.0, size=len(lengths))
    source = SequenceSource(x, lengths, weights, labels=known)
    model = HiddenMarkov(family, k, end=True).resolve(source)
    params = replace(random_chain(k, rng, end=True), emissions=model.init(source, rng).emissions)
    log_b = family_density(model, params, x)
    if labels == "hard":
        for t in np.flatnonzero(known >= 0):
            log_b[t, np.arange(k) != known[t]] = -np.inf
    elif labels is not None:
        with np.errstate(divide="ignore"):
            log_b += np.log(known)
    found = [enumerated(params, part) for part in np.split(log_b, np.cumsum(lengths)[:-1])]
    (block,) = source
    stats, log_likelihood = model.e_step(params, block)
    assert log_likelihood == pytest.approx(sum(w * np.log(f[0]) for w, f in zip(weights, found, strict=True)), rel=1e-11)
    np.testing.assert_allclose(stats.transitions, sum(w * f[2] for w, f in zip(weights, found, strict=True)), atol=1e-10)
    gamma = np.concatenate([w * f[1] for w, f in zip(weights, found, strict=True)])
    expected = model.family.stats(params.emissions, x, gamma)
    np.testing.assert_allclose(stats.emissions.pack(), expected.pack(), rtol=1e-9, atol=1e-9)


def family_density(model, params, x):
    """Log density of each row under each state, one row at a time, missing cells left out by hand where that is simple."""
    return np.concatenate([np.asarray(model.family.log_prob(params.emissions, x[t : t + 1])) for t in range(len(x))])


def test_a_missing_step_is_summed_over():
    """A step with nothing observed: the likelihood is the sum over what could have been observed there."""
    probs = np.array([[[0.7, 0.2, 0.1]], [[0.1, 0.3, 0.6]]])
    x = np.array([0.0, 2.0, np.nan, 1.0, np.nan])[:, None]
    start, matrix = np.array([0.6, 0.4]), np.array([[0.8, 0.2], [0.3, 0.7]])
    filled = [np.array([0.0, 2.0, a, 1.0, b])[:, None] for a in range(3) for b in range(3)]
    values = []
    for rows in (x, *filled):
        source = SequenceSource(rows)
        model = HiddenMarkov(Categorical(3), 2).resolve(source)
        emissions = model.init(source, np.random.default_rng(0)).emissions.replace_arrays({"probs": probs})
        values.append(model.e_step(HMMParams(start, matrix, emissions), next(iter(source)))[1])
    assert np.exp(values[0]) == pytest.approx(np.exp(values[1:]).sum(), rel=1e-13)


@pytest.mark.parametrize("implementation", ["numpy_twin", "states", "both_ends"])
@pytest.mark.parametrize("k", [20, 70])
def test_left_right_chains_by_tiles_and_whole(implementation, k):
    """With two transitions from each state, walking the tiles that hold them gives what walking the whole matrix gives."""
    rng = np.random.default_rng(20)
    lengths = np.array([30, 45, 25, 33])
    stay = rng.uniform(0.3, 0.9, size=k)
    stay[-1] = 1.0
    matrix = np.diag(stay) + np.diag(1.0 - stay[:-1], 1)
    _, tiles = recursions_compiled.tile_pattern(PADDED(matrix))
    across = -(-k // 8)
    assert len(tiles) == 2 * across - 1
    params = HMMParams(np.eye(k)[0], matrix, None)
    log_b = rng.normal(size=(lengths.sum(), k))
    weights = np.ones(len(lengths))
    plain, sparse = log_b.copy(), log_b.copy()
    with pytest.MonkeyPatch.context() as patch:
        pattern = recursions_compiled.tile_pattern
        patch.setattr(recursions_compiled, "tile_pattern", lambda matrix: pattern(np.ones_like(matrix)))
        expected, _ = IMPLEMENTATIONS[implementation](plain, lengths, weights, params)
    found, _ = states_sparse(sparse, lengths, weights, params)
    np.testing.assert_allclose(found.log_likelihoods, expected.log_likelihoods, rtol=1e-12)
    np.testing.assert_allclose(found.transitions, expected.transitions, atol=1e-10)
    np.testing.assert_allclose(sparse, plain, atol=1e-11)
    assert not found.transitions[matrix == 0].any()


@pytest.mark.parametrize("implementation", ["lanes", "states", "both_ends"])
@pytest.mark.parametrize("k", [1, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 65])
def test_any_number_of_states(implementation, k):
    """Whole and broken registers, tiles and panels, with zeros, labels and outliers, against log space."""
    rng = np.random.default_rng(k)
    lengths = np.array([31, 1, 32, 33, 2, 65, 100, 7, 8, 9, 15, 16, 17, 24, 1, 3, 50])
    chain = random_chain(k, rng, end=True, zeros=True)
    # A way from every state to every other, and to the end: a random label contradicts nothing.
    end = 0.9 * chain.endprob + 0.1 / k
    matrix = 0.99 * chain.transmat * ((1.0 - end) / (1.0 - chain.endprob))[:, None] + 0.01 * (1.0 - end[:, None]) / k
    params = HMMParams(0.9 * chain.startprob + 0.1 / k, matrix, None, end)
    log_b = log_emissions(rng, lengths.sum(), k)
    weights = rng.gamma(1.0, size=len(lengths))
    found, expected = log_b.copy(), log_b.copy()
    counts, redo = IMPLEMENTATIONS[implementation](found, lengths, weights, params)
    exact, _ = log_space(expected, lengths, weights, params)
    assert not redo.any()
    np.testing.assert_allclose(counts.log_likelihoods, exact.log_likelihoods, rtol=1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    np.testing.assert_allclose(counts.transitions, exact.transitions, atol=1e-10)
    np.testing.assert_allclose(counts.start, exact.start, atol=1e-11)
    np.testing.assert_allclose(counts.end, exact.end, atol=1e-11)


@pytest.mark.parametrize("implementation", ["lanes", "states", "both_ends"])
def test_a_step_that_all_but_rules_out_where_the_chain_is(implementation):
    """A normaliser of e^-200: the step is divided at once, and neither the likelihood nor what follows loses anything."""
    rng = np.random.default_rng(2)
    k, lengths = 3, np.array([90])
    start, matrix = np.array([1.0, 0.0, 0.0]), np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.2, 0.2, 0.6]])
    log_b = rng.normal(size=(90, k))
    log_b[20:80:7, 2] = 200.0  # a state that cannot be reached explains the step
    log_b[23:80:9] -= 1e5
    found, expected = log_b.copy(), log_b.copy()
    params = HMMParams(start, matrix, None)
    counts, redo = IMPLEMENTATIONS[implementation](found, lengths, np.ones(1), params)
    exact, _ = log_space(expected, lengths, np.ones(1), params)
    assert not redo.any()
    np.testing.assert_allclose(counts.log_likelihoods, exact.log_likelihoods, rtol=1e-13)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    np.testing.assert_allclose(counts.transitions, exact.transitions, atol=1e-10)


def test_a_block_is_its_sequences():
    """Sequences of very unequal length, of which some go side by side and some alone, add up to the sum of each on its own."""
    rng = np.random.default_rng(5)
    lengths = np.concatenate([rng.integers(1, 9, size=70), [900, 350, 400]])
    x = rng.normal(size=(lengths.sum(), 1))
    source = SequenceSource(x, lengths)
    model = HiddenMarkov(Gaussian(), 3).resolve(source)
    params = model.init(source, rng)
    (block,) = source
    stats, total = model.e_step(params, block)
    ends = np.cumsum(lengths)
    each = [model.e_step(params, Block(x[e - n : e], lengths=np.array([n]))) for n, e in zip(lengths, ends, strict=True)]
    assert total == pytest.approx(sum(value for _, value in each), rel=1e-12)
    np.testing.assert_allclose(stats.pack(), sum(s.pack() for s, _ in each), rtol=1e-9)
