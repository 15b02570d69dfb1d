"""Every model in the table of names keeps every law, in each of the configurations that it gives as examples of itself."""

from importlib import import_module

import pytest

from emkit._names import MODULES, group
from emkit.core.compiled import compiling
from emkit.testing import MODEL_LAWS, check_model, draw

LISTED = {name: getattr(import_module(MODULES[name]), name).examples() for name in group("models")}
EXAMPLES = [pytest.param(example, id=f"{name}-{i}") for name, all_of_it in LISTED.items() for i, example in enumerate(all_of_it)]
OF_LABELS = {
    "configuration_follows_labels", "impossible_units_are_named", "known_labels_are_respected", "labels_do_not_matter",
    "marginals_add_up", "marginals_are_conditional_probabilities", "mode_is_most_probable",
}  # fmt: skip
"""What is asked only of models whose rows have labels; a network's hidden nodes are variables like others."""


@pytest.mark.parametrize("model", EXAMPLES)
def test_complete_data_compiled(model):
    with compiling(True):
        checked = check_model(model, draw(model, missing=0.0))
    left_out = {"spawned_says_the_same"} | (OF_LABELS if model.n_hidden is None else set())
    assert set(checked) == {law.__name__ for law in MODEL_LAWS} - left_out


@pytest.mark.parametrize("model", EXAMPLES)
def test_weighted_data_with_missing_cells(model):
    check_model(model, draw(model, weighted=True))


@pytest.mark.parametrize("name", LISTED)
def test_in_a_process_started_afresh(name):
    assert "spawned_says_the_same" in check_model(LISTED[name][0], spawn=True)
