"""Params and Stats: frozen dataclasses that know their arrays' names, and how to add up."""

import pickle
from dataclasses import FrozenInstanceError, dataclass, field
from typing import Any

import numpy as np
import pytest

from emkit import ArraySource, Block, FiniteMixture, Gaussian, MultivariateT, ParameterError, Params, Poisson, Stats, StudentT
from emkit.core.model import EStep
from emkit.models.mixture import MixtureParams


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


def test_fields_may_be_given_by_name_only():
    @dataclass(frozen=True, kw_only=True)
    class Named(Stats):
        total: np.ndarray
        count: float

    both = Named(total=np.ones(2), count=1.0)
    for found in (both + both, both * 2.0, both.blended(1.0, both, 1.0)):
        assert found.total.tolist() == [2.0, 2.0] and found.count == 2.0


def test_scaling():
    assert (tree() * 2.0).pack().tolist() == (2.0 * tree()).pack().tolist() == [2, 2, 4, 20, 40, 200, 400]


def test_pack_leaves_labels_out_and_unpack_wants_them_back():
    sent = tree(3.0)
    vector = sent.pack()
    assert vector.dtype == np.float64 and len(vector) == 7
    back = tree(1.0).unpack(vector, sent.labels())
    assert back.pack().tolist() == vector.tolist()
    assert back.leaf.total.shape == (1, 2) and back.leaf.label.tolist() == [7.0]


def test_unpacked_statistics_have_the_labels_they_were_packed_with_whatever_they_are_unpacked_like():
    """Moments about the means of one iteration, unpacked like those of an earlier one, are about the former still."""
    model, x = Gaussian(), np.array([[0.0], [1.0], [5.0]])
    then, now = (model.null(1, 1).replace_arrays({"means": [[at]], "covariances": [[[1.0]]]}) for at in (0.0, 2.0))
    earlier, sent = (model.stats(params, x, np.ones((3, 1))) for params in (then, now))
    back = earlier.unpack(sent.pack(), sent.labels())
    assert back.pivot.tolist() == [[2.0]]
    assert (back + earlier).about(then.means).first.tolist() == [[12.0]]  # twice the sum of x
    with pytest.raises(ParameterError, match="labels none belong to other statistics"):
        earlier.unpack(sent.pack(), {})
    with pytest.raises(ParameterError, match=r"shape \(2,\)"):
        earlier.unpack(sent.pack()[1:], sent.labels())


def test_pickles_hold_fields_only():
    """What is sent to a worker each iteration: no factors, no tables that were computed on the way."""
    params = Gaussian().null(16, 16).replace_arrays({"means": np.zeros((16, 16)), "covariances": np.stack([np.eye(16)] * 16)})
    before = len(pickle.dumps(params))
    assert params.whitener is not None and params.float32 is not None and params.kept == {}
    assert len(pickle.dumps(params)) == before < 36_000
    step = EStep(FiniteMixture(Gaussian(), 16), MixtureParams(np.full(16, 1 / 16), params))
    assert len(pickle.dumps(step)) < 40_000


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

    one, other = Outer(Largest(1.0), (Largest(5.0),)), Outer(Largest(3.0), (Largest(2.0),))
    total = one + other
    assert total.inner.value == 3.0 and total.many[0].value == 5.0
    total = one.blended(2.0, other, 0.5)
    assert total.inner.value == 2.0 and total.many[0].value == 10.0


@pytest.mark.parametrize("family", [Gaussian(), Gaussian("diag"), MultivariateT(), Poisson(), StudentT()], ids=repr)
def test_blending_is_weighting_and_adding_whatever_the_labels(family):
    """Moments about different pivots come to moments about one."""
    rng = np.random.default_rng(0)
    x = rng.poisson(4.0, size=(300, 2)).astype(float)
    source = ArraySource(x)
    model = FiniteMixture(family, 2).resolve(source)
    params = model.init(source, rng)
    one = model.e_step(params, Block(x[:100]))[0]
    other = model.e_step(model.m_step(one, params), Block(x[100:]))[0]
    blended, expected = one.blended(0.25, other, 3.0), one * 0.25 + other * 3.0
    for name, value in expected.flatten().items():
        np.testing.assert_allclose(blended.flatten()[name], value, rtol=1e-13, atol=1e-11)


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
