"""Features and priors of tables, and tables that cannot be used."""

import numpy as np
import pytest

from emkit.core.errors import DataError, ParameterError
from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import prepare
from support.autoclass_tables import example, mixed_table

NUMBER = Attribute("height", "location", error=0.1)
SIZE = Attribute("size", "scalar", error=0.01)
KIND = Attribute("colour", "discrete", n_levels=3)


def one(cells, attribute, kind):
    return prepare(np.array(cells, dtype=float)[:, None], TableModel((attribute,), (Term(kind, (0,)),)))


def test_priors_of_a_number():
    normals = one([1, 2, 3, np.nan, 8], NUMBER, "single_normal_cm").normals
    assert normals.pivot[0] == pytest.approx(3.5)  # the mean of the known
    assert normals.smin[0] == pytest.approx(0.5)  # five errors
    assert normals.smax[0] == pytest.approx(3.5)  # half the range
    assert normals.s0[0] == pytest.approx(3.5)
    assert normals.known_prior[0] == pytest.approx(4.5 / 6)
    assert normals.outcome[0]


def test_a_mean_is_never_held_closer_than_a_narrow_class_needs():
    """Half the range, 1.5, is less than 5 smin / sqrt(2.1) = 4.31."""
    assert one([0, 1, 3], Attribute("x", "location", error=0.25), "single_normal_cn").normals.s0[0] == pytest.approx(
        6.25 / 2.1**0.5
    )


def test_scalars_are_logarithms_of_the_distance_from_the_zero_point():
    attribute = Attribute("year", "scalar", error=0.001, zero_point=1900)
    prepared = one([1901, 1910, 2000], attribute, "single_normal_cn")
    normals = prepared.normals
    np.testing.assert_allclose(prepared.features[:, normals.linear[0]] + normals.pivot[0], np.log([1, 10, 100]))
    assert normals.log_error[0] == pytest.approx(np.log(np.log(1.001)))


def test_missing_is_one_more_level_where_any_cell_is():
    assert one([0, 1, 2, 1], KIND, "single_multinomial").categories.levels.tolist() == [3]
    with_missing = one([0, 1, 2, np.nan], KIND, "single_multinomial")
    assert with_missing.categories.levels.tolist() == [4]
    np.testing.assert_array_equal(with_missing.features[:, with_missing.categories.block], np.eye(4))


def test_a_constant_category_and_an_ignored_column_have_no_features():
    x = np.column_stack([np.zeros(4), [1, 2, 3, 9.0], np.full(4, np.nan)])
    attributes = (Attribute("one", "discrete", n_levels=1), NUMBER, SIZE)
    terms = (Term("single_multinomial", (0,)), Term("single_normal_cn", (1,)), Term("ignore", (2,)))
    prepared = prepare(x, TableModel(attributes, terms))
    assert prepared.features.shape == (4, 3)
    assert prepared.n_terms == 3


def test_the_cars():
    prepared = example("imports-85c")
    assert prepared.n == 205
    assert len(prepared.categories.terms) == 10
    assert len(prepared.normals.terms) == 15
    assert prepared.normals.outcome.sum() == 6


@pytest.mark.parametrize(
    ("cells", "attribute", "kind", "words"),
    [
        ([5, 5, 5], NUMBER, "single_normal_cn", ["height", "range of 0", "ten errors"]),
        ([5, 5.5, 6], NUMBER, "single_normal_cn", ["height", "range of 1", "ten errors"]),
        ([5, 5.1, np.nan], SIZE, "single_normal_cm", ["size", "logarithms", "smaller error"]),
        ([np.nan, np.nan], NUMBER, "single_normal_cn", ["height", "no known cell"]),
        ([np.nan, np.nan], KIND, "single_multinomial", ["colour", "no known cell"]),
        ([1, 2, np.inf], NUMBER, "single_normal_cn", ["height", "row 2", "inf"]),
        ([1, 0, 2], SIZE, "single_normal_cn", ["size", "row 1", "zero point"]),
        ([0, 3, 1], KIND, "single_multinomial", ["colour", "row 1", "0 to 2"]),
        ([0, 1.5, 1], KIND, "single_multinomial", ["colour", "row 1", "whole"]),
    ],
)
def test_columns_that_cannot_be_used_are_named(cells, attribute, kind, words):
    with pytest.raises(DataError) as told:
        one(cells, attribute, kind)
    assert told.value.column == attribute.name
    assert all(word in str(told.value) for word in words)


def test_correlated_columns_need_all_cells():
    x = np.array([[1, 2], [3, np.nan], [9, 9]])
    with pytest.raises(DataError, match=r"row 1 is missing.*'normal', each alone") as told:
        prepare(x, TableModel((NUMBER, Attribute("width", "location", error=0.1)), (Term("multi_normal_cn", (0, 1)),)))
    assert (told.value.column, told.value.row) == ("width", 1)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ((Term("single_normal_cn", (0,)),), "part the 2 columns"),
        ((Term("single_normal_cn", (0,)), Term("single_multinomial", (1,)), Term("ignore", (1,))), "part the 2 columns"),
        ((Term("single_normal_cn", (0,)), Term("single_normal_cn", (1,))), "does not suit"),
        ((Term("single_multinomial", (0,)), Term("single_multinomial", (1,))), "does not suit"),
        ((Term("multi_normal_cn", (0,)), Term("single_multinomial", (1,))), "cannot have 1"),
    ],
)
def test_models_that_do_not_fit_are_refused(terms, words):
    with pytest.raises(ParameterError, match=words):
        prepare(np.array([[1, 0], [5, 1.0]]), TableModel((NUMBER, KIND), terms))


def test_errors_of_measurement_must_be_positive():
    with pytest.raises(ParameterError, match="'x' has error of measurement 0"):
        one([1, 2], Attribute("x", "location"), "single_normal_cn")


def test_a_table_of_another_width_and_one_without_rows_are_refused():
    x, model, _ = mixed_table()
    with pytest.raises(ParameterError, match="6 attributes"):
        prepare(x[:, :5], model)
    with pytest.raises(DataError, match="no rows"):
        prepare(x[:0], model)
