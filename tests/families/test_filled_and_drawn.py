"""Missing cells filled in and drawn by families, against formulas written out and against long-run averages."""

import numpy as np
import pytest

from emkit import (
    ArraySource,
    Bernoulli,
    Categorical,
    CategoricalByGroup,
    Custom,
    Gaussian,
    Mixed,
    Multinomial,
    MultivariateT,
    ParameterError,
    PerColumn,
    Poisson,
    Tied,
    VariationalGaussian,
    WithNoise,
)

NAN = np.nan
MANY = 40_000


def resolved(family, x, k):
    return family.resolve(ArraySource(np.asarray(x, dtype=float)), k)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def conditional(mean, covariance, row):
    """Mean and covariance of the missing cells of a row given the others, by the formula of every textbook."""
    m, o = np.isnan(row), ~np.isnan(row)
    gain = covariance[np.ix_(m, o)] @ np.linalg.inv(covariance[np.ix_(o, o)])
    return mean[m] + gain @ (row[o] - mean[o]), covariance[np.ix_(m, m)] - gain @ covariance[np.ix_(o, m)]


@pytest.fixture(params=["full", "tied"])
def normal(request, rng):
    """Two correlated normal distributions over three columns: family, Params, means, matrices."""
    family = Gaussian(request.param)
    roots = rng.normal(size=(2 if request.param == "full" else 1, 3, 3))
    matrices = roots @ np.swapaxes(roots, 1, 2) + 0.3 * np.eye(3)
    means = rng.normal(size=(2, 3))
    return family, family.Params(means, matrices), means, np.broadcast_to(matrices, (2, 3, 3))


ROWS = np.array([[1.0, NAN, 0.5], [NAN, -1.0, NAN], [0.2, 0.4, 2.0], [NAN, NAN, NAN]])


def test_a_correlated_gaussian_fills_in_conditional_means(normal, rng):
    family, params, means, matrices = normal
    resp = rng.dirichlet([1.0, 1.0], size=len(ROWS))
    filled = family.filled(params, ROWS, resp)
    for row, new, r in zip(ROWS, filled, resp, strict=True):
        gone = np.isnan(row)
        np.testing.assert_array_equal(new[~gone], row[~gone])
        expected = sum(r[k] * conditional(means[k], matrices[k], row)[0] for k in range(2))
        np.testing.assert_allclose(new[gone], expected, rtol=1e-12)


def test_a_correlated_gaussian_draws_with_conditional_moments(normal, rng):
    family, params, means, matrices = normal
    for row in ROWS[[0, 1, 3]]:
        gone = np.isnan(row)
        x = np.broadcast_to(row, (2 * MANY, 3))
        draws = family.drawn(params, x, np.repeat([0, 1], MANY), rng)
        np.testing.assert_array_equal(draws[:, ~gone], x[:, ~gone])
        for k, mine in enumerate(np.split(draws[:, gone], 2)):
            mean, covariance = conditional(means[k], matrices[k], row)
            scale = np.sqrt(np.diag(covariance))
            np.testing.assert_allclose(mine.mean(axis=0) / scale, mean / scale, atol=5 / np.sqrt(MANY))
            np.testing.assert_allclose(np.cov(mine.T, ddof=0).reshape(covariance.shape), covariance, atol=0.05 * scale.max() ** 2)


def test_uncorrelated_columns_get_means_weighted_by_responsibilities():
    family = Gaussian("diag")
    params = family.Params(np.array([[0.0, 1.0], [10.0, 5.0]]), np.ones((2, 2)))
    filled = family.filled(params, np.array([[NAN, 3.0]]), np.array([[0.25, 0.75]]))
    np.testing.assert_allclose(filled, [[7.5, 3.0]])
    rates = Poisson.Params(np.array([[2.0], [4.0]]))
    np.testing.assert_allclose(Poisson().filled(rates, np.array([[NAN]]), np.array([[0.5, 0.5]])), [[3.0]])


