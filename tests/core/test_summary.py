"""What one pass tells of each column: NumPy's moments, in any grouping of blocks, with missing cells and weights."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emkit import ArraySource, SequenceSource
from emkit.core import summary as module
from emkit.core.summary import robust_variance, summarise

FIELDS = ("weight", "mean", "scatter", "low", "high", "whole", "rows", "hashes", "row_weights")


def data(seed, n=200, d=3, missing=0.2, weighted=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d)) * np.array([1.0, 1e3, 1e-3])[:d] + np.array([0.0, 1e6, 5.0])[:d]
    x[rng.random(x.shape) < missing] = np.nan
    x[:, -1] = np.round(1e3 * x[:, -1])
    return x, rng.integers(0, 4, size=n).astype(float) if weighted else None


def part(x, weights, rows):
    return summarise(x[rows], None if weights is None else weights[rows], rows.start)


def assert_same(a, b, rtol=1e-12):
    for name in FIELDS:
        left, right = getattr(a, name), getattr(b, name)
        if left is None or right is None:
            assert left is right, name
        elif name in ("mean", "scatter"):
            np.testing.assert_allclose(left, right, rtol=rtol, err_msg=name)
        elif name == "weight":
            np.testing.assert_allclose(left, right, rtol=1e-14)
        else:
            order_a, order_b = np.argsort(a.hashes), np.argsort(b.hashes)
            sample = name in ("rows", "hashes", "row_weights")
            np.testing.assert_array_equal(left[order_a] if sample else left, right[order_b] if sample else right, err_msg=name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_moments_and_ranges_are_numpys(missing, weighted):
    x, weights = data(0, missing=missing, weighted=weighted)
    found = summarise(x, weights)
    w = np.ones(len(x)) if weights is None else weights
    for j, column in enumerate(x.T):
        seen = ~np.isnan(column)
        mean = np.average(column[seen], weights=w[seen])
        assert found.weight[j] == pytest.approx(w[seen].sum())
        assert found.mean[j] == pytest.approx(mean, rel=1e-14)
        assert found.variance[j] == pytest.approx(np.average((column[seen] - mean) ** 2, weights=w[seen]), rel=1e-10)
        assert (found.low[j], found.high[j]) == (column[seen].min(), column[seen].max())
    assert found.whole.tolist() == [False, False, True]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(1, 199), max_size=6, unique=True), weighted=st.booleans())
def test_any_split_in_any_grouping(seed, cuts, weighted):
    x, weights = data(seed, weighted=weighted)
    bounds = [0, *sorted(cuts), 200]
    parts = [part(x, weights, slice(a, b)) for a, b in itertools.pairwise(bounds)]
    whole = summarise(x, weights)
    from_left, from_right = parts[0], parts[-1]
    for each in parts[1:]:
        from_left = from_left + each
    for each in parts[-2::-1]:
        from_right = each + from_right
    pairs = list(parts)
    while len(pairs) > 1:
        pairs = [sum(pairs[i + 1 : i + 2], pairs[i]) for i in range(0, len(pairs), 2)]
    for total in (from_left, from_right, pairs[0]):
        assert_same(total, whole, rtol=1e-9)
        np.testing.assert_allclose(total.spread, whole.spread, rtol=1e-9)


def test_far_from_the_origin_nothing_cancels():
    """Mean 1e9, sd 1: sums of squares would have no digit left."""
    x = 1e9 + np.random.default_rng(0).normal(size=(10_000, 1))
    total = part(x, None, slice(0, 3000)) + part(x, None, slice(3000, 10_000))
    assert total.variance[0] == pytest.approx(np.var(x), rel=1e-6)
    x[0] = 1e15  # an outlier as the first value, about which moments are taken first
    assert summarise(x, None).scatter[0] == pytest.approx(np.var(x) * len(x), rel=1e-9)


def test_a_column_without_values():
    nothing = summarise(np.full((5, 1), np.nan), None)
    assert (nothing.weight[0], nothing.mean[0], nothing.scatter[0]) == (0.0, 0.0, 0.0)
    assert (nothing.low[0], nothing.high[0]) == (np.inf, -np.inf)
    assert np.isnan(nothing.variance[0])
    something = summarise(np.arange(4.0)[:, None], None, 5)
    for total in (nothing + something, something + summarise(np.full((5, 1), np.nan), None, 9)):
        assert total.mean[0] == 1.5 and total.variance[0] == pytest.approx(1.25)
        assert (total.low[0], total.high[0], total.whole[0]) == (0.0, 3.0, True)


def test_rows_of_weight_zero_do_not_count():
    x = np.array([[1.0], [3.0], [100.0]])
    found = summarise(x, np.array([1.0, 1.0, 0.0]))
    assert found.mean[0] == 2.0 and found.variance[0] == pytest.approx(1.0)
    nobody = summarise(x[2:], np.zeros(1), 3) + summarise(x[:2], np.ones(2), 1)
    assert nobody.mean[0] == 2.0 and nobody.variance[0] == pytest.approx(1.0)


@pytest.mark.parametrize("n", [5, 8, 37])
def test_weight_two_is_the_row_twice(n):
    """Moments and quartiles of small data."""
    rng = np.random.default_rng(n)
    x = np.round(rng.normal(size=(n, 2)), 1)
    x[rng.random(x.shape) < 0.2] = np.nan
    weights = rng.integers(0, 4, size=n)
    once, twice = summarise(x, weights.astype(float)), summarise(np.repeat(x, weights, axis=0), None)
    np.testing.assert_allclose(once.mean, twice.mean, rtol=1e-13)
    np.testing.assert_allclose(once.variance, twice.variance, rtol=1e-13)
    np.testing.assert_allclose(once.spread, twice.spread, rtol=1e-13)


# --- the sample of rows -----------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch):
    """A sample of 50 rows, so that small data are sampled."""
    monkeypatch.setattr(module, "_LEAST_ROWS", 50)
    monkeypatch.setattr(module, "_MOST_ROWS", 50)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cuts", [[], [10], [49, 50, 51], [999], list(range(100, 1000, 100)), [3, 970]])
def test_the_sample_does_not_depend_on_blocks(cuts, weighted, few):
    """Rows are chosen by a hash of their number in the data."""
    x, weights = data(1, 1000, weighted=weighted)
    whole = summarise(x, weights)
    bounds = [0, *cuts, 1000]
    parts = [part(x, weights, slice(a, b)) for a, b in itertools.pairwise(bounds)]
    total = parts[0]
    for each in parts[1:]:
        total = total + each
    assert len(total.rows) == len(whole.rows) == 50
    assert_same(total, whole, rtol=1e-9)
    np.testing.assert_allclose(total.spread, whole.spread, rtol=1e-9)


def test_sampled_rows_are_rows_of_the_data_spread_over_it(few):
    x = np.arange(1000.0)[:, None]
    found = np.sort(summarise(x, None).rows[:, 0])
    assert len(np.unique(found)) == 50
    assert 300 < np.median(found) < 700 and found[0] < 150 and found[-1] > 850


def test_small_data_are_kept_whole_and_not_copied():
    x = data(2)[0]
    assert summarise(x, None).rows is x


def test_a_source_gathers_it_once_whatever_its_blocks():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(150_000, 2))
    x[rng.random(x.shape) < 0.1] = np.nan
    source = ArraySource(x)
    assert len(source.parts()) > 1
    assert source.summary is source.summary
    whole = summarise(x, None)
    assert_same(source.summary, whole, rtol=1e-10)
    np.testing.assert_allclose(source.summary.spread, whole.spread, rtol=1e-10)
    back = pickle.loads(pickle.dumps(source))
    assert_same(back.summary, source.summary, rtol=0)


def test_of_sequences_each_step_has_its_sequences_weight():
    x = np.arange(6.0)[:, None]
    summary = SequenceSource(x, [2, 4], [3.0, 1.0]).summary
    assert summary.weight[0] == 10.0
    assert summary.mean[0] == pytest.approx((3 * (0 + 1) + 2 + 3 + 4 + 5) / 10)


# --- a variance that outliers cannot inflate ----------------------------------------------------------------------------


def test_of_a_normal_distribution_it_is_the_variance():
    x = 3.0 * np.random.default_rng(0).normal(size=50_000)
    assert robust_variance(x, None, float(x.var())) == pytest.approx(9.0, rel=0.05)


def test_an_outlier_does_not_matter():
    x = np.random.default_rng(0).normal(size=1000)
    without = robust_variance(x, None, float(x.var()))
    x[0] = 1e12
    assert robust_variance(x, None, float(x.var())) == pytest.approx(without, rel=0.05)


@pytest.mark.parametrize("cuts", [[], [3], [2, 5]])
def test_values_too_large_to_square(cuts):
    """Nothing is raised here: variances are infinite, and the family says which column."""
    x = np.column_stack([np.linspace(-1e200, 1e200, 8), np.arange(8.0)])
    bounds = [0, *cuts, 8]
    parts = [part(x, None, slice(a, b)) for a, b in itertools.pairwise(bounds)]
    total = sum(parts[1:], parts[0])
    assert total.variance.tolist() == [np.inf, pytest.approx(5.25)]
    assert total.spread[0] == np.inf and total.mean[1] == 3.5


def test_where_quartiles_say_nothing_the_variance_does():
    x = np.array([0.0] * 9 + [10.0])
    assert robust_variance(x, None, float(x.var())) == x.var()
    assert robust_variance(np.full(3, np.nan), None, 2.0) == 2.0
    assert robust_variance(np.arange(4.0), np.zeros(4), 2.0) == 2.0
