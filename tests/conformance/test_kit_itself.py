"""What the kit is made of: comparisons, slopes by differences, the drawing of data, and the cutting of data into units."""

import numpy as np
import pytest

from emkit import ArraySource, FiniteMixture, Gaussian, HiddenMarkov, Poisson
from emkit.core.block import Block
from emkit.testing import FAMILY_LAWS, MODEL_LAWS, check_family, check_model, draw
from emkit.testing.cases import cut, moved, pick, unit_weights
from emkit.testing.compare import close, slopes


def test_every_law_has_a_sentence():
    for law in (*FAMILY_LAWS, *MODEL_LAWS):
        assert (law.__doc__ or "").strip().endswith("."), law.__name__


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_slopes_find_their_own_scale(unit):
    """f(v) = -(v / unit - 3)^2 sin-free: the slope per step that bends f by b is known exactly, whatever the unit."""

    def f(v):
        return float(-((v[0] / unit - 3.0) ** 2))

    def g(v):
        return float(2.0 * v[0] / unit)

    slope_f, slope_g = slopes(f, g, at=np.array([5.0 * unit]))
    assert slope_f[0] / slope_g[0] == pytest.approx(-2.0, rel=1e-8)  # f' = -2 (5 - 3) / unit, g' = 2 / unit


def test_slopes_at_a_maximum_are_zero():
    (slope,) = slopes(lambda v: float(np.cosh(v[0]) + np.exp(v[1]) - v[1]), at=np.zeros(2))
    assert np.abs(slope).max() < 1e-9


def test_close_names_the_worst_entry():
    close("equal infinities", [np.inf, 1.0], [np.inf, 1.0])
    with pytest.raises(AssertionError, match=r"the mean: entry \(1,\) is 3, expected 2 .*1 of 2 entries differ"):
        close("the mean", [1.0, 3.0], [1.0, 2.0])
    with pytest.raises(AssertionError, match="nan"):
        close("a NaN", [np.nan], [1.0])
    with pytest.raises(AssertionError, match="shape"):
        close("shapes", np.zeros(2), np.zeros(3))


def test_of_many_coordinates_some_have_slopes():
    (slope,) = slopes(lambda v: float(v[:100].sum() - (v[100:] ** 2).sum()), at=np.zeros(200))
    assert len(slope) == 24 and (slope[:12] > 0).all() and np.abs(slope[12:]).max() < 1e-9


def test_sequences_are_never_cut():
    block = Block(np.arange(12.0)[:, None], np.array([1.0, 2.0, 3.0]), lengths=np.array([3, 4, 5]), labels=np.arange(12))
    part = pick(block, np.array([2, 0]), np.array([3.0, 1.0]))
    assert part.x.ravel().tolist() == [7, 8, 9, 10, 11, 0, 1, 2]
    assert part.lengths.tolist() == [5, 3]
    assert part.labels.tolist() == [7, 8, 9, 10, 11, 0, 1, 2]
    assert unit_weights(part).tolist() == [3, 1]


def test_all_units_are_handed_on_as_they_are():
    """Otherwise a change made in place would be made to a copy, and not be seen."""
    block = Block(np.zeros((3, 1)))
    assert pick(block, np.arange(3), None).x is block.x


def test_pieces_are_the_source_again(clusters):
    source = ArraySource(clusters(31), np.arange(1.0, 32.0))
    pieces = cut(source, 4)
    assert [block.n for block in pieces] == [8, 8, 8, 7]
    assert np.array_equal(pieces.joined().x, source.x)
    assert np.array_equal(pieces.joined().weights, source.weights)
    assert [block.start for block in pieces] == [0, 8, 16, 24]


def test_data_are_drawn_from_the_support():
    counts = draw(FiniteMixture(Poisson(), 2), 50, 3, weighted=True).joined()
    seen = counts.x[~np.isnan(counts.x)]
    assert counts.x.shape == (50, 3) and 0.1 < np.isnan(counts.x).mean() < 0.35 and np.isnan(counts.x).all(axis=1).any()
    assert (seen == np.floor(seen)).all() and (seen >= 0).all()
    assert len(counts.weights) == 50 and counts.weights.min() == 0.0
    sequences = draw(HiddenMarkov(Gaussian(), 2), 50, missing=0.0).joined()
    assert sequences.lengths.sum() == 50 and len(set(sequences.lengths.tolist())) > 2 and not np.isnan(sequences.x).any()
    assert np.array_equal(draw(Poisson(), seed=3).joined().x, draw(Poisson(), seed=3).joined().x, equal_nan=True)


def test_a_hypothesis_nearby_keeps_what_is_held():
    family = Poisson(fixed={"rates": [[2.0, np.nan], [np.nan, 4.0]]}).resolve(draw(Poisson()), 2)
    params = moved(family, family.null(2, 2), np.random.default_rng(0))
    assert params.rates[0, 0] == 2.0 and params.rates[1, 1] == 4.0
    assert params.rates[0, 1] == 1.0  # a coordinate of 0 stays
    assert moved(family, family.Params(family.null(2, 2).rates * 3.0), np.random.default_rng(0)).rates[0, 1] != 3.0


def test_laws_that_do_not_apply_are_left_out(clusters):
    x = clusters(60, 2)
    assert "nothing_observed_says_nothing" not in check_family(Gaussian("diag"), x, missing=False, compiled=False)
    everything = {"means": [[0.0, 0.0], [1.0, 1.0]], "covariances": 1.0}
    checked = check_model(FiniteMixture(Gaussian("diag", fixed=everything), 2, fixed={"weights": [0.5, 0.5]}), x)
    assert "fisher_identity" not in checked and "objective_never_falls" in checked


def test_a_large_source_is_sampled(clusters):
    source = ArraySource(clusters(5000, 2))
    check_model(FiniteMixture(Gaussian("diag"), 2), source, rows=50)
