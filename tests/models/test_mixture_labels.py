"""What is known of the rows' components: one of them, several, or how probable each made some further observation."""

import numpy as np
import pytest

from emkit import (
    ArraySource,
    Bernoulli,
    Block,
    Categorical,
    FiniteMixture,
    Gaussian,
    HiddenMarkov,
    Poisson,
    SequenceSource,
    Threads,
)
from emkit.core import compiled as policy
from emkit.models.hmm.params import HMMParams
from support.fits import answers, fitted

K, N = 3, 80


def some_labels(kind, rng, n=N):
    return {
        "hard": np.where(rng.random(n) < 0.4, rng.integers(K, size=n), -1),
        "sets": np.maximum(rng.random((n, K)) < 0.6, np.eye(K, dtype=bool)[rng.integers(K, size=n)]),
        "probabilities": rng.dirichlet(np.ones(K), n) * (rng.random((n, 1)) + 0.5),
    }[kind]


def as_factors(labels):
    """Any of them as numbers (n, K) that densities are multiplied by."""
    if labels.ndim == 2:
        return labels.astype(float)
    return np.where(labels[:, None] < 0, 1.0, labels[:, None] == np.arange(K)).astype(float)


FAMILIES = {
    "full": Gaussian("full"),
    "diag": Gaussian("diag"),
    "poisson": Poisson(),
    "categorical": Categorical(),
    "bernoulli": Bernoulli(),
}


def problem(name, kind, *, missing=False, weighted=True):
    rng = np.random.default_rng(7)
    family = FAMILIES[name]
    x = family.support.draw(rng, N, 2).astype(float)
    if missing:
        x[rng.random(x.shape) < 0.3] = np.nan
    source = ArraySource(x, rng.gamma(1.0, size=N) if weighted else None, labels=some_labels(kind, rng))
    model = FiniteMixture(family, K, seeding="random").resolve(source)
    return model, model.init(source, rng), source


