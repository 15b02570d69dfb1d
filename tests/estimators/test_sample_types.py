"""Types of what comes back: counts and symbols are integers, float32 data give float32 results, labels are integers."""

import numpy as np
import pytest
from small_models import KINDS, MODELS, bits, counts, fitted, outcomes, parameters, quietly, reals, symbols

from emkit import GMMHMM, HMM, CategoricalHMM, GaussianHMM, GaussianMixture, MultinomialHMM, PoissonHMM, load

ONE = {"n_init": 1, "random_state": 0}

DISCRETE = {
    "HMM poisson": (HMM(2, "poisson", **ONE), counts()),
    "HMM categorical": (HMM(2, "categorical", **ONE), symbols()),
    "HMM bernoulli": (HMM(2, "bernoulli", **ONE), bits()),
    "HMM of mixtures": (HMM(2, "poisson", n_mix=2, max_iter=5, tol=0.0, **ONE), counts()),
    "HMM tied": (HMM(2, "poisson", tie=[0, 0], **ONE), counts()),
    "HMM end": (HMM(2, "poisson", end=True, **ONE), counts()),
    "PoissonHMM": (PoissonHMM(2, **ONE), counts()),
    "CategoricalHMM": (CategoricalHMM(2, **ONE), symbols()),
    "MultinomialHMM": (MultinomialHMM(2, **ONE), outcomes()),
}


@pytest.mark.parametrize("name", DISCRETE)
@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.int8])
def test_samples_of_counts_and_symbols_are_integers(name, dtype):
    """Whatever type the data had."""
    model, x = DISCRETE[name]
    model = quietly(model.fit, x.astype(dtype))
    rows, states = model.sample(30)
    assert np.issubdtype(rows.dtype, np.integer) and np.issubdtype(states.dtype, np.integer)
    assert rows.shape == (30, x.shape[1]) and rows.min() >= 0
    if "poisson" not in name.lower() and "mixtures" not in name and name not in ("HMM tied", "HMM end", "MultinomialHMM"):
        assert rows.max() <= x.max()
    assert np.isfinite(model.score(rows))
    if name != "HMM end":
        simulated, states, lengths = model.simulate([5, 7])
        assert all(np.issubdtype(values.dtype, np.integer) for values in (simulated, states, lengths))


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (PoissonHMM(2, random_state=0), {"lambdas_": [[1.0], [9.0]]}),
        (CategoricalHMM(2, random_state=0), {"emissionprob_": [[0.2, 0.8], [0.6, 0.4]]}),
        (MultinomialHMM(2, 5, random_state=0), {"emissionprob_": [[0.2, 0.8], [0.6, 0.4]]}),
    ],
)
def test_samples_of_models_set_by_hand_too(model, values):
    for name, value in {"startprob_": [0.5, 0.5], "transmat_": [[0.9, 0.1], [0.2, 0.8]], **values}.items():
        setattr(model, name, np.array(value))
    rows, states = model.sample(30)
    assert np.issubdtype(rows.dtype, np.integer) and np.issubdtype(states.dtype, np.integer)
    assert len(np.unique(rows)) > 1


@pytest.mark.parametrize("name", ["GaussianMixture full", "HMM diag", "GaussianHMM full", "GMMHMM diag"])
def test_samples_of_gaussians_are_floats(name):
    rows, states = fitted(name)[0].sample(10)
    assert rows.dtype == np.float64 and np.issubdtype(states.dtype, np.integer)


CONTINUOUS = [name for name, (_, data) in MODELS.items() if data is reals]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_float32_in_float32_out(name):
    """As in scikit-learn: parameters and results have the width of the data; labels are integers; scores are plain numbers."""
    make, _ = MODELS[name]
    narrow, wide = quietly(make().fit, reals(dtype=np.float32)), quietly(make().fit, reals())
    for attribute, value in parameters(wide).items():
        assert value.dtype == np.float64, attribute
        assert np.asarray(getattr(narrow, attribute)).dtype == np.float32, attribute
        np.testing.assert_allclose(getattr(narrow, attribute), value, rtol=1e-2, atol=1e-2)
    x = reals(dtype=np.float32)
    assert narrow.predict_proba(x).dtype == np.float32
    scored = narrow.score_samples(x)
    assert (scored[1] if isinstance(scored, tuple) else scored).dtype == np.float32
    assert np.issubdtype(narrow.predict(x).dtype, np.integer)
    np.testing.assert_array_equal(narrow.predict(x), wide.predict(reals()))
    assert narrow.score(x) == pytest.approx(wide.score(reals()), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_precisions_are_float32_too(kind):
    gm = GaussianMixture(2, covariance_type=kind, **ONE).fit(reals(dtype=np.float32))
    assert gm.precisions_.dtype == gm.precisions_cholesky_.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
def test_every_other_type_gives_float64(estimator, dtype):
    x = np.abs(np.round(reals() * 5.0)).astype(dtype)
    model = estimator(2, **ONE).fit(x)
    assert model.means_.dtype == model.covariances_.dtype == model.predict_proba(x).dtype == np.float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_counts_as_floats(dtype):
    x = counts().astype(dtype)
    model = PoissonHMM(2, **ONE).fit(x)
    assert model.rates_.dtype == model.lambdas_.dtype == model.transmat_.dtype == model.predict_proba(x).dtype == dtype


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM, GMMHMM])
def test_float32_parameters_set_to_themselves_are_accepted(estimator):
    """Rows of float32 probabilities add up to 1 within the precision that they have."""
    x = reals(3, dtype=np.float32)
    model = quietly(estimator(3, **ONE).fit, x)
    before = model.score(x)
    for attribute in parameters(model):
        setattr(model, attribute, getattr(model, attribute))
    assert model.score(x) == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize("estimator", [GaussianMixture, HMM, GaussianHMM])
def test_a_file_keeps_the_width(estimator, tmp_path):
    x = reals(dtype=np.float32)
    model = estimator(2, **ONE).fit(x)
    model.save(tmp_path / "model.safetensors")
    twin = load(tmp_path / "model.safetensors")
    assert twin.means_.dtype == model.means_.dtype == np.float32
    np.testing.assert_array_equal(twin.predict_proba(x), model.predict_proba(x))
