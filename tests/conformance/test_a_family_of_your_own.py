"""What a user writes to add a family: one short file. The kit accepts it, and the engine gives it everything else."""

from pathlib import Path

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, HiddenMarkov, Threads, fit
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model
from support import rayleigh, waits
from support.rayleigh import Rayleigh
from support.waits import Waits

OWN = [Rayleigh(), Waits()]  # by the base class of exponential families, and by the whole contract


@pytest.mark.parametrize(("module", "lines"), [(rayleigh, 30), (waits, 60)])
def test_it_is_short(module, lines):
    assert len(Path(module.__file__).read_text().splitlines()) <= lines


@pytest.mark.parametrize("family", OWN, ids=repr)
def test_it_keeps_every_law(family):
    assert check_family(family, spawn=True) == [law.__name__ for law in FAMILY_LAWS]


@pytest.mark.parametrize("model", [kind(family, 2) for family in OWN for kind in (FiniteMixture, HiddenMarkov)], ids=repr)
def test_and_so_do_models_of_it(model):
    assert set(check_model(model)) == {law.__name__ for law in MODEL_LAWS} - {"spawned_says_the_same"}


def test_and_gets_everything_else_for_it():
    """Restarts, threads, missing cells, fixed values, the stop rule: none of it is in the file."""
    rng = np.random.default_rng(0)
    x = rng.exponential(np.repeat([[1.0, 5.0], [6.0, 0.5]], 300, axis=0))
    x[rng.random(x.shape) < 0.1] = np.nan
    result = fit(FiniteMixture(Waits(), 2), ArraySource(x), executor=Threads(2), rng=rng)
    assert result.converged
    np.testing.assert_allclose(np.sort(1.0 / result.params.components.rates, axis=0), [[1.0, 0.5], [6.0, 5.0]], rtol=0.25)
    held = FiniteMixture(Waits(fixed={"rates": [[1.0, np.nan], [np.nan, np.nan]]}), 2)
    assert fit(held, ArraySource(x), executor=Threads(2), rng=rng).params.components.rates[0, 0] == 1.0


def test_the_short_one_too():
    """Newton's method finds the maximum in closed form: half of the mean square."""
    rng = np.random.default_rng(0)
    x = rng.rayleigh(np.repeat([[1.0, 9.0], [6.0, 0.5]], 300, axis=0))
    family = Rayleigh(None).resolve(ArraySource(x), 2)
    resp = rng.dirichlet([1.0, 1.0], 600)
    found = family.update(family.stats(family.null(2, 2), x, resp), family.null(2, 2)).scales
    np.testing.assert_allclose(found, np.sqrt(0.5 * (resp.T @ x**2) / resp.sum(axis=0)[:, None]), rtol=1e-9)
    result = fit(FiniteMixture(Rayleigh(), 2), ArraySource(x), executor=Threads(2), rng=rng)
    np.testing.assert_allclose(np.sort(result.params.components.scales, axis=0), [[1.0, 0.5], [6.0, 9.0]], rtol=0.15)
