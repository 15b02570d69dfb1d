"""What else a model file has to hold: classes of the user's, settings that are not JSON, very wide data."""

import os
from dataclasses import dataclass

import numpy as np
import pytest

import emkit
from emkit import HMM, BetaPrior, FiniteMixture, GammaPrior, GaussianMixture, ModelFileError, Poisson
from emkit.io.modelfile import known_classes

COUNTS = np.random.default_rng(0).poisson(np.repeat([[2.0], [9.0]], 40, axis=0))


@dataclass(frozen=True)
class MyPoisson(Poisson):
    """A family that emkit does not know."""


def test_a_family_of_your_own_is_loaded_if_you_hand_it_over(tmp_path):
    path = tmp_path / "m.safetensors"
    model = HMM(2, emission=MyPoisson(), random_state=0).fit(COUNTS)
    model.save(path)
    with pytest.raises(ModelFileError, match=r"m\.safetensors.*class 'MyPoisson'.*classes"):
        emkit.load(path)
    back = emkit.load(path, classes=[MyPoisson])
    assert isinstance(back.emission, MyPoisson)
    assert back.score(COUNTS) == model.score(COUNTS)


def by_rate(family, params):
    return -params.rates[:, 0]


@pytest.mark.parametrize(
    "settings",
    [
        {"tol": np.float32(1e-3)},
        {"order_by": by_rate},
        {"emission": Poisson()},
        {"random_state": np.random.default_rng(0)},
        {"transmat_init": np.array([[0.9, 0.1], [0.2, 0.8]])},
        {"fixed": {"startprob": (0.5, 0.5)}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings_of_every_kind_are_saved(tmp_path, settings):
    path = tmp_path / "m.safetensors"
    model = HMM(2, **{"emission": "poisson", "random_state": 0, **settings}).fit(COUNTS)
    model.save(path)
    back = emkit.load(path)
    assert back.score(COUNTS) == model.score(COUNTS)
    for name, value in back.get_params().items():
        if name not in ("order_by", "random_state"):
            np.testing.assert_equal(value, getattr(model, name))


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_wide_data_take_memory_and_files_in_proportion(tmp_path, covariance_type):
    """Nothing is d x d: at 20,000 columns a matrix would be 3.2 GB."""
    sizes = []
    for d in (1_000, 20_000):
        x = np.random.default_rng(0).normal(size=(12, d))
        gm = GaussianMixture(2, covariance_type=covariance_type, n_init=1, max_iter=2, tol=0, random_state=0).fit(x)
        gm.save(tmp_path / f"{d}.safetensors")
        sizes.append(os.path.getsize(tmp_path / f"{d}.safetensors"))
    assert sizes[1] < 25 * sizes[0]
    assert sizes[1] < 100 * 20_000


@pytest.mark.parametrize(
    "changes", [{"n_states": 3}, {"fixed": {"nothing": 1.0}}, {"emission": "gaussian"}, {"tol": -1.0}, {"n_states": 0}], ids=str
)
def test_settings_changed_after_the_fit_are_those_of_the_next(tmp_path, changes):
    """What was fitted is loaded all the same, and a warm start does not take it for a fit of the new settings."""
    path = tmp_path / "m.safetensors"
    model = HMM(2, "poisson", random_state=0, warm_start=True).fit(COUNTS)
    model.set_params(**changes).save(path)
    back = emkit.load(path)
    assert back.get_params() == model.get_params()
    assert back.score(COUNTS) == model.score(COUNTS)
    assert back.summary() == model.summary()
    try:
        model.fit(COUNTS)
    except emkit.EmkitError as error:
        with pytest.raises(type(error)):
            back.fit(COUNTS)
    else:
        np.testing.assert_array_equal(back.fit(COUNTS).transmat_, model.transmat_)


class Steady(GaussianMixture):
    """An estimator that is not in the table of names."""


def test_an_estimator_of_your_own(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2))
    model = Steady(2, random_state=0, n_init=1).fit(x)
    model.save(tmp_path / "steady.safetensors")
    with pytest.raises(ModelFileError, match="holds a 'Steady', which is not part of this emkit; pass the class"):
        emkit.load(tmp_path / "steady.safetensors")
    loaded = emkit.load(tmp_path / "steady.safetensors", classes=[Steady])
    assert type(loaded) is Steady
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))


def test_files_name_classes_as_earlier_versions_did():
    known = known_classes()
    assert known["emkit.models.mixture:Mixture"] is FiniteMixture
    assert known["emkit.families.poisson:Gamma"] is GammaPrior
    assert known["emkit.families.bernoulli:Beta"] is BetaPrior
