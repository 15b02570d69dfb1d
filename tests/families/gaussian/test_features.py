"""The Gaussian E-step by features against the same by differences from each mean, which loses no digits."""

import numpy as np
import pytest

from emkit.core.block import Block
from emkit.data.rows import ArraySource
from emkit.families.gaussian.family import Gaussian
from emkit.families.gaussian.features import Expansion, Features, product_log_prob, product_pass, product_stats
from emkit.families.gaussian.params import GaussianParams
from emkit.families.gaussian.road import road
from emkit.families.gaussian.shapes import COVARIANCE_TYPES

N, D, K = 1500, 3, 3
LOG_WEIGHTS = np.log([0.2, 0.3, 0.5])


def problem(kind, *, units=1.0, offset=0.0, dtype=np.float64, apart=3.0, seed=0):
    """A family, parameters near the truth, and rows of three groups."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.0, 0.0, 0.0], [1.0, 0.5, -1.0], [-1.0, 1.0, 0.5]]) * apart
    x = means[rng.integers(K, size=N)] + rng.standard_normal((N, D)) @ (np.eye(D) + 0.3 * rng.standard_normal((D, D)))
    x = (x * units + offset).astype(dtype)
    shape = COVARIANCE_TYPES[kind]
    form = shape.form(K, D)
    variances = rng.uniform(0.7, 1.5, form[:2] if not shape.matrix else (form[0], D))
    if shape.matrix:
        sd = np.sqrt(variances)
        covariances = sd[:, :, None] * sd[:, None, :] * (0.3 + 0.7 * np.eye(D))
        covariances = covariances * np.outer(np.broadcast_to(units, D), np.broadcast_to(units, D))
    else:
        covariances = variances * (np.mean(np.square(units)) if shape.pooled else np.square(np.broadcast_to(units, D)))
    params = GaussianParams((means + 0.1) * units + offset, covariances)
    return Gaussian(kind), params, x


def expansion(params, x):
    block = Block(x)
    features = Features.of(params, block)
    assert features is not None
    return Expansion.of(features, params), block


def assert_same_stats(found, expected, params):
    """To ten digits of what each is a sum of: counts, first moments in standard deviations, second ones in variances."""
    c = params.covariances
    sd = np.sqrt(np.diagonal(c, axis1=1, axis2=2) if c.ndim == 3 else c)
    np.testing.assert_allclose(found.counts, expected.counts, rtol=1e-10)
    np.testing.assert_allclose(found.first / sd, expected.first / sd, rtol=0, atol=1e-10 * N)
    if expected.second is None:
        assert found.second is None
        return
    assert found.second.shape == expected.second.shape
    unit = sd[:, :, None] * sd[:, None, :] if c.ndim == 3 else sd**2
    np.testing.assert_allclose(found.second / unit, expected.second / unit, rtol=1e-10, atol=1e-10 * N)
    np.testing.assert_array_equal(found.pivot, expected.pivot)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_pass_is_the_exact_pass(kind, weighted, dtype):
    family, params, x = problem(kind, dtype=dtype)
    weights = np.random.default_rng(1).integers(0, 3, N).astype(dtype) if weighted else None
    block = Block(x, weights)
    taken, _ = road(params, block, LOG_WEIGHTS)
    assert taken is not None
    found = product_pass(taken, LOG_WEIGHTS, block, True)
    exact = family.plain_pass(params, LOG_WEIGHTS, block)
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)
    np.testing.assert_allclose(found.counts, exact.counts, rtol=1e-10)
    assert_same_stats(found.stats, exact.stats, params)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_rows_and_responsibilities(kind):
    family, params, x = problem(kind)
    taken, block = expansion(params, x)
    found = product_pass(taken, LOG_WEIGHTS, block, True, rows=True, responsibilities=True)
    exact = family.plain_pass(params, LOG_WEIGHTS, block, rows=True, responsibilities=True)
    np.testing.assert_allclose(found.rows, exact.rows, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.responsibilities, exact.responsibilities, rtol=1e-10, atol=1e-14)
    assert found.log_likelihood == product_pass(taken, LOG_WEIGHTS, block, True).log_likelihood  # score is what the fit reported


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
@pytest.mark.parametrize("with_second", [False, True])
def test_the_two_halves_of_an_hmms_e_step(kind, with_second):
    fixed = {} if with_second else {"covariances": 1.0}
    family, params, x = problem(kind)
    family = Gaussian(kind, fixed=fixed)
    taken, block = expansion(params, x)
    room = np.empty((N, K))
    assert product_log_prob(taken, room) is room
    np.testing.assert_allclose(room, family.log_prob(params, x), rtol=1e-12, atol=1e-12)
    resp = np.random.default_rng(2).dirichlet(np.ones(K), N)
    found = product_stats(taken, resp, with_second)
    exact = super(Gaussian, family).stats_block(params, block, resp)
    assert_same_stats(found, exact if with_second else type(exact)(exact.counts, exact.first, None, exact.pivot), params)


UNITS = [
    (units, kind)
    for units in (1e-6, 1.0, 1e6, np.array([1e-6, 1.0, 1e6]))
    for kind, shape in COVARIANCE_TYPES.items()
    if not (shape.pooled and np.ndim(units))  # one variance says nothing of columns in different units
]


@pytest.mark.parametrize(("units", "kind"), UNITS, ids=str)
def test_units_do_not_matter(units, kind):
    family, params, x = problem(kind, units=units)
    block = Block(x)
    taken, _ = road(params, block, LOG_WEIGHTS)
    assert taken is not None
    found, exact = product_pass(taken, LOG_WEIGHTS, block, True), family.plain_pass(params, LOG_WEIGHTS, block)
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-11)
    assert_same_stats(found.stats, exact.stats, params)


@pytest.mark.parametrize("kind", COVARIANCE_TYPES)
def test_far_from_the_origin(kind):
    """Rows at 1e8 with a spread of 1: what counts is the distance from the pivot."""
    family, params, x = problem(kind, offset=1e8)
    block = Block(x)
    taken, _ = road(params, block, LOG_WEIGHTS)
    assert taken is not None
    found, exact = product_pass(taken, LOG_WEIGHTS, block, True), family.plain_pass(params, LOG_WEIGHTS, block)
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-11)
    assert_same_stats(found.stats, exact.stats, params)


@pytest.mark.parametrize("kind", ["full", "diag", "spherical"])
def test_a_component_close_to_a_point_is_left_to_the_exact_pass(kind):
    """However small its weight: the moments of a component that narrow would be lost, and with them its next variance."""
    family, params, x = problem(kind)
    covariances = params.covariances.copy()
    covariances[1] *= 1e-9
    narrow = GaussianParams(params.means, covariances)
    block = Block(x)
    rare = np.log([0.4999999, 2e-7, 0.4999999])
    assert road(narrow, block, rare) == (None, False)
    found, exact = family.joint_pass(narrow, rare, block), family.plain_pass(narrow, rare, block)
    assert found.log_likelihood == exact.log_likelihood


def test_far_groups_are_left_to_the_exact_pass():
    """A common rounding of all rows of a group, which adds up, must stay below what counts as a fall of the objective."""
    _, params, x = problem("full", apart=1e3)
    assert road(params, Block(x), LOG_WEIGHTS) == (None, False)


def test_a_sliver_is_not():
    """A component of 1 % of the rows, fifty times narrower than the columns, costs the log-likelihood no digits."""
    family, params, x = problem("full")
    covariances = params.covariances.copy()
    covariances[1] *= 0.05**2
    sliver, rare = GaussianParams(params.means, covariances), np.log([0.495, 0.01, 0.495])
    block = Block(x)
    taken, _ = road(sliver, block, rare)
    assert taken is not None
    found, exact = product_pass(taken, rare, block, True), family.plain_pass(sliver, rare, block)
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)


def test_columns_that_are_nearly_the_same():
    """What their precisions cancel counts: a correlation of 1 - 1e-9 is too much."""
    _, params, x = problem("full")
    covariances = params.covariances.copy()
    covariances[:, 0, 1] = covariances[:, 1, 0] = (1.0 - 1e-9) * np.sqrt(covariances[:, 0, 0] * covariances[:, 1, 1])
    covariances[:, 0, 2] = covariances[:, 2, 0] = covariances[:, 1, 2] = covariances[:, 2, 1] = 0.0
    assert road(GaussianParams(params.means, covariances), Block(x), LOG_WEIGHTS) == (None, False)


def test_rows_far_from_everything():
    """An outlier loses what is small beside its own log density, no more than by differences; one too large to square is left to
    them.
    """
    family, params, x = problem("full")
    x[0] = 1e4
    block = Block(x)
    taken, _ = road(params, block, LOG_WEIGHTS)
    assert taken is not None
    rows = product_pass(taken, LOG_WEIGHTS, block, True, rows=True).rows
    np.testing.assert_allclose(rows, family.plain_pass(params, LOG_WEIGHTS, block, rows=True).rows, rtol=1e-12, atol=1e-10)
    x[0] = 1e200
    assert Features.of(params, Block(x)) is None


def test_missing_cells_are_left_to_their_own_pass():
    _, params, x = problem("full")
    x[3, 1] = np.nan
    assert road(params, Block(x, missing=True)) == (None, False)
    assert Features.of(params, Block(x)) is None  # nobody said so, but it is seen


def test_a_component_of_weight_zero():
    family, params, x = problem("full")
    taken, block = expansion(params, x)
    with np.errstate(divide="ignore"):
        empty = np.log([0.0, 0.4, 0.6])
    found, exact = product_pass(taken, empty, block, True), family.plain_pass(params, empty, block)
    assert found.counts[0] == 0.0
    assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-12)
    assert_same_stats(found.stats, exact.stats, params)


def test_made_once_for_a_block_and_not_sent():
    import pickle

    _, params, x = problem("full")
    block = Block(x)
    assert Features.of(params, block) is Features.of(GaussianParams(params.means + 1.0, params.covariances), block)
    assert "kept" not in pickle.loads(pickle.dumps(block)).__dict__


def test_changed_rows_are_read_anew():
    """Features stay with the block, not with the array: a second fit of an array that was changed in between sees the change."""
    from emkit import GaussianMixture

    _, _, x = problem("full")
    means = []
    for _ in range(2):
        means.append(np.sort(GaussianMixture(1).fit(x).means_.ravel()))
        x += 5.0
    np.testing.assert_allclose(means[1], means[0] + 5.0)


def test_the_split_into_slices_is_a_function_of_shape():
    _, params, x = problem("full")
    taken, _ = expansion(params, x)
    parts = list(taken.features.slices(40))
    assert len(parts) > 1
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]] and parts[-1].stop == N


def test_too_many_rows_for_memory():
    assert Features.of(problem("full")[1], Block(np.zeros((10, D)), source_rows=10**6)) is None


def test_fits_never_fall():
    """With tol=0 a fall beyond rounding would end a run: a hundred iterations beyond the optimum, none does."""
    from emkit import GaussianMixture, StopReason

    for seed in range(6):
        kind = list(COVARIANCE_TYPES)[seed]
        _, _, x = problem(kind, apart=2.0 + seed, seed=seed)
        model = GaussianMixture(K, covariance_type=kind, tol=0, max_iter=150, n_init=1, random_state=seed).fit(x[:400])
        assert model.result_.reason is StopReason.MAX_ITER
        assert model.score(x[:400]) * 400 == pytest.approx(model.result_.log_likelihood, rel=1e-15)


def test_the_source_of_a_fit_takes_features():
    source = ArraySource(problem("full")[2])
    assert road(problem("full")[1], source.blocks[0], LOG_WEIGHTS)[0] is not None
