"""Every model in the table of names keeps every law, in each of the configurations that it gives as examples of itself."""

from importlib import import_module

import pytest

from emkit._names import MODULES, group
from emkit.core.compiled import compiling
from emkit.testing import MODEL_LAWS, check_model, draw

LISTED = {name: getattr(import_module(MODULES[name]), name).examples() for name in group("models")}
EXAMPLES = [pytest.param(example, id=f"{name}-{i}") for name, all_of_it in LISTED.items() for i, example in enumerate(all_of_it)]


@pytest.mark.parametrize("model", EXAMPLES)
def test_complete_data_compiled(model):
    with compiling(True):
        checked = check_model(model, draw(model, missing=0.0))
    assert set(checked) == {law.__name__ for law in MODEL_LAWS} - {"spawned_says_the_same"}


@pytest.mark.parametrize("model", EXAMPLES)
def test_weighted_data_with_missing_cells(model):
    check_model(model, draw(model, weighted=True))


@pytest.mark.parametrize("name", LISTED)
def test_in_a_process_started_afresh(name):
    assert "spawned_says_the_same" in check_model(LISTED[name][0], spawn=True)
