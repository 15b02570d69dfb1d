"""``n_components="auto"``: the number is found by BIC, and everything else goes on as with a number."""

import numpy as np
import pytest
from sklearn.base import clone

from emkit import GaussianMixture, LatentClass, Mixture, ParameterError, load, select
from support.datasets import faithful


def test_the_number_that_bic_prefers_is_found_and_kept(tmp_path):
    x = faithful()
    model = GaussianMixture("auto", random_state=0).fit(x)
    assert model.n_components_ == 2 and model.n_components == "auto"
    assert model.bic() == pytest.approx(2322.192, abs=0.01)
    assert clone(model).get_params()["n_components"] == "auto"
    assert model.predict_proba(x).shape == (272, 2)
    model.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    assert again.n_components_ == 2 and np.array_equal(again.predict(x), model.predict(x))


def test_a_number_is_told_too():
    assert GaussianMixture(2, random_state=0).fit(faithful()).n_components_ == 2


def test_noise_is_not_counted():
    model = GaussianMixture("auto", covariance_type="EEE", noise=True, n_init=1, random_state=0).fit(faithful()[:80])
    assert model.n_components_ == len(model.means_)


def test_warm_start_goes_on_with_the_number_that_was_found():
    model = GaussianMixture("auto", covariance_type="VVV", warm_start=True, random_state=0).fit(faithful())
    before = model.result_.log_likelihood
    assert model.fit(faithful()).n_components_ == 2
    assert model.result_.log_likelihood >= before - 1e-6 and len(model.result_.starts) == 1


def test_of_mixtures_and_latent_classes():
    rng = np.random.default_rng(0)
    counts = np.concatenate([rng.poisson(2, (100, 2)), rng.poisson(12, (100, 2))])
    assert Mixture("auto", random_state=0).fit(counts).n_components_ == 2
    yes = np.where(rng.random((400, 1)) < 0.5, 0.9, 0.1)
    assert LatentClass("auto", random_state=0).fit((rng.random((400, 5)) < yes).astype(int)).n_classes_ == 2


def test_another_word_is_refused():
    with pytest.raises(ParameterError, match="n_components='many': give an integer of at least 1, or 'auto'"):
        GaussianMixture("many").fit(faithful())
    with pytest.raises(ParameterError, match="n_components"):
        select(GaussianMixture(), faithful(), grid={"n_components": [0]})