def test_categories_and_binary_cells_get_the_most_probable_level(rng):
    probs = np.array([[[0.5, 0.3, 0.2], [0.6, 0.4, 0.0]], [[0.0, 0.4, 0.6], [0.1, 0.9, 0.0]]])
    family, params = Categorical(), Categorical.Params(probs)
    x = np.array([[NAN, 1.0], [NAN, NAN], [2.0, NAN]])
    resp = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    # In row 1 symbol 2 has 0.4 and symbol 1 has 0.35: the mode of the mixture, not of its likelier component.
    np.testing.assert_array_equal(family.filled(params, x, resp), [[0, 1], [2, 1], [2, 1]])
    draws = family.drawn(params, np.full((MANY, 2), NAN), np.ones(MANY, dtype=int), rng)
    np.testing.assert_allclose(np.bincount(draws[:, 0].astype(int), minlength=3) / MANY, probs[1, 0], atol=0.015)
    bernoulli = Bernoulli.Params(np.array([[0.2], [0.9]]))
    filled = Bernoulli().filled(bernoulli, np.full((3, 1), NAN), np.array([[1.0, 0.0], [0.0, 1.0], [0.7, 0.3]]))
    np.testing.assert_array_equal(filled, [[0], [1], [0]])


def test_parts_of_a_table_fill_in_their_own_columns(rng):
    x = np.column_stack([rng.poisson(3.0, 50), rng.normal(size=(50, 2)), rng.integers(2, size=50)])
    family = resolved(PerColumn({0: Poisson(), (2, 1): Gaussian("full"), 3: Categorical()}), x, 2)
    params = family.from_partition(x, np.eye(2)[np.arange(50) % 2], rng)
    holes = np.where(rng.random(x.shape) < 0.4, NAN, x)
    resp = rng.dirichlet([1.0, 1.0], size=50)
    filled = family.filled(params, holes, resp)
    np.testing.assert_array_equal(filled[:, [2, 1]], family.parts[1].family.filled(params.parts[1], holes[:, [2, 1]], resp))
    drawn = family.drawn(params, holes, np.arange(50) % 2, rng)
    for new in (filled, drawn):
        assert not np.isnan(new).any()
        np.testing.assert_array_equal(new[~np.isnan(holes)], holes[~np.isnan(holes)])
    assert family.column_words(4) == ["poisson", "gaussian", "gaussian", "categorical"]


def test_a_mixture_as_a_family_uses_its_parts_responsibilities(rng):
    """Parts that the observed cell tells apart."""
    family = Mixed(Gaussian("diag"), 2)
    parts = Gaussian.Params(np.array([[0.0, 0.0], [100.0, 50.0], [0.0, 7.0], [100.0, 9.0]]), np.ones((4, 2)))
    params = family.Params(np.array([[0.5, 0.5], [0.5, 0.5]]), parts)
    x = np.array([[0.0, NAN], [100.0, NAN]])
    np.testing.assert_allclose(family.filled(params, x, np.array([[0.5, 0.5], [0.0, 1.0]])), [[0.0, 3.5], [100.0, 9.0]], atol=1e-9)
    draws = family.drawn(params, np.repeat(x, 500, axis=0), np.repeat([0, 1], 500), rng)
    np.testing.assert_allclose([draws[:500, 1].mean(), draws[500:, 1].mean()], [0.0, 9.0], atol=0.25)


def test_components_that_share_a_distribution_fill_in_alike(rng):
    family = Tied(Poisson(), (0, 1, 0))
    params = Poisson.Params(np.array([[2.0], [8.0]]))
    x = np.full((1, 1), NAN)
    np.testing.assert_allclose(family.filled(params, x, np.array([[0.25, 0.5, 0.25]])), [[5.0]])
    draws = family.drawn(params, np.full((MANY, 1), NAN), np.full(MANY, 1), rng)
    assert draws.mean() == pytest.approx(8.0, abs=0.1)


