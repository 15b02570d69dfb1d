"""Covariances with volume, shape or orientation in common: counts, M-steps, coordinates, what is refused."""

import numpy as np
import pytest
from scipy.optimize import minimize

from emkit import ArraySource, FiniteMixture, Gaussian, GaussianMixture, NormalInverseWishart, ParameterError
from emkit.families.gaussian.covariance_types import ALL_TYPES, DECOMPOSED, MCLUST, plain_name
from emkit.models.mixture import MixturesSideBySide

K, D, N = 3, 3, 40

COUNTS = {
    "EII": lambda k, d: 1,
    "VII": lambda k, d: k,
    "EEI": lambda k, d: d,
    "VEI": lambda k, d: k + d - 1,
    "EVI": lambda k, d: 1 + k * (d - 1),
    "VVI": lambda k, d: k * d,
    "EEE": lambda k, d: d * (d + 1) // 2,
    "VEE": lambda k, d: k - 1 + d * (d + 1) // 2,
    "EVE": lambda k, d: 1 + k * (d - 1) + d * (d - 1) // 2,
    "VVE": lambda k, d: k * d + d * (d - 1) // 2,
    "EEV": lambda k, d: d + k * d * (d - 1) // 2,
    "VEV": lambda k, d: k + d - 1 + k * d * (d - 1) // 2,
    "EVV": lambda k, d: 1 + k * (d - 1) + k * d * (d - 1) // 2,
    "VVV": lambda k, d: k * d * (d + 1) // 2,
}
"""Celeux and Govaert (1995), table 1."""


def problem(name, prior=None, seed=0):
    """A resolved family, three groups of very different spread, and responsibilities."""
    rng = np.random.default_rng(seed)
    x = np.concatenate(
        [rng.normal(size=(N, D)) @ rng.normal(size=(D, D)) * scale + shift for scale, shift in ((1, 0), (3, 2), (0.5, 5))]
    )
    family = Gaussian(name, prior).resolve(ArraySource(x), K)
    return family, x, rng.dirichlet(np.ones(K), len(x))


def random_state(family, rng):
    null = family.null(K, D)
    return family.unpack(rng.standard_normal(family.n_free(null)), null)


@pytest.mark.parametrize("name", MCLUST)
@pytest.mark.parametrize(("k", "d"), [(1, 1), (1, 3), (4, 1), (2, 2), (3, 4)])
def test_free_parameters_are_those_of_celeux_and_govaert(name, k, d):
    family = Gaussian(name)
    null = family.null(k, d)
    assert family.n_free(null) == COUNTS[name](k, d) + k * d
    assert len(family.pack(null)) == family.n_free(null)


@pytest.mark.parametrize("name", DECOMPOSED)
def test_what_is_common_is_common(name):
    family, _, _ = problem(name)
    c = random_state(family, np.random.default_rng(1)).covariances
    matrices = c if c.ndim == 3 else c[:, :, None] * np.eye(D)
    values, axes = np.linalg.eigh(matrices)
    volumes = np.prod(values, axis=1) ** (1.0 / D)
    shapes = values / volumes[:, None]
    assert np.allclose(volumes, volumes[0]) == (name[0] == "E")
    if name[1] == "E":
        assert np.allclose(shapes, shapes[0])
    if name[2] == "E":
        products = matrices[0] @ matrices[1]
        assert np.allclose(products, products.T)  # common axes: they commute
    if name[2] == "I":
        assert np.allclose(axes.transpose(0, 2, 1) @ axes, np.eye(D)) and c.ndim == 2


@pytest.mark.parametrize("prior", [None, NormalInverseWishart(df=6, scale=[1.0, 2.0, 0.5], mean_mass=0.5)], ids=["ML", "NIW"])
@pytest.mark.parametrize("name", DECOMPOSED)
def test_m_steps_climb_from_any_state_to_the_optimum_that_bfgs_finds(name, prior):
    """Under fixed responsibilities, from several random states, with and without a prior."""
    family, x, resp = problem(name, prior)

    def value(params):
        return float(np.sum(resp * family.log_prob(params, x))) + family.log_prior(params)

    ends = []
    for seed in range(3):
        params = random_state(family, np.random.default_rng(seed))
        last = value(params)
        for _ in range(400):
            params = family.update(family.stats(params, x, resp), params)
            new = value(params)
            assert new >= last - 1e-9 * abs(last)
            if new - last < 1e-11 * abs(last):
                break
            last = new
        ends.append(value(params))
    best = -np.inf
    for seed in range(2):
        first = family.pack(family.from_partition(x, resp, None)) + 0.1 * seed
        found = minimize(lambda v: -value(family.unpack(v, params)), first, method="BFGS", options={"gtol": 1e-5})
        best = max(best, -float(found.fun))
    assert max(ends) >= best - 1e-5
    assert min(ends) >= max(ends) - 1e-4 or name in ("EVE", "VVE")  # common axes may have several optima


