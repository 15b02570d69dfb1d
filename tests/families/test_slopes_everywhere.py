"""Slopes of families are those of their Q all over their parameters' range: no branch of a special function is left out."""

import numpy as np
import pytest

from emkit import Beta, Exponential, Gamma, TruncatedNormal, VonMises

RNG = np.random.default_rng(0)
WIDE = np.geomspace(1e-3, 1e6, 400)
FAMILIES = {
    "von mises": (VonMises(None), RNG.uniform(-3, 3, (30, 1)), {"means": np.full(400, 0.3), "concentrations": WIDE}),
    "gamma": (Gamma(None), RNG.gamma(2, 1, (30, 1)), {"shapes": WIDE, "rates": np.full(400, 2.0)}),
    "gamma, rates": (Gamma(None), RNG.gamma(2, 1, (30, 1)), {"shapes": np.full(400, 3.0), "rates": WIDE}),
    "beta": (Beta(None), RNG.beta(2, 3, (30, 1)), {"alphas": WIDE, "betas": np.geomspace(1e-2, 1e3, 400)}),
    "exponential": (Exponential(None), RNG.exponential(1, (30, 1)), {"rates": WIDE}),
    "truncated": (TruncatedNormal(None, -1.0, 2.0), RNG.uniform(-1, 2, (30, 1)), {
        "means": np.linspace(-30, 30, 400), "variances": np.geomspace(0.05, 50, 400)}),
}  # fmt: skip
SLOPE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0


@pytest.mark.parametrize("name", FAMILIES)
def test_gradient_is_the_slope_of_q(name):
    family, x, values = FAMILIES[name]
    values = {key: value[:, None] for key, value in values.items()}
    params = family.Params(**values)
    stats = family.stats(params, x, np.ones((len(x), 400)))
    gradient = family.gradient(stats, params)

    def q(moved):
        return family._values(stats, family.Params(**{**values, **moved}))

    for key, value in values.items():
        step = 1e-3 * np.maximum(np.abs(value), 1e-3)
        wanted = sum(c * q({key: value + a * step}) for c, a in zip(SLOPE, range(-2, 3), strict=True)) / step
        rounding = 1e-15 * np.abs(q({})) / step
        assert np.all(np.abs(gradient[key] - wanted) <= 1e-7 * np.abs(wanted) + 100.0 * rounding + 1e-7), key


def test_accelerated_fits_of_angles_believe_the_slope():
    """Concentrations about 20, where the slope was once lost in rounding, and the fit went on by plain EM."""
    import warnings

    from emkit import Mixture

    rng = np.random.default_rng(37)
    x = np.concatenate([rng.vonmises(1.2, 20, 60), rng.vonmises(2.0, 40, 60)])[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Mixture(2, VonMises(), random_state=0, n_init=4).fit(x)
        model.standard_errors(x, method="bootstrap", n_replicates=20, random_state=0, n_jobs=1)
