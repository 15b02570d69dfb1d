"""Every variational family and model in the table of names keeps every law, but for one that is about densities."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from emkit import FiniteMixture, HiddenMarkov, SequenceSource, VariationalCategorical, VariationalGaussian, VariationalHMM
from emkit._names import MODULES, group
from emkit.core.compiled import compiling
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model, draw

LISTED = [getattr(import_module(MODULES[name]), name) for name in group("variational")]
FAMILIES = [VariationalCategorical, VariationalGaussian]
NOT_ASKED = {"spawned_says_the_same"}
NO_DENSITY = {"samples_fit"}


def examples(kinds):
    return [pytest.param(example, id=f"{kind.__name__}-{i}") for kind in kinds for i, example in enumerate(kind.examples())]


def test_all_that_is_listed_is_here():
    assert {kind for kind in LISTED if not kind.__abstractmethods__} == {*FAMILIES, VariationalHMM}
    assert all(kind.is_posterior for kind in LISTED)


@pytest.mark.parametrize("family", examples(FAMILIES))
def test_families(family):
    checked = check_family(family)
    assert set(checked) == {law.__name__ for law in FAMILY_LAWS} - NOT_ASKED - NO_DENSITY


@pytest.mark.parametrize("family", [VariationalCategorical(), VariationalGaussian("full")])
def test_mixtures_and_chains_with_point_estimates_of_their_own(family):
    for model in (FiniteMixture(family, 2), HiddenMarkov(family, 2)):
        checked = check_model(model)
        assert (
            {"objective_never_falls", "slope_is_that_of_the_objective"}
            <= set(checked)
            <= {law.__name__ for law in MODEL_LAWS} - NO_DENSITY
        )


@pytest.mark.parametrize("family", examples(FAMILIES))
def test_families_of_complete_data(family):
    check_family(family, draw(family, missing=0.0, weighted=True), missing=False)


@pytest.mark.parametrize("model", examples([VariationalHMM]))
def test_complete_data_compiled(model):
    with compiling(True):
        checked = check_model(model, draw(model, missing=0.0))
    assert set(checked) == {law.__name__ for law in MODEL_LAWS} - NOT_ASKED - NO_DENSITY


@pytest.mark.parametrize("model", examples([VariationalHMM]))
def test_weighted_data_with_missing_cells(model):
    check_model(model, draw(model, weighted=True))


@pytest.mark.parametrize("kind", ["numbered", "probabilities"])
def test_known_labels(kind):
    model = VariationalHMM(VariationalGaussian("tied"), 3)
    block, rng = draw(model, weighted=True).joined(), np.random.default_rng(5)
    known = np.where(rng.random(block.n) < 0.2, rng.integers(3, size=block.n), -1)
    labels = known if kind == "numbered" else rng.dirichlet(np.ones(3), block.n)
    check_model(model, SequenceSource(block.x, block.lengths, block.weights, labels=labels))


def test_one_state_and_sequences_of_one_step():
    model = VariationalHMM(VariationalGaussian("full"), 1)
    block = draw(model, 40).joined()
    check_model(model, SequenceSource(block.x, np.ones(40, dtype=int)))
    two = replace(VariationalHMM(VariationalGaussian("full"), 2), startprob_prior=np.ones(2))
    check_model(two, SequenceSource(block.x, np.ones(40, dtype=int)))


@pytest.mark.parametrize("kind", [*FAMILIES, VariationalHMM])
def test_in_a_process_started_afresh(kind):
    check = check_model if kind is VariationalHMM else check_family
    assert "spawned_says_the_same" in check(kind.examples()[0], spawn=True)
