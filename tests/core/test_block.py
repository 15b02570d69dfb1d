"""Blocks: taken apart, joined and pickled without losing anything; and sources over blocks in memory."""

import itertools
import pickle
from dataclasses import fields

import numpy as np
import pytest

from emkit import ArraySource, Block, SequenceSource
from emkit.core.block_source import BlockSource
from emkit.core.columns import Columns

RNG = np.random.default_rng(0)
N, LENGTHS = 12, np.array([3, 1, 5, 2, 1])
X = RNG.normal(size=(N, 2))
X[4, 1] = np.nan
COLUMNS = Columns.of_names(["a", "b"])
HARD, SOFT = RNG.integers(-1, 3, size=N), RNG.dirichlet(np.ones(3), N)


def rows(labels=HARD):
    return Block(X, RNG.gamma(1.0, size=N), 0, True, None, 500, labels, COLUMNS)


def sequences(labels=HARD):
    return Block(X, RNG.gamma(1.0, size=len(LENGTHS)), 0, True, LENGTHS, 500, labels, COLUMNS)


BLOCKS = {
    "rows": rows(),
    "rows, soft labels": rows(SOFT),
    "rows alone": Block(X, missing=True),
    "sequences": sequences(),
    "sequences, soft labels": sequences(SOFT),
    "sequences alone": Block(X, lengths=LENGTHS, missing=True),
}


def assert_same(a, b, *but):
    for field in fields(Block):
        if field.name not in but:
            left, right = getattr(a, field.name), getattr(b, field.name)
            assert (left is None) == (right is None), field.name
            np.testing.assert_array_equal(left, right, err_msg=field.name) if field.name != "columns" else None
    assert a.columns == b.columns


def test_the_fields_are_those_that_the_tests_know():
    """Who adds one has to say how it is taken, joined and cut into rows."""
    assert [field.name for field in fields(Block)] == [
        "x", "weights", "start", "missing", "lengths", "source_rows", "labels", "columns",
    ]  # fmt: skip


@pytest.mark.parametrize("name", BLOCKS)
def test_pickled_it_is_the_same(name):
    assert_same(pickle.loads(pickle.dumps(BLOCKS[name])), BLOCKS[name])


def test_a_view_is_pickled_without_the_rest():
    x = np.zeros((100_000, 4))
    assert len(pickle.dumps(Block(x[:10]))) < 2000


@pytest.mark.parametrize("name", BLOCKS)
def test_sizes(name):
    block = BLOCKS[name]
    assert block.n == N
    assert block.units == (N if block.lengths is None else len(LENGTHS))
    each = np.ones(block.units) if block.weights is None else block.weights
    by_row = each if block.lengths is None else np.repeat(each, LENGTHS)
    assert block.total_weight == pytest.approx(by_row.sum())
    if block.weights is None:
        assert block.row_weights is None
    else:
        np.testing.assert_array_equal(block.row_weights, by_row)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4], [3, 0], [2, 2, 1], [4]])
def test_taken_units_keep_all_they_have(name, index):
    block = BLOCKS[name]
    found = block.take(index)
    first = np.arange(N) if block.lengths is None else np.cumsum(LENGTHS) - LENGTHS
    size = np.ones(N, dtype=int) if block.lengths is None else LENGTHS
    rows = np.concatenate([np.arange(first[i], first[i] + size[i]) for i in index])
    np.testing.assert_array_equal(found.x, X[rows])
    for array, expected in (("weights", index), ("labels", rows), ("lengths", index)):
        whole = getattr(block, array)
        if whole is None:
            assert getattr(found, array) is None
        else:
            np.testing.assert_array_equal(getattr(found, array), whole[expected])
    assert found.columns == block.columns and found.missing and found.source_rows == block.source_rows


def test_nothing_may_be_taken():
    for block in (BLOCKS["rows"], BLOCKS["sequences"]):
        found = block.take([])
        assert found.n == found.units == 0 and found.x.shape == (0, 2) and found.labels.shape == (0,)


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("cuts", [[2], [1, 3], [1, 2, 3, 4], []])
def test_joined_parts_are_the_whole(name, cuts):
    block = BLOCKS[name]
    bounds = [0, *cuts, block.units]
    parts = [block.take(np.arange(a, b)) for a, b in itertools.pairwise(bounds)]
    assert_same(Block.join(parts), block)


