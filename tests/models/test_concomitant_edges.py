"""Class weights of groups: later rows of a group say nothing. Settings that contradict each other are refused."""

import warnings

import numpy as np
import pytest

from emkit import ArraySource, DataError, Gaussian, ParameterError, PerColumn, Poisson, SequenceSource
from emkit.families.regression.family import Regression
from emkit.models.concomitant import ConcomitantMixture
from emkit.testing import check_model
from support.fits import fitted

LENGTHS = np.tile([2, 3, 1, 4], 15)
FIRST = np.cumsum(LENGTHS) - LENGTHS
LATER = np.setdiff1d(np.arange(LENGTHS.sum()), FIRST)


def grouped(seed=0):
    """Counts of two kinds of groups, which a column u of the groups tells apart in part, (150, 2)."""
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=len(LENGTHS))
    u = (1.5 * label + rng.normal(size=len(LENGTHS)))[np.repeat(np.arange(len(LENGTHS)), LENGTHS)]
    return np.column_stack([rng.poisson(np.where(label == 0, 2.0, 6.0).repeat(LENGTHS)), u]).astype(float)


def model(**settings):
    return ConcomitantMixture(Poisson(), 2, "u", **settings)


def source(x, weights=None):
    return SequenceSource(x, LENGTHS, weights, columns=["y", "u"])


@pytest.mark.filterwarnings("ignore:concomitant")
@pytest.mark.parametrize("cell", [1e4, np.nan])
def test_later_rows_of_a_group_do_not_move_class_weights(cell):
    x = grouped()
    other = x.copy()
    other[LATER, 1] = cell
    a, b = (fitted(model(), source(data), tol=1e-9) for data in (x, other))
    np.testing.assert_array_equal(a.params.class_coefficients, b.params.class_coefficients)
    assert a.log_likelihood == b.log_likelihood


def test_units_are_those_of_groups_with_their_weights():
    x, weights = grouped(), np.arange(len(LENGTHS)) % 3.0
    units = model().resolve(source(x, weights)).units
    u = x[FIRST, 1]
    assert units.centre[0] == pytest.approx(np.average(u, weights=weights), rel=1e-12)
    assert units.scale[0] == pytest.approx(np.sqrt(np.cov(u, aweights=weights, ddof=0)), rel=1e-12)
    assert units.low[0] == pytest.approx((u[weights > 0].min() - units.centre[0]) / units.scale[0], rel=1e-12)


def test_a_column_that_changes_within_a_group_is_named():
    x = grouped()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model().resolve(source(x))
    x[FIRST[7] + 2, 1] += 1.0
    with pytest.warns(UserWarning, match=f"column 'u' changes within group 7, at row {FIRST[7] + 2}"):
        model().resolve(source(x))
    with warnings.catch_warnings():  # a regression on the column uses every row
        warnings.simplefilter("error")
        ConcomitantMixture(Regression("poisson", on="u"), 2, "u").resolve(source(x))


def test_missing_in_a_first_row_is_refused():
    x = grouped()
    x[FIRST[7], 1] = np.nan
    with pytest.raises(DataError, match=f"column 'u' row {FIRST[7]} is missing, and class weights depend on it"):
        model().resolve(source(x))


# --- settings that contradict each other --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (ConcomitantMixture(Regression(on=("x", "u"), target="y"), 2, "y"), "column 'y' is concomitant, .* describes it too"),
        (ConcomitantMixture(Gaussian(), 2, "u", columns=("y", "u")), "column 'u' is concomitant, .* describes it too"),
        (ConcomitantMixture(Regression(on="x"), 2, ("u", "u")), "concomitant names column 'u' twice"),
        (ConcomitantMixture(Gaussian(), 2, "u", columns=("y", "y")), "columns names column 'y' twice"),
    ],
)
def test_columns_that_are_two_things(made, message):
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ParameterError, match=message):
        made.resolve(ArraySource(x, columns=["y", "x", "u"]))


