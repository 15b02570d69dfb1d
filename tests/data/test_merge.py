"""Rows that occur again and again are merged into weights: nothing changes but the time."""

import numpy as np
import pytest

import emkit
from emkit import ArraySource
from emkit.data.merge import merge

RNG = np.random.default_rng(3)
FEW = RNG.integers(0, 3, (2000, 3)).astype(float)
HOLES = np.where(RNG.random(FEW.shape) < 0.1, np.nan, FEW)


@pytest.mark.parametrize("x", [FEW, HOLES, FEW.astype(np.float32)], ids=["complete", "holes", "float32"])
@pytest.mark.parametrize("weights", [None, RNG.random(2000)], ids=["plain", "weighted"])
def test_each_set_of_equal_rows_has_their_weight(x, weights):
    first, total = merge(x, weights)
    assert (np.diff(first) > 0).all()
    merged = {row.tobytes(): w for row, w in zip(x[first], total, strict=True)}
    assert len(merged) == len(first)
    counted = {}
    for row, w in zip(x, np.ones(len(x)) if weights is None else weights, strict=True):
        counted[row.tobytes()] = counted.get(row.tobytes(), 0.0) + w
    assert merged.keys() == counted.keys()
    np.testing.assert_allclose([merged[key] for key in counted], list(counted.values()), rtol=1e-12)


@pytest.mark.parametrize(
    "x", [RNG.normal(size=(2000, 2)), FEW[:400], np.repeat(RNG.normal(size=(1001, 1)), 2, axis=0)[:2000]],
    ids=["all distinct", "few rows", "half distinct"],
)  # fmt: skip
def test_what_does_not_pay_is_left_as_it_is(x):
    assert merge(x, None) is None
    source = ArraySource(x)
    assert source.distinct() is source


def test_zero_and_minus_zero_are_one_value():
    x = np.tile([[0.0], [-0.0], [1.0]], (300, 1))
    assert len(merge(x, None)[0]) == 2


def test_known_labels_keep_their_rows():
    source = ArraySource(FEW, labels=np.zeros(len(FEW), dtype=int))
    assert source.distinct() is source


def test_messages_name_rows_as_they_were_given():
    merged = ArraySource(np.concatenate([np.zeros((600, 1)), np.ones((600, 1))])).distinct()
    assert merged.n_rows == 2 and merged.total_weight == 1200 and merged.place(1) == "row 600"


def test_a_fit_is_what_it_was_without_merging():
    model = emkit.Mixture(2, "categorical", random_state=0, n_init=1).fit(HOLES)
    rows = ArraySource(HOLES)
    plain = emkit.fit(
        emkit.FiniteMixture(emkit.Categorical(), 2), rows, executor=emkit.Threads(1), starts=[model.result_.params], tol=1e-3
    )
    assert model.result_.n_rows == 2000 and model.result_.total_weight == 2000
    assert plain.log_likelihood == pytest.approx(model.result_.log_likelihood, abs=1e-2)
    result = model.result_
    assert model.score(HOLES) * 2000 == pytest.approx(result.log_likelihood, rel=1e-14)
    each = emkit.core.model.Infer(result.model, result.params, "log_likelihood")(rows.joined()).log_likelihood
    assert each.sum() == pytest.approx(result.log_likelihood, rel=1e-12)
    assert model.predict(HOLES).shape == (2000,)
    assert "2000 rows" in model.summary()
