"""Dirichlet priors: pseudo-counts, densities, and how they follow relabelled components."""

import numpy as np
import pytest
from scipy import stats

from emkit import Dirichlet, ParameterError
from emkit.core import simplex


def best(counts, prior):
    counts = np.asarray(counts, dtype=float)
    return simplex.mode(counts + prior.pseudo, np.full(counts.shape, np.nan), np.full(counts.shape, 1.0 / counts.shape[-1]))


def test_mode():
    counts = [3.0, 1.0, 0.0]
    np.testing.assert_allclose(best(counts, Dirichlet()), [0.75, 0.25, 0.0])
    np.testing.assert_allclose(best(counts, Dirichlet(2.0)), np.array([4, 2, 1]) / 7)
    np.testing.assert_allclose(best(counts, Dirichlet(0.5)), [2.5 / 3, 0.5 / 3, 0.0])  # small ones go to exactly zero
    np.testing.assert_allclose(best(np.zeros((2, 4)), Dirichlet()), np.full((2, 4), 0.25))
    with pytest.raises(ParameterError, match="must be positive"):
        Dirichlet([1.0, 0.0])


def test_log_density_is_a_contribution_of_each_entry():
    assert Dirichlet().log_density(np.array([1.0, 0.0])).tolist() == [0.0, 0.0]  # flat, even where log p is -inf
    np.testing.assert_allclose(Dirichlet(3.0).log_density(np.array([0.5, 0.5])), np.full(2, 2 * np.log(0.5)))
    p, q = np.random.default_rng(0).dirichlet(np.ones(4), 2)
    a = np.array([0.5, 1.0, 2.0, 4.0])
    found = Dirichlet(a).log_density(p).sum() - Dirichlet(a).log_density(q).sum()
    assert found == pytest.approx(stats.dirichlet.logpdf(p, a) - stats.dirichlet.logpdf(q, a))


@pytest.mark.parametrize("value", [None, 2.0, Dirichlet(2.0), [1.0, 2.0, 3.0]])
def test_what_users_give(value):
    prior = Dirichlet.of(value, "weights_prior", (3,))
    if value is None:
        assert prior is None
    else:
        expected = value.concentration if isinstance(value, Dirichlet) else value
        np.testing.assert_array_equal(prior.concentration, expected)


@pytest.mark.parametrize(
    ("value", "message"),
    [(-1.0, "positive"), ("weak", "not numeric"), ([1.0, 2.0], r"has shape \(2,\); give one concentration, or an array \(3,\)")],
)
def test_refusals_name_the_setting(value, message):
    with pytest.raises(ParameterError, match=message) as caught:
        Dirichlet.of(value, "weights_prior", (3,))
    assert caught.value.parameter == "weights_prior"


ORDER = np.array([2, 0, 1])


def test_one_concentration_belongs_to_every_component():
    prior = Dirichlet(2.0)
    assert prior.permuted(ORDER, (0,), 1) is prior


@pytest.mark.parametrize(("shape", "axes"), [((3,), (0,)), ((3, 3), (0, 1)), ((3, 4), (0, 1)), ((3, 5), (0,)), ((5,), (0,))])
def test_concentrations_follow_their_components(shape, axes):
    """Given for the whole parameter, for its last axis, or with an end that keeps its place: densities are those of before."""
    whole = (3, *shape) if shape == (5,) else shape
    a = 1.0 + np.arange(float(np.prod(shape))).reshape(shape)
    p = np.random.default_rng(1).dirichlet(np.ones(whole[-1]), whole[:-1])
    moved = p
    for axis in axes:
        rest = np.arange(3, whole[axis])
        moved = np.take(moved, np.concatenate([ORDER, rest]), axis=axis)
    prior = Dirichlet(a).permuted(ORDER, axes, len(whole))
    assert prior.log_density(moved).sum() == pytest.approx(Dirichlet(a).log_density(p).sum())
