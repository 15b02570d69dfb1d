"""Cross-validated log-likelihoods: what they are made of, and what becomes of folds that cannot be fitted."""

import numpy as np
import pytest

import emkit
from emkit.selection.cross_validation import cross_validated, parted
from support.datasets import faithful

THREADS = emkit.Threads(1)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_normal_by_hand():
    """With one component a fold's value is a normal log density at the mean and variance of the others."""
    x = rng(1).normal(3.0, 2.0, (23, 1))
    model = emkit.FiniteMixture(emkit.Gaussian("full", prior=None), 1)
    found = cross_validated(model, emkit.ArraySource(x), folds=4, executor=THREADS, rng=rng(5))
    place = parted(23, 4, rng(5))
    for f in range(4):
        kept, held = x[place != f], x[place == f]
        expected = (-0.5 * np.log(2 * np.pi * kept.var()) - 0.5 * (held - kept.mean()) ** 2 / kept.var()).sum()
        assert found.folds[0, f] == pytest.approx(expected, rel=1e-10)
    assert found.weights.tolist() == [[6.0, 6.0, 6.0, 5.0]]
    assert found.per_row == pytest.approx(found.folds.sum() / 23)


def test_two_components_predict_better_than_one_and_eight():
    source = emkit.ArraySource(faithful())

    def value(k):
        model = emkit.FiniteMixture(emkit.Gaussian("full"), k)
        return cross_validated(model, source, executor=THREADS, rng=rng(), starts=4).log_likelihood

    two = value(2)
    assert two > value(1)
    assert two > value(8)


def test_every_candidate_gets_the_same_folds():
    """The parts depend on the generator alone, not on the model, and other repetitions part anew."""
    source = emkit.ArraySource(faithful())
    models = [emkit.FiniteMixture(emkit.Gaussian("diag"), k) for k in (1, 2)]
    found = [cross_validated(m, source, repeats=2, executor=THREADS, rng=rng(3), starts=1) for m in models]
    again = cross_validated(models[1], source, repeats=2, executor=THREADS, rng=rng(3), starts=1)
    assert np.array_equal(found[1].folds, again.folds)
    assert np.array_equal(found[0].weights, found[1].weights)
    assert not np.array_equal(found[1].folds[0], found[1].folds[1])


def test_weights_count():
    """A row of weight 3 counts three times where it is held out and where it is not; one of weight 0 nowhere."""
    x, weights = rng(2).normal(size=(12, 1)), np.array([3.0, 0.0] + [1.0] * 10)
    model = emkit.FiniteMixture(emkit.Gaussian(prior=None), 1)
    found = cross_validated(model, emkit.ArraySource(x, weights), folds=3, executor=THREADS, rng=rng(5))
    place, total = parted(12, 3, rng(5)), 0.0
    for f in range(3):
        w, held, u = weights[place != f], x[place == f, 0], weights[place == f]
        mean = np.average(x[place != f, 0], weights=w)
        variance = np.average((x[place != f, 0] - mean) ** 2, weights=w)
        total += (u * (-0.5 * np.log(2 * np.pi * variance) - 0.5 * (held - mean) ** 2 / variance)).sum()
    assert found.log_likelihood == pytest.approx(total, rel=1e-10)


def test_sequences_stay_whole():
    lengths = np.arange(5, 15)
    x = rng(4).poisson(4.0, (lengths.sum(), 1)).astype(float)
    source = emkit.SequenceSource(x, lengths)
    model = emkit.HiddenMarkov(emkit.Poisson(), 2)
    found = cross_validated(model, source, folds=5, executor=THREADS, rng=rng(), starts=2)
    place = parted(10, 5, rng())
    assert found.weights[0].tolist() == [lengths[place == f].sum() for f in range(5)]
    assert np.isfinite(found.folds).all()
    with pytest.raises(emkit.DataError, match="5 folds of 1 row"):
        cross_validated(model, emkit.SequenceSource(x), executor=THREADS, rng=rng())


def test_a_fold_with_something_impossible():
    """A symbol that only one row has: without a prior its probability is zero where the row is held out."""
    x = np.array([0, 1, 0, 1, 0, 1, 1, 0, 2.0])[:, None]
    model = emkit.FiniteMixture(emkit.Categorical(3), 1)
    found = cross_validated(model, emkit.ArraySource(x), folds=3, executor=THREADS, rng=rng())
    assert np.isneginf(found.folds).sum() == 1
    assert "probability zero" in found.reasons[0]
    assert found.log_likelihood == -np.inf


def test_a_fold_that_cannot_be_fitted():
    """More components than a fold has rows: every fold says why."""
    model = emkit.FiniteMixture(emkit.Gaussian(), 8)
    found = cross_validated(model, emkit.ArraySource(rng().normal(size=(9, 1))), folds=3, executor=THREADS, rng=rng())
    assert np.isneginf(found.folds).all()
    assert len(found.reasons) == 3
    assert "more than the 6 row(s)" in found.reasons[0]


@pytest.mark.parametrize("folds", [1, 0, 2.5, True])
def test_bad_numbers_of_folds(folds):
    with pytest.raises(emkit.ParameterError, match="folds"):
        cross_validated(
            emkit.FiniteMixture(emkit.Gaussian(), 1), emkit.ArraySource(faithful()), folds=folds, executor=THREADS, rng=rng()
        )
