"""The search: what it finds, that it repeats itself, and how it ends."""

from functools import cache

import numpy as np
import pytest

from emkit.core.errors import ParameterError
from emkit.core.monitor import Monitor
from emkit.core.result import StopReason
from emkit.selection.autoclass import refine
from emkit.selection.autoclass import search as searching
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import prepare
from emkit.selection.autoclass.score import score
from emkit.selection.autoclass.search import search
from support.autoclass_tables import example, hard, mixed_table, reference


class After(Monitor):
    """Has something happen when it is asked the ``count``-th time."""

    def __init__(self, count, error=None):
        self.left, self.error = count, error

    def asked(self):
        self.left -= 1
        if self.left > 0:
            return None
        if self.error:
            raise self.error
        return StopReason.STOPPED


def numbers(n, d=2, seed=0):
    model = TableModel(
        tuple(Attribute(f"x{j}", "location", error=0.001) for j in range(d)),
        tuple(Term("single_normal_cn", (j,)) for j in range(d)),
    )
    return prepare(np.random.default_rng(seed).standard_normal((n, d)), model)


@cache
def cars_from(seed):
    """Three tries, two seconds of work: of those and the single class that a search begins with, the best three are kept."""
    return search(example("imports-85c"), np.random.default_rng(seed), max_tries=3, keep=3)


def test_the_cars_beyond_the_best_known():
    """From three seeds: past -15,843.96, which was the best known."""
    prepared = example("imports-85c")
    for seed in range(3):
        best = cars_from(seed).best[0]
        assert best.score.log_marginal > -15_843.96
        assert best.score.weights.min() > 2.1
        assert score(prepared, best.memberships).log_marginal == best.score.log_marginal


def test_the_synthetic_table_at_least_as_well_as_the_program():
    found = search(example("autoclass_synthetic"), np.random.default_rng(0), max_tries=2)
    assert found.best[0].score.log_marginal > reference()["autoclass_synthetic"][0]["binary_log_marginal"] - 0.05


@pytest.mark.parametrize("seed", range(4))
def test_the_classes_that_made_a_table_are_found(seed):
    x, model, labels = mixed_table(n=200, seed=seed)
    found = search(prepare(x, model), np.random.default_rng(seed), max_tries=2).best[0]
    assert found.score.n_classes == 3
    agreement = hard(labels).T @ hard(found.labels, 3)
    assert agreement.max(axis=1).sum() >= 0.95 * len(x)


def test_many_rows_start_from_a_sample():
    x, model, labels = mixed_table(n=4500)
    found = search(prepare(x, model), np.random.default_rng(0), max_tries=1).best[0]
    assert found.score.n_classes == 3
    assert (hard(labels).T @ hard(found.labels, 3)).max(axis=1).sum() >= 0.95 * len(x)


def test_where_there_are_no_classes_one_is_found():
    assert search(numbers(150), np.random.default_rng(0), max_tries=2).best[0].score.n_classes == 1


def test_the_same_generator_gives_the_same():
    prepared = prepare(*mixed_table()[:2])
    first, second = (search(prepared, np.random.default_rng(5), max_tries=3) for _ in range(2))
    assert len(first.best) == len(second.best)
    for a, b in zip(first.best, second.best, strict=True):
        np.testing.assert_array_equal(a.memberships, b.memberships)
    assert first.tries == 3
    assert first.reason is StopReason.MAX_TRIES


def test_what_is_kept_is_distinct_and_in_order():
    found = cars_from(1).best
    scores = [c.score.log_marginal for c in found]
    assert len(found) == 3
    assert scores == sorted(scores, reverse=True)
    for own in found:
        weights = own.memberships.sum(axis=0)
        assert (np.diff(weights) <= 1e-9).all()
        np.testing.assert_allclose(own.memberships.sum(axis=1), 1)
        np.testing.assert_array_equal(own.labels, own.memberships.argmax(axis=1))


def test_the_same_classes_by_other_names_are_kept_once():
    x, model, labels = mixed_table()
    prepared = prepare(x, model)
    bench = searching._Bench(5)
    for names in ([0, 1, 2], [2, 0, 1], [0, 1, 1]):
        bench.add(refine.classification(prepared, hard(np.array(names)[labels]).T))
    assert [c.score.n_classes for c in bench.best] == [3, 2]


