"""The schema of the data: names, kinds, roles, and how messages call a column."""

import pickle
from dataclasses import FrozenInstanceError

import pytest

from emkit.core.columns import KINDS, Column, Columns

NAMED = Columns(
    (Column("age"), Column("visits", "count"), Column("sex", "category", ("f", "m")), Column("ill", "binary", role="target")),
)


def test_a_column_is_a_feature_of_real_numbers_unless_told_otherwise():
    column = Column("age")
    assert (column.kind, column.levels, column.role) == ("real", None, "feature")
    with pytest.raises(FrozenInstanceError):
        column.name = "size"


def test_columns_are_a_sequence():
    assert len(NAMED) == 4
    assert NAMED[1].name == "visits"
    assert NAMED.names == ("age", "visits", "sex", "ill")
    assert [column.kind for column in NAMED.items] == [*list(KINDS[:2]), "category", "binary"]


def test_data_without_names_are_called_by_number():
    plain = Columns.numbered(3)
    assert plain.names == ("x0", "x1", "x2")
    assert not plain.named
    assert plain.called(1) == "column 1"
    assert NAMED.named
    assert NAMED.called(1) == "column 'visits'"
    assert [column.kind for column in Columns.numbered(2, "count").items] == ["count", "count"]


def test_names_that_are_no_text_become_text():
    assert Columns.of_names([1, "b"]).names == ("1", "b")


def test_roles():
    assert NAMED.role("feature") == [0, 1, 2]
    assert NAMED.role("target") == [3]
    assert NAMED.role("offset") == []


def test_equal_if_they_say_the_same():
    same = Columns(tuple(Column(c.name, c.kind, c.levels, c.role) for c in NAMED.items))
    assert same == NAMED
    assert same != Columns(NAMED.items, named=False)
    assert hash(same) == hash(NAMED)


def test_pickled_they_are_the_same():
    assert NAMED.names  # what is computed from them is not sent
    back = pickle.loads(pickle.dumps(NAMED))
    assert back == NAMED
    assert back.__dict__.keys() == {"items", "named"}
    assert back.names == NAMED.names
