"""A uniform component for noise: its density, its label, what it does to a fit."""

import numpy as np
import pytest

from emkit import ArraySource, DataError, Gaussian, GaussianMixture, ParameterError, WithNoise, load


@pytest.fixture
def scattered():
    """Two groups, and a tenth of the rows anywhere."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(6, 1, (200, 2)), rng.uniform(-20, 20, (50, 2))])


def test_noise_leaves_the_groups_clean(scattered):
    gm = GaussianMixture(2, noise=True, random_state=0, order_by=None).fit(scattered)
    assert gm.weights_.shape == (3,) and gm.means_.shape == (2, 2) and gm.precisions_.shape == (2, 2, 2)
    assert gm.weights_[2] == pytest.approx(50 / 550, abs=0.02)
    assert np.abs(np.sort(gm.means_, axis=0) - [[0, 0], [6, 6]]).max() < 0.2
    labels = gm.predict(scattered)
    assert set(labels) == {-1, 0, 1} and (labels[-50:] == -1).mean() > 0.8 and (labels[:500] == -1).mean() < 0.02
    assert gm.predict_proba(scattered).shape == (550, 3)
    assert set(gm.sample(200)[1]) == {-1, 0, 1}
    plain = GaussianMixture(2, random_state=0).fit(scattered)
    assert gm.bic() < plain.bic() - 100


def test_density_is_one_over_the_volume_of_what_is_observed(scattered):
    family = WithNoise(Gaussian()).resolve(ArraySource(scattered), 3)
    params = family.null(3, 2)
    low, high = scattered.min(axis=0), scattered.max(axis=0)
    rows = np.array([[0.0, 0.0], [np.nan, 0.0], [np.nan, np.nan], [100.0, 0.0]])
    width = np.log(high - low)
    assert family.log_prob(params, rows)[:, 2] == pytest.approx([-width.sum(), -width[1], 0.0, -np.inf])
    given = WithNoise(Gaussian(), 50.0).resolve(ArraySource(scattered), 3)
    assert given.log_prob(params, rows[[0, 3]])[:, 2] == pytest.approx([-np.log(50.0)] * 2)


def test_noise_is_saved_and_takes_missing_cells(scattered, tmp_path):
    scattered[::7, 0] = np.nan
    gm = GaussianMixture(2, covariance_type="VEV", noise=1600.0, random_state=0).fit(scattered)
    gm.save(tmp_path / "noise.safetensors")
    again = load(tmp_path / "noise.safetensors")
    assert again.score(scattered) == gm.score(scattered) and np.array_equal(again.predict(scattered), gm.predict(scattered))


def test_what_cannot_be_is_refused(scattered):
    with pytest.raises(ParameterError, match="above 0"):
        GaussianMixture(2, noise=-1.0).fit(scattered)
    with pytest.raises(DataError, match="constant"):
        GaussianMixture(2, noise=True, fixed={"covariances": 1.0}).fit(np.column_stack([scattered, np.ones(550)]))