@pytest.mark.parametrize("n_classes", [1, 2, 3, 5, 40])
def test_a_given_number_of_classes(n_classes):
    x, model, _ = mixed_table(n=100)
    found = search(prepare(x, model), np.random.default_rng(0), n_classes=n_classes, max_tries=2)
    assert {c.score.n_classes for c in found.best} == {n_classes}
    assert all(c.memberships.shape == (100, n_classes) for c in found.best)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_tables_of_a_few_rows(n):
    """Never more classes than a third of the rows, the least that a class may weigh."""
    found = search(numbers(n), np.random.default_rng(0), max_tries=2)
    assert found.best[0].score.n_classes <= max(1, n // 3)


def test_tables_of_one_kind_of_column():
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=80)
    x = np.where(rng.random((80, 6)) < 0.1, 1 - labels[:, None], labels[:, None]).astype(float)
    model = TableModel(
        tuple(Attribute(f"c{j}", "discrete", n_levels=2) for j in range(6)),
        tuple(Term("single_multinomial", (j,)) for j in range(6)),
    )
    assert search(prepare(x, model), np.random.default_rng(0), max_tries=2).best[0].score.n_classes == 2
    ignored = TableModel(model.attributes, tuple(Term("ignore", (j,)) for j in range(6)))
    assert search(prepare(x, ignored), np.random.default_rng(0), max_tries=1).best[0].score.n_classes == 1


@pytest.mark.parametrize("count", [1, 2, 4])
def test_an_interruption_keeps_the_best_so_far(count):
    found = search(example("imports-85c"), np.random.default_rng(0), monitor=After(count, KeyboardInterrupt()))
    assert found.reason is StopReason.INTERRUPTED
    assert found.best[0].score.log_marginal >= score(example("imports-85c"), np.ones((205, 1))).log_marginal


def test_an_interruption_of_the_first_try_keeps_its_labels():
    """The cars have far more than one class, which half a try knows."""
    cars = example("imports-85c")
    found = search(cars, np.random.default_rng(0), monitor=After(8, KeyboardInterrupt()))
    assert found.tries == 0
    assert found.best[0].score.n_classes > 1
    assert found.best[0].score.log_marginal > score(cars, np.ones((205, 1))).log_marginal


def test_it_ends_where_tries_agree():
    """Classes that lie far apart: the tries that start afresh, every other one, find the same."""
    x, model, _ = mixed_table(n=60, apart=8.0)
    found = search(prepare(x, model), np.random.default_rng(0), max_tries=50, agree=3)
    assert found.reason is StopReason.TRIES_AGREED
    assert 5 <= found.tries < 50
    assert search(prepare(x, model), np.random.default_rng(0), max_tries=4, agree=3).reason is StopReason.MAX_TRIES


def test_the_clock_of_a_monitor_starts_when_code_is_compiled():
    class Order(Monitor):
        def __init__(self):
            self.heard = []

        def begin(self):
            self.heard.append("begin")

        def say(self, text):
            self.heard.append(text.split()[0])

    order = Order()
    search(numbers(20), np.random.default_rng(0), max_tries=1, monitor=order)
    assert order.heard[:2] == ["loading", "begin"]


def test_a_monitor_stops_it():
    found = search(example("imports-85c"), np.random.default_rng(0), max_tries=50, monitor=After(9))
    assert found.reason is StopReason.STOPPED
    assert found.tries < 50


def test_a_time_limit_shorter_than_a_try_still_finds_something():
    found = search(example("imports-85c"), np.random.default_rng(0), time_limit=1e-3)
    assert found.reason is StopReason.TIME_LIMIT
    assert found.tries == 0
    assert found.best[0].score.n_classes >= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "needs an end"),
        ({"max_tries": 0}, "max_tries is 0"),
        ({"max_tries": 1, "keep": 0}, "keep is 0"),
        ({"time_limit": 0.0}, "time_limit is 0"),
        ({"max_tries": 1, "start_classes": (5, 3)}, "start_classes"),
        ({"max_tries": 1, "n_classes": 0}, "n_classes is 0"),
        ({"max_tries": 1, "n_classes": 31}, "only 30 rows"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ParameterError, match=words):
        search(numbers(30), np.random.default_rng(0), **settings)


def test_deleting_and_splitting_alone_find_the_classes():
    """EM's moves, without annealing: from one class, and from far too many."""
    x, model, _ = mixed_table(apart=6.0)
    prepared = prepare(x, model)
    rng = np.random.default_rng(0)
    for start in (np.zeros(len(x), dtype=int), np.arange(len(x)) % 8):
        shares = refine.converge(prepared, hard(start).T)
        assert refine.improve(prepared, shares, rng, lambda: False).score.n_classes == 3


def test_classes_too_light_are_dropped():
    x, model, labels = mixed_table()
    prepared = prepare(x, model)
    labels = labels.copy()
    labels[:2] = 3
    assert len(refine.converge(prepared, hard(labels).T)) == 3
    assert refine.least_weight(205, 18) == 2.1
    assert refine.least_weight(100_000, 10) == 10
