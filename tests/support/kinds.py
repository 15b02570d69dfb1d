"""What is asked of every kind of family: densities that add up, M-steps that are best, parameters that are found again."""

import itertools
import json

import numpy as np
from scipy import integrate, optimize

import emkit
from support.datasets import FOLDER

OPTIMA = json.loads((FOLDER / "families.json").read_text())
"""Log-likelihoods that direct optimisation of the observed likelihood from many starts reached, by case."""


def column(name):
    """A column of numbers in tests/support/data, (n, 1)."""
    return np.loadtxt(FOLDER / f"{name}.csv", skiprows=1, ndmin=2)


def total(family, params, low=-np.inf, high=np.inf, *, counts=0, parts=()):
    """The density of one column integrated over the line, or summed over ``counts`` counts, for each component."""
    if counts:
        return np.exp(family.log_prob(params, np.arange(counts, dtype=float)[:, None])).sum(axis=0)
    ends = [low, *parts, high]

    def density(x, k):
        return float(np.exp(family.log_prob(params, np.array([[x]]))[0, k]))

    k = family.log_prob(params, np.array([[family.support.inside]])).shape[1]
    pairs = list(itertools.pairwise(ends))
    return np.array([sum(integrate.quad(density, a, b, args=(i,), limit=400)[0] for a, b in pairs) for i in range(k)])


def settled(family, params, x, resp, rounds=2000):
    """The family's M-steps under the same responsibilities, until they no longer move."""
    for _ in range(rounds):
        before, params = family.pack(params), family.update(family.stats(params, x, resp), params)
        if np.abs(family.pack(params) - before).max() < 1e-12:
            break
    return params


def value(family, params, x, resp):
    """What the M-step maximises."""
    return float((family.log_prob(params, x) * resp).sum()) + family.log_prior(params)


def best(family, start, x, resp):
    """The same by scipy, from the coordinates of ``start``."""
    found = optimize.minimize(
        lambda v: -value(family, family.unpack(v, start), x, resp), family.pack(start), method="BFGS", options={"gtol": 1e-9}
    )
    return -found.fun


def check_m_step(family, x, k=2, seed=0, rounds=2000, within=1e-6):
    """M-steps end at least as high as scipy does, started from where they begin."""
    rng = np.random.default_rng(seed)
    family = family.resolve(emkit.ArraySource(x), k)
    resp = rng.dirichlet(np.ones(k), len(x))
    start = family.from_partition(x, resp, rng)
    ours = value(family, settled(family, start, x, resp, rounds), x, resp)
    assert ours >= best(family, start, x, resp) - within
    return family


def fitted(family, x, k=2, weights=None, **more):
    """A mixture, by the defaults."""
    source = emkit.ArraySource(x, weights=weights) if weights is not None else emkit.ArraySource(x)
    return emkit.fit(emkit.FiniteMixture(family, k), source, executor=emkit.Threads(1), rng=np.random.default_rng(0), **more)


def reaches(case, kind, x, k=2, weights=None, **settings):
    """The best known optimum: within 1e-4 by maximum likelihood; within the fit's tolerance, 1e-3, by default."""
    expected = OPTIMA[case]
    result = fitted(kind(**settings), x, k, weights)
    assert result.n_free == expected["n_free"]
    assert result.log_likelihood >= expected["log_likelihood"] - 1e-3
    none = {"prior": None} if "prior" in kind.__dataclass_fields__ else {}
    plain = fitted(kind(**settings, **none), x, k, weights, tol=1e-5)
    assert plain.log_likelihood >= expected["log_likelihood"] - 1e-4
    return plain


def found_again(family, params, rtol, n=4000, weights=(0.4, 0.6), atol=0.0):
    """Parameters that a sample of a mixture was drawn with, beside those fitted to it; components in the order of the weights."""
    rng = np.random.default_rng(1)
    labels = rng.choice(2, n, p=weights)
    x = family.sample(params, labels, rng)
    result = fitted(family, x)
    order = np.argsort(result.params.weights)
    there = family.permute(result.params.components, order)
    for name, expected in family.own(params).items():
        np.testing.assert_allclose(getattr(there, name), expected, rtol=rtol, atol=atol, err_msg=name)
    return result
