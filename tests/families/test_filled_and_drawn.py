"""Missing cells filled in and drawn by families, against formulas written out and against long-run averages."""

import numpy as np
import pytest

from emkit import ArraySource, Bernoulli, Categorical, Gaussian, Mixed, Multinomial, PerColumn, Poisson, Tied

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
    from emkit import ParameterError

    params = Multinomial.Params(np.array([[0.5, 0.5]]))
    with pytest.raises(ParameterError, match="how many trials"):
        Multinomial().filled(params, np.full((1, 2), NAN), np.ones((1, 1)))


def test_a_family_without_means_says_so():
    from dataclasses import dataclass

    from emkit import ParameterError

    @dataclass(frozen=True)
    class Meanless(Poisson):
        def moments(self, params):
            return None

    with pytest.raises(ParameterError, match="does not say its means"):
        Meanless().filled(Poisson.Params(np.ones((1, 1))), np.full((1, 1), NAN), np.ones((1, 1)))


@pytest.mark.parametrize(
    "family",
    [
        *(Gaussian(kind) for kind in ("full", "tied", "diag", "spherical", "tied-diag", "tied-spherical")),
        Poisson(),
        Bernoulli(),
        Categorical(),
        Multinomial(9),
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
