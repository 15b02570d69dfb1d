"""The search itself, with workers that know the answers: what is tried in which order, what is left, what is chosen."""

from dataclasses import replace

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, Gaussian, Threads
from emkit.algorithms.starts import fit
from emkit.core.slivers import Sliver
from emkit.families.gaussian.covariance_types import MCLUST, allows
from emkit.selection.candidates import Candidate, Outcome
from emkit.selection.neighbours import starts_from
from emkit.selection.sweep import Plan, best_of, sweep
from support.datasets import faithful

SOURCE = ArraySource(faithful())
RESULT = fit(FiniteMixture(Gaussian(), 1), SOURCE, executor=Threads(1))
SLIVER = Sliver("component", 0, 3.0, 0.01, "thin")


def outcome(bic, sliver=False):
    return Outcome(replace(RESULT, slivers=(SLIVER,) if sliver else ()), {"bic": bic, "log_likelihood": -bic / 2})


class Told:
    """Workers that only look up what a candidate's BIC is."""

    stopped = None

    def __init__(self, values):
        self.values, self.done_tasks = values, []

    def done(self, tasks):
        for task in tasks:
            self.done_tasks.append(task.key)
            yield task, self.values[task.candidate.name]


def line(values, **plan):
    candidates = [Candidate(f"k={k}", "", k, FiniteMixture(Gaussian(), k), SOURCE) for k in range(1, len(values) + 1)]
    workers = Told({f"k={k}": value if isinstance(value, Outcome) else outcome(value) for k, value in enumerate(values, 1)})
    return sweep(candidates, Plan(neighbours=False, **plan), workers), workers


def test_a_line_is_left_after_two_that_are_clearly_worse():
    found, workers = line([100.0, 50.0, 61.0, 62.0, 40.0])
    assert found.best == 1 and "own k=5" not in workers.done_tasks
    assert found.outcomes[4].note == "not tried: bic was more than 10 worse with 3 and 4 than with 2"


@pytest.mark.parametrize("values", [[100.0, 50.0, 61.0, 55.0, 40.0], [100.0, 50.0, 59.0, 59.0, 40.0]])
def test_a_line_that_is_worse_once_or_not_clearly_goes_on(values):
    assert line(values)[0].best == 4


def test_a_line_too_far_behind_to_reach_the_best_is_left():
    value = {("a", 1): 200.0, ("a", 2): 100.0, ("a", 3): 99.0, ("a", 4): 98.0, ("b", 1): 900.0, ("b", 2): 880.0, ("b", 3): 850.0}
    some = [Candidate(f"{name} {k}", name, k, FiniteMixture(Gaussian(), k), SOURCE) for name in "ab" for k in range(1, 5)]
    workers = Told({f"{name} {k}": outcome(value.get((name, k), 0.0)) for name in "ab" for k in range(1, 5)})
    found = sweep(some, Plan(neighbours=False), workers)
    assert found.outcomes[7].note == "not tried: with 3 it was too far from the best bic of all to reach it at its latest gains"
    assert found.best == 3 and sweep(some, Plan(neighbours=False, drop=False), workers).best == 7


def test_without_drop_all_are_fitted():
    assert line([100.0, 50.0, 61.0, 62.0, 40.0], drop=False)[0].best == 4


def test_a_sliver_is_chosen_only_if_there_is_nothing_else():
    found, _ = line([100.0, outcome(20.0, sliver=True), 90.0])
    assert found.best == 2
    found, _ = line([Outcome(note="cannot"), outcome(20.0, sliver=True)])
    assert found.best == 1
    assert best_of(found.candidates, [Outcome(note="cannot")] * 2, "bic") is None


def test_seeds_depend_on_the_candidate_and_not_on_its_place():
    class Seeds(Told):
        def done(self, tasks):
            self.values.update({task.key: task.seed for task in tasks})
            for task in tasks:
                yield task, outcome(1.0)

    some = [Candidate(f"k={k}", "", k, FiniteMixture(Gaussian(), k), SOURCE) for k in (1, 2, 3)]
    first, second = Seeds({}), Seeds({})
    sweep(some, Plan(neighbours=False), first)
    sweep(some[::-1][:2], Plan(neighbours=False), second)
    assert len(set(first.values.values())) == 3
    assert all(first.values[key] == seed for key, seed in second.values.items())


def test_shapes_contain_what_they_restrict_to():
    assert all(allows("VVV", shape) and allows(shape, "EII") for shape in MCLUST)
    assert allows("full", "tied") and not allows("tied", "full")
    assert allows("VEV", "EEV") and not allows("VEV", "EVV")


@pytest.mark.parametrize("shape", MCLUST)
def test_a_contained_models_optimum_is_a_start_that_loses_nothing(shape):
    poor = FiniteMixture(Gaussian("EII" if shape in ("VII", "EEI") else "EEI"), 2)
    if shape == "EII":
        poor = FiniteMixture(Gaussian("EII"), 2)
    optimum = fit(poor, SOURCE, executor=Threads(1), rng=np.random.default_rng(0))
    model = FiniteMixture(Gaussian(shape if shape not in ("VII",) else "VII"), 2).resolve(SOURCE)
    ((kind, params),) = starts_from(model, SOURCE, optimum, np.random.default_rng(0))
    after = fit(model, SOURCE, executor=Threads(1), starts=[params])
    assert kind == "nested" and after.log_likelihood >= optimum.log_likelihood - 0.01


def test_components_are_split_merged_and_doubled():
    optimum = fit(FiniteMixture(Gaussian(), 2), SOURCE, executor=Threads(1), rng=np.random.default_rng(0))
    three, one = (FiniteMixture(Gaussian(), k).resolve(SOURCE) for k in (3, 1))
    rng = np.random.default_rng(0)
    assert [kind for kind, _ in starts_from(three, SOURCE, optimum, rng)] == ["split"] * 2
    assert [kind for kind, _ in starts_from(one, SOURCE, optimum, rng)] == ["merged", "left out"]
    for _, params in starts_from(three, SOURCE, optimum, rng, sure=True):
        value = float(Threads(1).map_reduce(lambda block, p=params: three.e_step(p, block), SOURCE)[1])
        assert value > optimum.log_likelihood - 0.5  # as good as the smaller model's, nearly
    assert starts_from(FiniteMixture(Gaussian(), 4).resolve(SOURCE), SOURCE, optimum, rng) == []
