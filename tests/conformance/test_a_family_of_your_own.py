"""What a user writes to add a family: one short file. The kit accepts it, and the engine gives it everything else."""

from pathlib import Path

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, HiddenMarkov, Threads, fit
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model
from support import exponential
from support.exponential import Exponential


def test_it_is_short():
    assert len(Path(exponential.__file__).read_text().splitlines()) <= 60


def test_it_keeps_every_law():
    assert check_family(Exponential(), spawn=True) == [law.__name__ for law in FAMILY_LAWS]


@pytest.mark.parametrize("model", [FiniteMixture(Exponential(), 2), HiddenMarkov(Exponential(), 2)], ids=["mixture", "HMM"])
def test_and_so_do_models_of_it(model):
    assert set(check_model(model)) == {law.__name__ for law in MODEL_LAWS} - {"spawned_says_the_same"}


def test_and_gets_everything_else_for_it():
    """Restarts, threads, missing cells, fixed values, the stop rule: none of it is in the file."""
    rng = np.random.default_rng(0)
    x = rng.exponential(np.repeat([[1.0, 5.0], [6.0, 0.5]], 300, axis=0))
    x[rng.random(x.shape) < 0.1] = np.nan
    result = fit(FiniteMixture(Exponential(), 2), ArraySource(x), executor=Threads(2), rng=rng)
    assert result.converged
    np.testing.assert_allclose(np.sort(1.0 / result.params.components.rates, axis=0), [[1.0, 0.5], [6.0, 5.0]], rtol=0.25)
    held = FiniteMixture(Exponential(fixed={"rates": [[1.0, np.nan], [np.nan, np.nan]]}), 2)
    assert fit(held, ArraySource(x), executor=Threads(2), rng=rng).params.components.rates[0, 0] == 1.0