@pytest.mark.parametrize("name", DECOMPOSED)
def test_mixtures_side_by_side_are_mixtures_alone(name):
    family, x, _ = problem(name, "weak")
    model = FiniteMixture(family, K)
    side, block = MixturesSideBySide(model), ArraySource(x).joined()
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    params = side.init(ArraySource(x), side.seeds(ArraySource(x), rngs))
    for _ in range(3):
        stats, values = side.e_step(params, block)
        alone = [side.one(params, i) for i in range(3)]
        each = [model.e_step(one, block) for one in alone]
        assert np.allclose(values, [value for _, value in each], rtol=1e-10)
        assert np.allclose(side.pack(params), [model.pack(one) for one in alone])
        slopes = [model.slope(found, one) for (found, _), one in zip(each, alone, strict=True)]
        assert np.allclose(side.slope(stats, params), slopes, rtol=1e-6, atol=1e-6)
        assert np.allclose(side.unpack(side.pack(params), alone[0]).components.covariances, params.components.covariances)
        params = side.m_step(stats, params)
        for i, (found, _) in enumerate(each):
            again = model.m_step(found, alone[i]).components.covariances
            assert np.allclose(side.one(params, i).components.covariances, again, rtol=1e-6)


def test_a_component_that_nothing_belongs_to_stays_near_where_it_is():
    for name in DECOMPOSED:
        family, x, resp = problem(name)
        params = random_state(family, np.random.default_rng(3))
        resp = np.concatenate([resp[:, :2], np.zeros((len(x), 1))], axis=1)
        new = family.update(family.stats(params, x, resp), params)
        assert np.isfinite(new.covariances).all() and np.array_equal(new.means[2], params.means[2])
        nothing = family.update(family.stats(params, x, 0.0 * resp), params)
        assert np.array_equal(nothing.covariances, params.covariances)


def test_the_two_names_of_a_type_are_one_type():
    x = problem("VEV")[1]
    for name in MCLUST:
        if plain_name(name) == name:
            continue
        ours, theirs = (GaussianMixture(2, covariance_type=kind, random_state=0).fit(x) for kind in (plain_name(name), name))
        assert ALL_TYPES[name] is ALL_TYPES[plain_name(name)]
        assert np.array_equal(ours.covariances_, theirs.covariances_) and ours.bic() == theirs.bic()


def test_given_covariances_must_be_of_the_type():
    x, loose = problem("VEV")[1], np.stack([np.eye(D), np.diag([1.0, 2.0, 5.0])])
    with pytest.raises(ParameterError, match="not of the type EEV"):
        GaussianMixture(2, covariance_type="EEV", covariances_init=loose).fit(x)
    some = np.stack([np.eye(D), np.full((D, D), np.nan)])
    with pytest.raises(ParameterError, match="held all together or not at all"):
        GaussianMixture(2, covariance_type="EEV", fixed={"covariances": some}).fit(x)
    gm = GaussianMixture(2, covariance_type="EVE", fixed={"covariances": loose / np.array([1, 10 ** (1 / 3)])[:, None, None]}).fit(
        x
    )
    assert gm.model_.n_free(gm.result_.params) == 1 + 2 * D
    gm = GaussianMixture(2, covariance_type="VVE", init={"covariances": loose}, random_state=0).fit(x)
    assert gm.converged_


def test_missing_cells_and_weights_raise_no_objection():
    rng = np.random.default_rng(2)
    x = problem("VEV")[1]
    x[rng.random(x.shape) < 0.1] = np.nan
    x = x[~np.isnan(x).all(axis=1)]
    for name in DECOMPOSED:
        gm = GaussianMixture(2, covariance_type=name, random_state=0).fit(x, sample_weight=rng.gamma(2.0, size=len(x)))
        assert gm.converged_ and (np.diff(gm.result_.trace) > -1e-8).all()