@pytest.mark.parametrize("n_trials", [None, 12])
def test_multinomial_cells_are_what_is_left_of_the_trials(n_trials, rng):
    family = resolved(Multinomial(n_trials), np.tile([6.0, 4.0, 2.0], (4, 1)), 2)
    params = family.Params(np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]))
    x = np.array([[6.0, NAN, NAN], [NAN, NAN, NAN], [NAN, 4.0, 1.0]])
    filled = family.filled(params, x, np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    # Without a number of trials: 6 observed of a column with probability 1/2 make 6 lost ones; 5 with 0.8 make 1.25.
    expected = [[6.0, 3.6, 2.4], [4.2, 3.0, 4.8], [7.0 if n_trials else 1.25, 4.0, 1.0]]
    np.testing.assert_allclose(filled, expected)
    component = np.array([0, 0, 1])
    draws = np.stack([family.drawn(params, x, component, rng) for _ in range(8000)])
    np.testing.assert_allclose(draws.mean(axis=0)[[0, 2]], np.array(expected)[[0, 2]], atol=0.15)
    assert (draws == np.round(draws)).all() and (draws >= 0).all()
    if n_trials:
        assert (draws.sum(axis=2) == 12).all()


def test_a_multinomial_row_of_unknown_length_is_refused():
    params = Multinomial.Params(np.array([[0.5, 0.5]]))
    with pytest.raises(ParameterError, match="how many trials"):
        Multinomial().filled(params, np.full((1, 2), NAN), np.ones((1, 1)))


def test_a_family_without_means_says_so():
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Meanless(Poisson):
        def moments(self, params):
            return None

    with pytest.raises(ParameterError, match="does not say its means"):
        Meanless().filled(Poisson.Params(np.ones((1, 1))), np.full((1, 1), NAN), np.ones((1, 1)))


def heavy_tailed(scale_type="full"):
    """Two distributions over three columns with 5 and 9 degrees of freedom: family, Params."""
    roots = np.random.default_rng(3).normal(size=(2 if scale_type == "full" else 1, 3, 3))
    scales = roots @ np.swapaxes(roots, 1, 2) + 0.3 * np.eye(3)
    family = MultivariateT(scale_type=scale_type)
    return family, family.Params(np.array([[0.0, 1.0, -1.0], [2.0, -1.0, 0.5]]), scales, np.array([5.0, 9.0]))


@pytest.mark.parametrize("scale_type", ["full", "tied"])
def test_multivariate_t_rows_look_at_the_observed_cells(scale_type, rng):
    """Ding (2016), The American Statistician 70, 293-295: conditional distributions of the multivariate t."""
    family, params = heavy_tailed(scale_type)
    scales = np.broadcast_to(params.scales, (2, 3, 3))
    filled = family.filled(params, ROWS, np.full((len(ROWS), 2), 0.5))
    np.testing.assert_allclose(filled[3], params.locations.mean(axis=0))
    for row, guess in zip(ROWS[:2], filled, strict=False):
        gone, o = np.isnan(row), int((~np.isnan(row)).sum())
        known = [conditional(params.locations[k], scales[k], row) for k in range(2)]
        np.testing.assert_allclose(guess[gone], 0.5 * (known[0][0] + known[1][0]))
        np.testing.assert_array_equal(guess[~gone], row[~gone])
        draws = family.drawn(params, np.tile(row, (2 * MANY, 1)), np.repeat([0, 1], MANY), rng)
        for k, mine in enumerate(np.split(draws[:, gone], 2)):
            (mean, residual), df = known[k], params.df[k]
            off = row[~gone] - params.locations[k][~gone]
            square = off @ np.linalg.solve(scales[k][np.ix_(~gone, ~gone)], off)
            covariance = residual * (df + square) / (df + o - 2.0)
            scale = np.sqrt(np.diag(covariance))
            np.testing.assert_allclose(mine.mean(axis=0) / scale, mean / scale, atol=5 / np.sqrt(MANY))
            np.testing.assert_allclose(np.cov(mine.T, ddof=0).reshape(covariance.shape), covariance, atol=0.06 * scale.max() ** 2)


def test_noise_fills_in_as_its_family_does_and_draws_from_the_box(rng):
    inner = Gaussian("full")
    own = inner.Params(np.array([[0.0, 0.0], [5.0, 5.0]]), np.tile([[1.0, 0.9], [0.9, 1.0]], (2, 1, 1)))
    family = WithNoise(inner, low=np.array([-10.0, -4.0]), high=np.array([10.0, 8.0]))
    params, x = family.Params(own), np.array([[2.0, NAN], [NAN, 6.0], [3.0, NAN]])
    filled = family.filled(params, x, np.array([[0.5, 0.0, 0.5], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]]))
    np.testing.assert_allclose(filled, [[2.0, 1.8], [0.5 * 5.4 + 0.5 * 5.9, 6.0], [3.0, 2.0]])
    rows = np.tile(x[:1], (2 * MANY, 1))
    draws = family.drawn(params, rows, np.repeat([0, 2], MANY), rng)
    assert (draws[:, 0] == 2.0).all()
    own, noise = np.split(draws[:, 1], 2)
    np.testing.assert_allclose([own.mean(), own.var()], [1.8, 0.19], atol=0.02)
    np.testing.assert_allclose([noise.mean(), noise.var()], [2.0, 12.0], atol=0.2)
    assert -4.0 <= noise.min() < noise.max() <= 8.0


