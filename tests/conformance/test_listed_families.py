"""Every family in the table of names keeps every law, in each of the configurations that it gives as examples of itself."""

from importlib import import_module

import pytest

from emkit import FiniteMixture, HiddenMarkov
from emkit._names import MODULES, group
from emkit.core.compiled import compiling
from emkit.testing import FAMILY_LAWS, check_family, check_model, draw

LISTED = {name: getattr(import_module(MODULES[name]), name).examples() for name in group("families")}
EXAMPLES = [pytest.param(example, id=f"{name}-{i}") for name, all_of_it in LISTED.items() for i, example in enumerate(all_of_it)]
FIRST = [pytest.param(all_of_it[0], id=name) for name, all_of_it in LISTED.items()]
TIED = {
    "labels_do_not_matter",
    "configuration_follows_labels",
}  # relabelling would break ties or move the noise: refused
SLOPES = {"slope_is_that_of_the_objective", "information_is_that_of_complete_data"}
SEVERAL_COLUMNS = {"Multinomial"}  # one column is refused: all trials fall into it
WITHOUT_SLOPES = {"Custom"}  # its functions say nothing of derivatives
TWO_COLUMNS = {"PerColumn", "Experts"}  # its example names two
MISSING_COUNTS = {"nothing_observed_says_nothing"}  # where a missing cell is an outcome too
NOTHING_FREE = {"m_steps_end_where_nothing_is_to_gain", "fisher_identity", *SLOPES}


def left_out(checked):
    return {law.__name__ for law in FAMILY_LAWS} - set(checked) - {"spawned_says_the_same"}


@pytest.mark.parametrize("family", EXAMPLES)
def test_complete_rows_compiled(family):
    check_family(family, draw(family, missing=0.0))


@pytest.mark.parametrize("family", EXAMPLES)
def test_weighted_rows_with_missing_cells(family):
    data = draw(family, weighted=True)
    checked = check_family(family, data, compiled=False)
    resolved = family.resolve(data, 2)
    told_apart = type(family).__name__ == "WithNoise" or (type(family).__name__ == "Tied" and len(set(family.groups)) > 1)
    expected = TIED if told_apart else set()
    expected = expected | (NOTHING_FREE if resolved.n_free(resolved.null(2, 2)) == 0 else set())
    expected = expected | (SLOPES if type(family).__name__ in WITHOUT_SLOPES else set())
    expected = expected | (MISSING_COUNTS if family.missing_counts else set())
    assert left_out(checked) == expected


@pytest.mark.parametrize("family", FIRST)
def test_mixture_and_hidden_markov_model_of_it(family):
    check_model(FiniteMixture(family, 2, seeding="k-means++"))
    with compiling(True):
        check_model(HiddenMarkov(family, 2))


@pytest.mark.parametrize("family", [param for param in FIRST if param.id not in {"Tied", *SEVERAL_COLUMNS, *TWO_COLUMNS}])
def test_three_components_over_one_column(family):
    """With two components an order is its own inverse, and one column has shapes of its own."""
    check_family(family, draw(family, columns=1), k=3, compiled=False)


@pytest.mark.parametrize("family", [param for param in FIRST if param.id in SEVERAL_COLUMNS])
def test_three_components_over_three_columns(family):
    check_family(family, draw(family, columns=3), k=3, compiled=False)


@pytest.mark.parametrize("family", [param for param in FIRST if param.id in TWO_COLUMNS])
def test_three_components_over_two_columns(family):
    check_family(family, draw(family, columns=2), k=3, compiled=False)


def test_in_a_process_started_afresh():
    """Slow, so once: listed models try the other families."""
    assert "spawned_says_the_same" in check_family(LISTED["Categorical"][0], compiled=False, spawn=True)
