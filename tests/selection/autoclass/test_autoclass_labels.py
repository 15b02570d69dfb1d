"""Rows moved between classes: the kernels' value of labels is the score's, and annealing raises it."""

import numpy as np
import pytest

from emkit.selection.autoclass import labels as by_labels
from emkit.selection.autoclass.prepare import prepare
from emkit.selection.autoclass.score import class_marginal, estimates, term_marginals
from support.autoclass_tables import example, hard, mixed_table, reference


def plain_value(prepared, labels):
    """The score without the overlap of classes: in place of the log-likelihood, that of each row in its own class.

    Correlated blocks at the error's floor aside, and classes of three rows and more.
    """
    stats = hard(labels).T @ prepared.features
    found = estimates(prepared, stats)
    own = (prepared.features * found.coefficients[labels]).sum()
    return class_marginal(stats[:, 0]) + term_marginals(prepared, stats).sum() + own - found.term_log_likelihoods.sum()


@pytest.mark.parametrize("stem", ["imports-85c", "autoclass_synthetic"])
def test_the_value_is_the_scores(stem):
    prepared = example(stem)
    rows = by_labels.rows_of(prepared)
    for case in reference()[stem]:
        labels = np.array(case["labels"])
        assert by_labels.value_of(rows, labels) == pytest.approx(plain_value(prepared, labels), abs=1e-6)


def test_the_value_of_random_labels_with_missing_cells():
    x, model, _ = mixed_table()
    prepared = prepare(x, model)
    rows = by_labels.rows_of(prepared)
    rng = np.random.default_rng(0)
    for n_classes in (1, 2, 7, 30):
        labels = rng.permutation(np.arange(len(x)) % n_classes)
        assert by_labels.value_of(rows, labels) == pytest.approx(plain_value(prepared, labels), abs=1e-6)


@pytest.mark.parametrize("heat", [0.0, 3.0])
def test_what_annealing_says_it_found_it_found(heat):
    """Sums are kept up to date over thousands of moves, splits and merges: the value agrees with sums gathered afresh."""
    x, model, _ = mixed_table()
    rows = by_labels.rows_of(prepare(x, model))
    rng = np.random.default_rng(1)
    start = rng.permutation(np.arange(len(x)) % 12)
    found = by_labels.anneal(rows, start, np.full(30, heat), 20, rng)
    assert found.value >= by_labels.value_of(rows, start)
    assert by_labels.value_of(rows, found.best) == pytest.approx(found.value, abs=1e-6)
    for labels in (found.best, found.last):
        assert set(labels) == set(range(labels.max() + 1))


def test_cold_labels_cannot_be_bettered_by_moving_a_row():
    x, model, _ = mixed_table()
    rows = by_labels.rows_of(prepare(x, model))
    rng = np.random.default_rng(2)
    found = by_labels.anneal(rows, rng.permutation(np.arange(len(x)) % 5), np.zeros(60), 0, rng)
    for i in range(len(x)):
        for j in range(found.best.max() + 1):
            moved = found.best.copy()
            moved[i] = j
            if len(np.unique(moved)) == found.best.max() + 1:
                assert by_labels.value_of(rows, moved) <= found.value + 1e-6


def test_a_fixed_number_of_classes_stays():
    x, model, _ = mixed_table()
    rows = by_labels.rows_of(prepare(x, model))
    rng = np.random.default_rng(3)
    found = by_labels.anneal(rows, rng.permutation(np.arange(len(x)) % 9), np.geomspace(4, 0.2, 40), 20, rng, fixed=True)
    assert len(np.unique(found.best)) == len(np.unique(found.last)) == 9


def test_true_classes_are_found_from_one():
    x, model, labels = mixed_table()
    rows = by_labels.rows_of(prepare(x, model))
    found = by_labels.anneal(rows, np.zeros(len(x), dtype=int), np.geomspace(4, 0.2, 40), 20, np.random.default_rng(0))
    pairs = np.unique(np.stack([labels, found.best]), axis=1)
    assert pairs.shape[1] == 3
