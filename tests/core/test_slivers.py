"""Slivers: who counts as one by rows and free parameters, and which of two optima is taken."""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from emkit import ArraySource, Categorical, FiniteMixture, Gaussian, Mixed, Poisson, Threads, Tied
from emkit.core.fit import Problem
from emkit.core.result import Run, StopReason
from emkit.core.slivers import CLOSE, Sliver, better, few_rows, free_of_each, is_regular, slivers_at


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        (Gaussian("full"), 4 + 10),
        (Gaussian("diag"), 2),  # columns that nothing ties together: those of one
        (Gaussian("spherical"), 2),
        (Gaussian("tied"), 1),  # what is shared is nobody's own
        (Gaussian("full", fixed={"covariances": 4.0}), 4),
        (Poisson(), 1),
        (Categorical(6), 5),
    ],
)
def test_free_parameters_of_each_component(family, expected):
    family = family.with_values(3, 4)
    assert free_of_each(family, family.null(3, 4), 3).tolist() == [expected] * 3


def test_a_component_whose_values_are_fixed_has_none_of_its_own():
    nan = np.nan
    family = Poisson(fixed={"rates": [[2.0, 3.0], [nan, nan]]}).with_values(2, 2)
    assert free_of_each(family, family.null(2, 2), 2).tolist() == [0, 1]


def test_few_rows_are_named_where_others_have_many():
    family = Gaussian("full")
    params = family.null(3, 2)
    assert few_rows(family, params, np.array([50.0, 4.0, 50.0])) == {1: "fewer than its 5 free parameters"}
    assert not few_rows(family, params, np.array([50.0, 5.0, 50.0]))
    assert not few_rows(family, params, np.array([4.0, 4.0, 4.0])), "the data are small as a whole"
    assert not few_rows(family, params, np.array([50.0, 4.0, 50.0]), pseudo=1.0), "a prior stands for rows"
    assert not few_rows(family, params, np.array([50.0, 0.0, 50.0])), "out of use"


def test_parts_of_mixtures_and_shared_distributions():
    mixed = Mixed(Gaussian("full", None), 2)
    params = replace(mixed.null(2, 2), weights=np.array([[0.5, 0.5], [0.97, 0.03]]))
    assert mixed.slivers(params, np.array([100.0, 100.0])) == {1: "its part 1 3 rows, fewer than its 5 free parameters"}
    tied = Tied(Gaussian("full", None), (0, 1, 0))
    params = tied.null(3, 2)
    assert not tied.slivers(params, np.array([98.0, 50.0, 2.0])), "two states stand behind one distribution"
    assert set(tied.slivers(params, np.array([98.0, 2.0, 2.0]))) == {1}


def test_a_sliver_in_words():
    words = str(Sliver("component", 2, 8.0, 0.004, "fewer than its 14 free parameters"))
    assert words == "component 2 holds 8 rows (weight 0.004), fewer than its 14 free parameters"


class _Marked:
    """A model that takes the hypothesis "sliver" for one."""

    def slivers(self, params, stats):
        return (Sliver("component", 0, 1.0, 0.1, "so few"),) if params == "sliver" else ()


def _problem():
    source = SimpleNamespace(total_weight=10.0, n_rows=10)
    return SimpleNamespace(model=_Marked(), source=source, evaluate=lambda params: SimpleNamespace(stats=0))


def _run(objective, params="regular", reason=StopReason.CONVERGED):
    return Run(params, objective, 0.0, 5, reason, (objective,), 0.0)


def test_within_a_nat_the_regular_one_is_better():
    problem, better_than = _problem(), lambda a, b: better(problem, a, b)
    assert better_than(_run(0.0), _run(0.9, "sliver")) and not better_than(_run(0.9, "sliver"), _run(0.0))
    assert not better_than(_run(0.0), _run(1.1, "sliver")) and better_than(_run(1.1, "sliver"), _run(0.0))
    assert better_than(_run(0.5), _run(0.4)) and better_than(_run(0.5, "sliver"), _run(0.4, "sliver"))
    assert not better_than(_run(0.0, reason=StopReason.MAX_ITER), _run(0.9, "sliver")), "it is not done: it may become one"
    assert not is_regular(problem, _run(0.0, "sliver")) and is_regular(problem, _run(0.0))


def test_the_order_of_the_starts_does_not_matter():
    runs = [_run(0.3), _run(0.6), _run(1.4, "sliver"), _run(1.55, "sliver"), _run(-3.0)]
    for order in itertools.permutations(runs):
        best = order[0]
        for run in order[1:]:
            best = run if better(_problem(), run, best) else best
        highest = max(run.objective for run in runs)
        assert best is max((r for r in runs if r.params == "regular" and highest - r.objective <= CLOSE), key=lambda r: r.objective)


def test_where_weights_do_not_count_rows_nothing_is_said():
    problem = _problem()
    problem.source.total_weight = 1e-3
    assert slivers_at(problem, _run(0.0, "sliver")) == ()


def test_kept_statistics_and_evaluated_ones_say_the_same():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(60, 2)), [[50.0, 50.0]]])
    source = ArraySource(x)
    model = FiniteMixture(Gaussian(), 2).resolve(source)
    problem = Problem(model, source, Threads())
    params = model.init(source, rng)
    step = problem.evaluate(params)
    run = Run(params, step.log_likelihood, step.log_prior, 0, StopReason.CONVERGED, (step.objective,), 0.0)
    found = slivers_at(problem, run)
    assert [s.label for s in found] == ["component"] and found[0].rows == pytest.approx(1.0, abs=1e-6)
    assert found == slivers_at(problem, replace(run, stats=step.stats))
