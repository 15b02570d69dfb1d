"""``relevant_columns``: from an estimator and a table to a fitted mixture and what each column gains."""

import numpy as np
import pandas as pd
import pytest

import emkit
from emkit import GaussianMixture, LatentClass, Mixture, ParameterError, relevant_columns


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=300)
    return pd.DataFrame(
        {
            "luck": rng.normal(size=300),
            "visits": rng.poisson(np.array([1.0, 8.0])[kind]),
            "colour": rng.choice(["red", "green", "blue"], size=300),
            "weight": rng.normal(np.array([60.0, 80.0])[kind], 5.0),
        }
    )


@pytest.fixture(scope="module")
def found(frame):
    return relevant_columns(Mixture(2, random_state=0), frame)


def test_table(found, frame):
    assert found.relevant == ["visits", "weight"]
    assert found.irrelevant == ["luck", "colour"]
    assert found.table["column"] == list(frame)
    assert found.score < found.score_of_all
    assert found.score == pytest.approx(found.model.bic(frame))
    lines = str(found).splitlines()
    assert lines[0].startswith("2 of 4 columns matter to 2 components; BIC ")
    assert {line.split()[0] for line in lines[4:6]} == {"visits", "weight"}
    assert 1 <= found.starts_at_best <= found.starts_finished


def test_the_mixture_is_one_like_any_other(found, frame, tmp_path):
    model = found.model
    assert model.converged_
    assert model.luck_means_[0] == model.luck_means_[1]
    assert model.weight_means_[1] - model.weight_means_[0] > 15.0 or model.weight_means_[0] - model.weight_means_[1] > 15.0
    changed = frame.assign(luck=100.0, colour="red")
    np.testing.assert_allclose(model.predict_proba(changed), model.predict_proba(frame), atol=1e-9)
    assert "weight" in model.summary()
    model.save(tmp_path / "m.safetensors")
    assert emkit.load(tmp_path / "m.safetensors").score(frame) == model.score(frame)
    again = Mixture(2, model.family, random_state=0).fit(frame)
    assert again.result_.log_likelihood == pytest.approx(model.result_.log_likelihood, abs=1e-2)


def test_the_same_seed_and_any_number_of_threads(found, frame):
    again = relevant_columns(Mixture(2, random_state=0, n_jobs=2), frame)
    assert again.table == found.table
    assert again.score == found.score


def test_latent_classes_and_gaussian_mixtures():
    rng = np.random.default_rng(0)
    kind = rng.integers(2, size=400)
    answers = np.where(rng.random((400, 5)) < 0.85, kind[:, None], 1 - kind[:, None])
    answers[:, 3:] = rng.integers(2, size=(400, 2))
    found = relevant_columns(LatentClass(2, random_state=0), answers)
    assert found.relevant == ["x0", "x1", "x2"]
    x = rng.normal(size=(400, 3)) + 4.0 * kind[:, None] * np.array([0.0, 1.0, 0.0])
    weighted = relevant_columns(GaussianMixture(2, covariance_type="diag", random_state=0), x, np.full(400, 0.5), by="aic")
    assert "x1" in weighted.relevant
    assert weighted.by == "aic"


def test_refused(frame):
    numbers = frame[["luck", "weight"]]
    for estimator in (emkit.HMM(2), "gmm"):
        with pytest.raises(ParameterError, match="can be asked of a Mixture"):
            relevant_columns(estimator, numbers)
    with pytest.raises(ParameterError, match="depend on each other"):
        relevant_columns(GaussianMixture(2), numbers)
    with pytest.raises(ParameterError, match="held or given"):
        relevant_columns(Mixture(2, fixed={"weights": [0.5, 0.5]}), frame)


def test_families_that_take_several_steps_are_not_given_up_too_soon():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    x[:80] += [1.5, 8.0, 1.2]
    found = relevant_columns(Mixture(2, "student_t", random_state=0), x, n_starts=5)
    assert found.relevant == ["x0", "x1", "x2"] and found.score <= found.score_of_all + 0.01
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[:50, 1] += 5
    found = relevant_columns(Mixture(2, "student_t", random_state=0, algorithm="em"), x, n_starts=5)
    assert found.relevant == ["x1"] and min(found.table["gain"]) > -0.1


def test_gains_do_not_depend_on_units_and_are_none_where_there_is_nothing_to_gain():
    x = np.random.default_rng(0).normal(size=(150, 3))
    x[:50, 1] += 5
    diagonal = GaussianMixture(2, covariance_type="diag", random_state=0)
    gains = [relevant_columns(diagonal, x * unit, n_starts=5).table["gain"] for unit in (1e-6, 1.0, 1e6)]
    np.testing.assert_allclose(gains, [gains[1]] * 3, rtol=1e-6, atol=1e-8)
    assert min(gains[1]) >= 0.0
    noise = pd.DataFrame(np.random.default_rng(0).choice(list("ab"), (60, 3)))
    assert relevant_columns(LatentClass(2, random_state=0), noise, by="micl").relevant == []
    with pytest.warns(UserWarning, match="sample_weight adds up to 0.3"):
        light = relevant_columns(diagonal, x, np.full(150, 0.002), n_starts=2)
    assert min(light.table["price"]) == 0.0
    with pytest.raises(ParameterError, match="a single column leaves no choice"):
        relevant_columns(diagonal, x[:, :1])