def test_more_classes_than_groups():
    x = grouped()[:10]
    few = SequenceSource(x, [4, 6], columns=["y", "u"])
    with pytest.raises(DataError, match=r"n_components=3 is more than the 2 group\(s\) of rows"):
        ConcomitantMixture(Poisson(), 3, "u").resolve(few)
    with pytest.raises(DataError, match=r"n_components=3 is more than the 2 row\(s\)"):
        ConcomitantMixture(Poisson(), 3, "u").resolve(ArraySource(x[:2], columns=["y", "u"]))


# --- tables with regressions --------------------------------------------------------------------------------------------


def table(n=150, seed=0):
    """Columns y, u, x, z: y follows one of two lines in x, u tells which in part, z is normal about a place of its own in each."""
    rng = np.random.default_rng(seed)
    label = rng.integers(2, size=n)
    x = rng.normal(size=n)
    y = np.where(label == 0, 2.0 * x, -2.0 * x) + 0.3 * rng.normal(size=n)
    return np.column_stack([y, label + rng.normal(size=n), x, 3.0 * label + rng.normal(size=n)])


def test_numbers_are_those_of_the_whole_table():
    """Whether or not concomitant columns stand before them, and the same as by names."""
    x = table()
    by_number = ConcomitantMixture(PerColumn({0: Regression(on=2), 3: Gaussian()}), 2, 1)
    by_name = ConcomitantMixture(PerColumn({"y": Regression(on="x"), "z": Gaussian()}), 2, "u")
    a = fitted(by_number, ArraySource(x), tol=1e-7)
    b = fitted(by_name, ArraySource(x, columns=["y", "u", "x", "z"]), tol=1e-7)
    assert a.log_likelihood == b.log_likelihood
    np.testing.assert_allclose(np.sort(a.params.components.parts[0].coefficients.ravel()), [-2.0, 2.0], atol=0.1)
    assert by_number.complete((0, 1, 2, 3)) == a.model.complete((0, 1, 2, 3)) == (1, 2)
    assert by_name.complete(("y", "u", "x", "z")) == b.model.complete(("y", "u", "x", "z")) == ("u", "x")


def test_columns_that_parts_name_need_not_be_said():
    source = ArraySource(table(), columns=["y", "u", "x", "z"])
    found = ConcomitantMixture(PerColumn({"y": Regression(on=("x", "z"))}), 2, "u", columns="y").resolve(source)
    assert found.layout.family == (0, 2, 3)
    both = ConcomitantMixture(PerColumn({"y": Regression(on=("x", "u")), "z": Gaussian()}), 2, "u")
    fit = fitted(both, source)
    assert fit.params.components.parts[0].coefficients.shape == (2, 2)
    block = fit.model.redrawn(fit.params, source.joined(), np.random.default_rng(0))
    np.testing.assert_array_equal(block.x[:, [1, 2]], source.x[:, [1, 2]])
    assert (block.x[:, [0, 3]] != source.x[:, [0, 3]]).all()
    simulated = fit.model.simulate(fit.params, 400, np.random.default_rng(0))
    inside = fit.model.infer(fit.params, simulated, "log_likelihood").log_likelihood.mean()
    assert inside == pytest.approx(fit.log_likelihood / 150, abs=0.5)  # responses belong to the simulated covariates


def test_numbers_that_are_not_there_are_refused():
    for part, message in (
        ({0: Regression(on=5), 2: Gaussian(), 3: Gaussian()}, "no .*column 5"),
        ({0: Gaussian()}, "has no family"),
    ):
        with pytest.raises(DataError, match=message):
            ConcomitantMixture(PerColumn(part), 2, 1).resolve(ArraySource(table()))
    with pytest.raises(ParameterError, match=r"column 1 is concomitant, .* describes it too"):
        ConcomitantMixture(PerColumn({0: Gaussian(), 1: Gaussian(), (2, 3): Gaussian()}), 2, 1).resolve(ArraySource(table()))


def test_tables_conform():
    check_model(ConcomitantMixture(PerColumn({0: Regression(on=2), 3: Gaussian()}), 2, 1), ArraySource(table()))
