"""Params and Stats: frozen dataclasses that know their arrays' names, and how to add up."""

from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import numpy as np
import pytest

from emkit import Params, Stats


@dataclass(frozen=True)
class Leaf(Stats):
    total: np.ndarray
    label: np.ndarray = field(metadata={"additive": False})
    extra: np.ndarray | None = None


@dataclass(frozen=True)
class Tree(Stats):
    count: Any
    leaf: Leaf
    leaves: tuple[Leaf, ...]


def tree(x: float = 1.0) -> Tree:
    def leaf(y):
        return Leaf(np.array([[y, 2 * y]]), np.array([7.0]))

    return Tree(x, leaf(x), (leaf(10 * x), leaf(100 * x)))


def test_addition_goes_all_the_way_down():
    total = tree(1.0) + tree(2.0)
    assert total.count == 3.0
    assert total.leaf.total.tolist() == [[3, 6]]
    assert total.leaves[1].total.tolist() == [[300, 600]]
    assert total.leaf.label.tolist() == [7.0]  # a label is shared, not added
    assert total.leaf.extra is None


def test_scaling():
    assert (tree() * 2.0).pack().tolist() == (2.0 * tree()).pack().tolist() == [2, 2, 4, 20, 40, 200, 400]


def test_pack_leaves_labels_out_and_unpack_puts_them_back():
    vector = tree(3.0).pack()
    assert vector.dtype == np.float64 and len(vector) == 7
    back = tree(1.0).unpack(vector)
    assert back.pack().tolist() == vector.tolist()
    assert back.leaf.total.shape == (1, 2) and back.leaf.label.tolist() == [7.0]


def test_a_nested_record_keeps_its_own_addition():
    @dataclass(frozen=True)
    class Largest(Stats):
        value: float

        def __add__(self, other):
            return Largest(max(self.value, other.value))

    @dataclass(frozen=True)
    class Outer(Stats):
        inner: Largest
        many: tuple[Largest, ...]

    total = Outer(Largest(1.0), (Largest(5.0),)) + Outer(Largest(3.0), (Largest(2.0),))
    assert total.inner.value == 3.0 and total.many[0].value == 5.0


def test_names_of_arrays():
    flat = tree().flatten()
    assert list(flat) == [
        "count", "leaf.total", "leaf.label", "leaves.0.total", "leaves.0.label", "leaves.1.total", "leaves.1.label",
    ]  # fmt: skip
    back = tree(0.0).replace_arrays(flat)
    assert back.flatten().keys() == flat.keys()
    assert all(np.array_equal(back.flatten()[name], value) for name, value in flat.items())
    assert back.count == 1.0 and np.ndim(back.count) == 0


def test_records_are_frozen():
    @dataclass(frozen=True)
    class Point(Params):
        x: np.ndarray

    with pytest.raises(FrozenInstanceError):
        Point(np.zeros(1)).x = np.ones(1)