def test_one_block_is_joined_without_a_copy():
    assert Block.join([BLOCKS["rows"]]) is BLOCKS["rows"]


def test_a_join_has_missing_cells_if_a_part_has():
    parts = [Block(X[:2], missing=False), Block(X[4:6], missing=True)]
    assert Block.join(parts).missing and not Block.join(parts[:1] * 2).missing


@pytest.mark.parametrize("name", BLOCKS)
def test_rows_as_a_family_sees_them(name):
    block = BLOCKS[name]
    found = block.rows(slice(2, 7))
    np.testing.assert_array_equal(found.x, X[2:7])
    assert found.x.base is not None  # no copy
    assert found.weights is None and found.lengths is None
    if block.labels is not None:
        np.testing.assert_array_equal(found.labels, block.labels[2:7])
    assert found.columns == block.columns and found.missing == block.missing
    assert found.source_rows == max(block.source_rows, N)  # how much work it is part of


def test_a_block_is_a_part_that_needs_no_reading():
    assert BLOCKS["rows"].read() is BLOCKS["rows"]


# --- sources over blocks ------------------------------------------------------------------------------------------------


@pytest.fixture(params=["rows", "sequences"])
def source(request):
    """Each row holds its own number, so that one sees where it went."""
    n = 400
    x = np.column_stack([np.arange(float(n)), np.ones(n)])
    labels = np.arange(n) % 3
    if request.param == "rows":
        return ArraySource(x, np.arange(n) % 4.0, labels=labels)
    return SequenceSource(x, np.full(40, 10), np.arange(40) % 4.0, labels=labels)


def assert_rows_belong_together(found, source):
    block = found.joined()
    number = np.asarray(block.x)[:, 0].astype(int)
    np.testing.assert_array_equal(block.labels, number % 3)
    unit = number if block.lengths is None else number[np.cumsum(block.lengths) - block.lengths] // 10
    np.testing.assert_array_equal(block.weights, unit % 4.0)
    assert found.columns == source.columns
    assert found.total_weight == pytest.approx(block.total_weight)
    assert found.n_rows == block.n


def test_taken_units(source):
    found = source.take([5, 1, 7])
    assert_rows_belong_together(found, source)
    assert type(found) is type(source)


def test_a_sample_is_of_whole_units_without_those_of_weight_zero(source):
    found = source.sample(100, np.random.default_rng(0))
    assert_rows_belong_together(found, source)
    assert 100 <= found.n_rows <= 110
    number = np.asarray(found.joined().x)[:, 0]
    assert len(np.unique(number)) == len(number) and (np.diff(number) > 0).all()
    assert (np.asarray(found.joined().weights) > 0).all()


def test_a_sample_of_everything_is_the_source_itself(source):
    assert source.sample(400, np.random.default_rng(0)) is source


def test_the_same_generator_draws_the_same_sample(source):
    a, b = (source.sample(50, np.random.default_rng(3)).joined() for _ in range(2))
    assert_same(a, b)


def test_a_sequence_longer_than_the_sample_gives_one_stretch():
    source = SequenceSource(np.arange(1000.0)[:, None], labels=np.arange(1000) % 7, weights=[2.0])
    block = source.sample(100, np.random.default_rng(0)).joined()
    number = block.x[:, 0]
    assert block.lengths.tolist() == [100] and (np.diff(number) == 1).all()
    np.testing.assert_array_equal(block.labels, number % 7)
    assert block.weights.tolist() == [2.0]


def test_a_source_of_given_blocks():
    blocks = [BLOCKS["sequences"].take([0, 1]), BLOCKS["sequences"].take([2, 3, 4])]
    source = BlockSource(blocks)
    assert source.n_rows == N and source.columns == COLUMNS and source.n_features == 2
    assert source.total_weight == pytest.approx(BLOCKS["sequences"].total_weight)
    assert_same(source.joined(), BLOCKS["sequences"])
    assert list(source) == list(source.parts()) == blocks  # as often as one likes
    assert BlockSource([Block(X)]).columns == Columns.numbered(2)
    assert source.place(3) == "row 3" and source.user_row(3) == 3