@pytest.mark.parametrize("large", [False, True], ids=["small", "part of something large"])
@pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])
@pytest.mark.parametrize("kind", ["hard", "sets", "probabilities"])
@pytest.mark.parametrize("name", FAMILIES)
def test_bayes_rule_with_one_factor_more(name, kind, missing, large, monkeypatch):
    """p(component) is multiplied by what is known; everything else follows. ``large`` takes the compiled way where there is one."""
    monkeypatch.setattr(policy, "_always", large)
    model, params, source = problem(name, kind, missing=missing)
    (block,) = source
    joint = np.exp(model.family.log_prob(params.components, block.x)) * params.weights * as_factors(block.labels)
    density = joint.sum(axis=1)
    resp = joint / density[:, None]
    stats, value = model.e_step(params, block)
    assert value == pytest.approx(block.weights @ np.log(density), rel=1e-12)
    np.testing.assert_allclose(stats.counts, block.weights @ resp, rtol=1e-10)
    expected = model.family.stats(params.components, block.x, resp * block.weights[:, None])
    np.testing.assert_allclose(stats.components.pack(), expected.pack(), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(model.infer(params, block, "log_likelihood").log_likelihood, np.log(density), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(model.infer(params, block, "marginals").marginals, resp, atol=1e-11)
    np.testing.assert_array_equal(model.infer(params, block, "mode").mode, resp.argmax(axis=1))


@pytest.mark.parametrize("name", ["full", "poisson"])
def test_three_ways_to_say_one_thing(name):
    """The number of the component, the set with it alone, and certainty about it."""
    model, params, source = problem(name, "hard")
    factors = as_factors(source.labels)
    found = [
        model.e_step(params, next(iter(ArraySource(source.x, source.weights, labels=labels))))
        for labels in (source.labels, factors.astype(bool), factors)
    ]
    for stats, value in found[1:]:
        assert value == found[0][1]
        np.testing.assert_array_equal(stats.pack(), found[0][0].pack())


def test_nothing_known_changes_nothing():
    model, params, source = problem("full", "hard")
    plain, value = model.e_step(params, Block(source.x, source.weights))
    for labels in (np.full(N, -1), np.ones((N, K))):
        stats, same = model.e_step(params, Block(source.x, source.weights, labels=labels))
        assert same == pytest.approx(value, rel=1e-14)
        np.testing.assert_allclose(stats.pack(), plain.pack(), rtol=1e-12)


def test_a_factor_for_every_component_is_a_constant():
    model, params, source = problem("full", "probabilities")
    (block,) = source
    twice = Block(block.x, block.weights, labels=2.0 * block.labels)
    stats, value = model.e_step(params, block)
    again, more = model.e_step(params, twice)
    assert more - value == pytest.approx(np.log(2.0) * block.weights.sum())
    np.testing.assert_allclose(again.pack(), stats.pack(), rtol=1e-10)


def test_a_contradiction_is_an_impossible_row():
    """A label of a component that has no weight: probability zero, and no part in the statistics."""
    model, params, _ = problem("diag", "hard")
    params = type(params)(np.array([0.5, 0.0, 0.5]), params.components)
    block = Block(np.zeros((3, 2)), labels=np.array([1, -1, 0]))
    found = model.infer(params, block, "marginals")
    assert np.isneginf(found.log_likelihood).tolist() == [True, False, False]
    assert not found.marginals[0].any()
    stats, value = model.e_step(params, block)
    assert value == -np.inf and stats.counts.sum() == pytest.approx(2.0)
    assert np.isfinite(model.e_step(params, Block(block.x, np.array([0.0, 1.0, 1.0]), labels=block.labels))[1])


@pytest.mark.parametrize("kind", ["hard", "sets", "probabilities"])
def test_labels_stay_with_their_rows_through_samples_and_blocks(kind):
    n = 150_000
    rng = np.random.default_rng(0)
    labels = some_labels(kind, rng, n)
    x = np.column_stack([np.arange(float(n)), rng.normal(size=n)])
    source = ArraySource(x, labels=labels)
    assert len(source.parts()) > 1
    for part in (*source.parts(), source.sample(500, rng).joined(), source.take([7, 3]).joined()):
        np.testing.assert_array_equal(part.labels, labels[part.x[:, 0].astype(int)])


# --- fits -------------------------------------------------------------------------------------------------------------


def overlapping(n=400):
    """Two clusters, one inside the other: without labels nobody could say which is which."""
    rng = np.random.default_rng(3)
    truth = rng.integers(2, size=n)
    return np.where(truth == 1, 4.0, 1.0)[:, None] * rng.normal(size=(n, 2)), truth


@pytest.mark.parametrize("known", ["hard", "sets", "probabilities"])
@pytest.mark.parametrize("turned", [False, True])
def test_components_bear_the_names_of_their_labels(known, turned):
    """A tenth of the rows are labelled, and component k is what the rows labelled k come from, whichever way round that is."""
    x, truth = overlapping()
    labels = np.where(np.arange(len(x)) < 40, 1 - truth if turned else truth, -1)
    if known != "hard":
        labels = np.where(labels[:, None] < 0, 1.0, labels[:, None] == np.arange(2))
        labels = labels.astype(bool) if known == "sets" else 0.9 * labels + 0.1
    source = ArraySource(x, labels=labels)
    result = fitted(FiniteMixture(Gaussian("full"), 2), source)
    assert result.converged
    assert np.diff(result.trace).min() > -1e-9
    spread = np.linalg.det(result.params.components.covariances)
    assert (spread[0] > spread[1]) == turned
    assert spread.max() / spread.min() > 50
    mode = answers(result, source, "mode")
    if known != "probabilities":
        np.testing.assert_array_equal(mode[:40], 1 - truth[:40] if turned else truth[:40])
    fresh = answers(result, ArraySource(x[40:]), "mode")  # what is known is not needed afterwards
    assert (fresh == (1 - truth[40:] if turned else truth[40:])).mean() > 0.75


def test_all_labels_known_is_one_fit_for_each_component():
    x, truth = overlapping()
    result = fitted(FiniteMixture(Gaussian("full", None), 2), ArraySource(x, labels=truth), starts=1)
    assert result.n_iter <= 3
    np.testing.assert_allclose(result.params.weights, np.bincount(truth) / len(truth), rtol=1e-12)
    for k in range(2):
        rows = x[truth == k]
        np.testing.assert_allclose(result.params.components.means[k], rows.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(result.params.components.covariances[k], np.cov(rows.T, bias=True), rtol=1e-10, atol=1e-12)


def test_threads_and_short_runs_on_a_subsample_heed_labels():
    """Larger than the subsample, so that starts are tried on a part of the rows with their labels."""
    x, truth = overlapping(30_000)
    labels = np.where(np.arange(len(x)) % 20 == 0, 1 - truth, -1)
    source = ArraySource(x, labels=labels)
    found = [fitted(FiniteMixture(Gaussian("full"), 2), source, threads=threads) for threads in (1, 2)]
    assert found[0].trace == found[1].trace
    spread = np.linalg.det(found[0].params.components.covariances)
    assert spread[0] > spread[1]


def test_sequences_of_one_step_are_a_labelled_mixture():
    model, params, source = problem("poisson", "sets", weighted=False)
    chain = HiddenMarkov(Poisson(), K).resolve(SequenceSource(source.x, np.ones(N, dtype=int)))
    steps = SequenceSource(source.x, np.ones(N, dtype=int), labels=source.labels)
    there = HMMParams(params.weights, np.full((K, K), 1.0 / K), params.components)
    stats, value = Threads(1).map_reduce(lambda block: chain.e_step(there, block), steps)
    expected, expected_value = model.e_step(params, next(iter(source)))
    assert value == pytest.approx(expected_value, rel=1e-12)
    np.testing.assert_allclose(stats.start, expected.counts, rtol=1e-10)
    np.testing.assert_allclose(stats.emissions.pack(), expected.components.pack(), rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
def test_a_few_known_labels_name_every_start(seed):
    """One known row in each group: every start must call the groups as these rows say, whatever order its guess found them in."""
    rng = np.random.default_rng(seed)
    truth = np.repeat([2, 0, 1], 30)
    x = rng.normal(size=(90, 2)) + 9.0 * truth[:, None]
    labels = np.full(90, -1)
    labels[[0, 30, 60]] = truth[[0, 30, 60]]
    source = ArraySource(x, labels=labels)
    model = FiniteMixture(Gaussian(), 3).resolve(source)
    for attempt in range(6):
        start = model.init(source, np.random.default_rng(seed), attempt)
        assert (np.diff(start.components.means[:, 0]) > 0).all(), model.kind_of_start(attempt)
