"""AutoClass C's own figures for classifications of its example (imports-85) and of a synthetic table.

The files give labels, not memberships. The program had iterated from memberships to estimates and back until it was content, so the
same iteration from the labels leads to its memberships, or past them where it stopped early.
"""

import numpy as np
import pytest

from emkit.selection.autoclass.influence import influence
from emkit.selection.autoclass.score import estimates, memberships_of, score
from support.autoclass_tables import example, hard, reference, report

CASES = [(stem, k) for stem, own in reference().items() for k in range(len(own))]


def iterates(prepared, memberships, most=100):
    """The program's iteration, memberships -> estimates -> memberships: the scores on the way."""
    for _ in range(most):
        yield score(prepared, memberships)
        before = memberships
        memberships = memberships_of(prepared, estimates(prepared, memberships.T @ prepared.features))
        if np.abs(memberships - before).max() < 1e-10:
            break


@pytest.mark.parametrize(("stem", "k"), CASES)
def test_hard_labels_score_as_stored(stem, k):
    case = reference()[stem][k]
    stored = case.get("log_marginal_of_hard_labels", case.get("score_hard"))
    assert score(example(stem), hard(case["labels"])).log_marginal == pytest.approx(stored, abs=1e-3)


@pytest.mark.parametrize(("stem", "k"), CASES)
def test_memberships_score_as_the_program_printed(stem, k):
    case = reference()[stem][k]
    printed = case.get("binary_log_marginal", case.get("score_soft"))
    on_the_way = list(iterates(example(stem), hard(case["labels"])))
    nearest = min(on_the_way, key=lambda s: abs(s.log_marginal - printed))
    assert nearest.log_marginal == pytest.approx(printed, abs=0.05)
    if "binary_log_likelihood" in case:
        assert nearest.log_likelihood == pytest.approx(case["binary_log_likelihood"], abs=0.05)


@pytest.mark.parametrize("k", range(4))
def test_on_the_cars_the_iteration_ends_at_the_printed_score(k):
    case = reference()["imports-85c"][k]
    *_, last = iterates(example("imports-85c"), hard(case["labels"]))
    assert last.log_marginal == pytest.approx(case.get("binary_log_marginal", case.get("score_soft")), abs=0.005)


def test_classes_of_three_rows_score_as_the_program_printed():
    *_, last = iterates(example("imports-85c"), hard(report()["labels"]))
    assert last.weights.min() < 3.1
    assert last.log_marginal == pytest.approx(report()["log_marginal"], abs=0.005)


def test_the_programs_report():
    """Class strengths, cross entropies and overall influences, to the digits that it prints."""
    told, prepared = report(), example("imports-85c")
    own = influence(prepared, hard(told["labels"]))
    np.testing.assert_allclose(own.strength, told["log_class_strength"], rtol=2e-3)
    np.testing.assert_allclose(own.cross_entropy, told["class_cross_entropy"], rtol=6e-3)
    names = [prepared.model.attributes[term.columns[0]].name for term in prepared.model.terms]
    for name, value in told["influence"].items():
        assert own.overall[names.index(name)] == pytest.approx(value, abs=2e-3)