def test_free_columns_are_drawn_in_the_group_of_the_row(rng):
    family = CategoricalByGroup(0, (1,), n_categories=(2, 3))
    probs = np.array([[[0.3, 0.7, 0.0], [0.8, 0.1, 0.1], [0.0, 0.1, 0.9]]])  # the group; the column in group 0, in group 1
    x = np.repeat([[0.0, NAN], [1.0, NAN], [NAN, NAN]], MANY, axis=0)
    draws = family.drawn(family.Params(probs), x, np.zeros(len(x), dtype=int), rng)
    assert (draws[: 2 * MANY, 0] == x[: 2 * MANY, 0]).all()
    parts = np.split(draws[:, 1].astype(int), 3)
    for part, expected in zip(parts, [probs[0, 1], probs[0, 2], 0.3 * probs[0, 1] + 0.7 * probs[0, 2]], strict=True):
        np.testing.assert_allclose(np.bincount(part, minlength=3) / MANY, expected, atol=0.015)
    filled = family.filled(family.Params(probs), x[::MANY], np.ones((3, 1)))
    np.testing.assert_array_equal(filled, [[0, 0], [1, 2], [1, 2]])


def test_a_posterior_fills_in_as_the_ordinary_family_does(rng):
    x = rng.normal(size=(200, 1)) @ np.ones((1, 2)) + 0.1 * rng.normal(size=(200, 2))
    family = resolved(VariationalGaussian(), x, 1)
    params = family.from_partition(x, np.ones((200, 1)), rng)
    rows = np.array([[2.0, NAN]])
    np.testing.assert_allclose(family.filled(params, rows, np.ones((1, 1))), [[2.0, 2.0]], atol=0.2)
    assert family.drawn(params, np.tile(rows, (MANY, 1)), np.zeros(MANY, dtype=int), rng)[:, 1].mean() == pytest.approx(
        2.0, abs=0.2
    )


def test_columns_that_may_depend_on_each_other_are_not_filled_in_one_by_one(rng):
    family = Custom(
        lambda x, theta: np.zeros(len(x)), lambda x, w, theta: np.zeros(1), lambda theta, n, rng: rng.normal(size=(n, 2))
    )
    params, component = Custom.Params(np.zeros((1, 1))), np.zeros(1, dtype=int)
    with pytest.raises(ParameterError, match="must write a method filled, or say independent = True"):
        family.filled(params, np.array([[1.0, NAN]]), np.ones((1, 1)))
    with pytest.raises(ParameterError, match="must write a method drawn"):
        family.drawn(params, np.array([[1.0, NAN]]), component, rng)
    assert not np.isnan(family.drawn(params, np.array([[NAN]]), component, rng)).any()

    class Independent(Custom):
        independent = True

    free = Independent(family.log_density, family.weighted_fit, family.sampler)
    assert not np.isnan(free.drawn(params, np.array([[1.0, NAN]]), component, rng)).any()


@pytest.mark.parametrize(
    "family",
    [
        *(Gaussian(kind) for kind in ("full", "tied", "diag", "spherical", "tied-diag", "tied-spherical")),
        Poisson(),
        Bernoulli(),
        Categorical(),
        Multinomial(9),
        MultivariateT(fixed={"df": 9.0}),
        MultivariateT(scale_type="tied", common_df=True, fixed={"df": 9.0}),
        WithNoise(Gaussian("full")),
        CategoricalByGroup(0, ()),
        Mixed(Gaussian("full"), 2),
        Tied(Gaussian("full"), (0, 0)),
        PerColumn({(0, 1): Gaussian("full")}),
        PerColumn({0: Gaussian(), 1: Poisson()}),
    ],
    ids=lambda family: family.in_words,
)
def test_cells_drawn_anew_leave_the_distribution_as_it_is(family, rng):
    """A step of Gibbs sampling: rows of a component with some cells drawn given the others are rows of that component."""
    source = ArraySource(family.draw(rng, 300, 2).x)
    family = family.resolve(source, 2)
    params = family.from_partition(source.x, rng.dirichlet([1.0, 1.0], size=300), rng)
    component = np.repeat([0, 1], MANY)
    x = np.asarray(family.sample(params, component, rng), dtype=float)
    holes = rng.random(x.shape) < 0.5
    again = family.drawn(params, np.where(holes, NAN, x), component, rng)
    assert family.support.holds(again).all()
    for k in range(2):
        old, new = (np.column_stack([rows, rows**2, rows[:, :1] * rows[:, 1:]])[component == k] for rows in (x, again))
        noise = np.sqrt((old.var(axis=0) + new.var(axis=0)) / MANY) + 1e-12
        assert (np.abs(new.mean(axis=0) - old.mean(axis=0)) < 5.0 * noise).all()
