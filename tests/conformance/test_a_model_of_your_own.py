"""What a user writes to add a model: one short file. The kit accepts it, and the engine gives it everything else."""

from pathlib import Path

import numpy as np
import pytest

from emkit import ArraySource, Gaussian, Threads, fit
from emkit.testing import MODEL_LAWS, check_model, draw
from support import own_model
from support.own_model import NoiseMixture


def test_it_is_short():
    assert len(Path(own_model.__file__).read_text().splitlines()) <= 110


@pytest.mark.parametrize("model", NoiseMixture.examples())
def test_it_keeps_every_law(model):
    assert check_model(model, spawn=True) == [law.__name__ for law in MODEL_LAWS]
    check_model(model, draw(model, missing=0.0, weighted=True))


def test_and_gets_everything_else_for_it(clusters):
    """A tenth of noise over two clusters is found to be noise."""
    rng = np.random.default_rng(0)
    x = np.concatenate([clusters(450, 2), rng.uniform(-30.0, 30.0, (50, 2))])
    result = fit(NoiseMixture(Gaussian(), 2), ArraySource(x), executor=Threads(2), rng=rng)
    assert result.converged
    assert result.params.weights[-1] == pytest.approx(0.1, abs=0.03)
