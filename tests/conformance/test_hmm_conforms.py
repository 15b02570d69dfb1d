"""The kit on hidden Markov models beyond their examples: tied states, weights and labels, compiled recursions."""

from dataclasses import replace

import numpy as np
import pytest

from emkit import Dirichlet, GammaPrior, Gaussian, HiddenMarkov, Mixed, Poisson, SequenceSource, Tied
from emkit.core.compiled import compiling
from emkit.testing import MODEL_LAWS, check_model, draw

pytestmark = pytest.mark.usefixtures("compiled")  # twins in NumPy: test_listed_models

EVERY = {law.__name__ for law in MODEL_LAWS} - {"spawned_says_the_same"}


@pytest.fixture
def compiled():
    """Compiled recursions, whatever the size."""
    with compiling(True):
        yield


def labelled(model, kind, **how):
    """Data drawn for a model, with the labels of some steps."""
    block, rng = draw(model, **how).joined(), np.random.default_rng(5)
    known = np.where(rng.random(block.n) < 0.2, rng.integers(model.n_hidden, size=block.n), -1)
    labels = known if kind == "numbered" else rng.dirichlet(np.ones(model.n_hidden), block.n)
    return SequenceSource(block.x, block.lengths, block.weights, labels=labels)


def test_tied_states():
    model = HiddenMarkov(Tied(Poisson(GammaPrior(2.0, 0.5)), (0, 1, 0)), 3)
    cannot = {"labels_do_not_matter", "configuration_follows_labels"}
    assert EVERY - set(check_model(model)) <= cannot | {"em_ends_where_nothing_is_to_gain"}


@pytest.mark.parametrize(
    "family", [Mixed(Gaussian("diag"), 2), Mixed(Poisson(GammaPrior(2.0, 0.5)), 2, Dirichlet(2.0))], ids=["gaussian", "poisson"]
)
def test_mixtures_as_emissions(family):
    check_model(HiddenMarkov(family, 2))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["numbered", "probabilities"])
def test_weights_and_labels(weighted, kind):
    model = HiddenMarkov(Gaussian("diag"), 3, end=True)
    check_model(model, labelled(model, kind, weighted=weighted))


@pytest.mark.parametrize("start", ["free", "stationary"])
def test_one_state_and_sequences_of_one_step(start):
    model = HiddenMarkov(Gaussian("full"), 1, start=start)
    block = draw(model, 40).joined()
    check_model(model, SequenceSource(block.x, np.ones(40, dtype=int)))
    check_model(replace(model, n_states=2), SequenceSource(block.x, np.ones(40, dtype=int)))
