"""Small data and small models that the tests of the estimators share; each fit takes milliseconds."""

import warnings

import numpy as np
from scipy.stats import multivariate_normal, poisson
from sklearn.exceptions import ConvergenceWarning

from emkit import GMMHMM, HMM, CategoricalHMM, GaussianHMM, GaussianMixture, MultinomialHMM, PoissonHMM

KINDS = ("full", "tied", "diag", "spherical", "tied-diag", "tied-spherical")
LENGTHS = [24, 16]


def reals(d=2, *, gap=6.0, seed=0, dtype=np.float64):
    """40 rows: stays of eight steps in two groups that are ``gap`` standard deviations apart in every column."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(40, d)) + gap * state()[:, None]).astype(dtype)


def state():
    return np.repeat([0, 1, 0, 1, 0], 8)


def counts(d=2, *, seed=0):
    return np.random.default_rng(seed).poisson(np.where(state()[:, None] == 1, 12.0, 2.0), (40, d))


def symbols(*, seed=0):
    """One column of the symbols 0, 1, 2; each state prefers one."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(40) < 0.75, 2 * state(), rng.integers(3, size=40))
    x[:3] = [0, 1, 2]
    return x[:, None]


def bits(d=2, *, seed=0):
    return (np.random.default_rng(seed).random((40, d)) < 0.15 + 0.7 * state()[:, None]).astype(int)


def outcomes(d=3, *, seed=0):
    """Twelve trials in each row; the two states prefer opposite columns."""
    p = np.arange(1.0, d + 1) / np.arange(1.0, d + 1).sum()
    rng = np.random.default_rng(seed)
    return np.stack([rng.multinomial(12, p[::-1] if k else p) for k in state()])


ONE = {"n_init": 1, "random_state": 0}

MODELS = {
    **{f"GaussianMixture {kind}": (lambda kind=kind: GaussianMixture(2, covariance_type=kind, **ONE), reals) for kind in KINDS},
    **{f"HMM {kind}": (lambda kind=kind: HMM(2, covariance_type=kind, **ONE), reals) for kind in KINDS},
    **{f"GaussianHMM {kind}": (lambda kind=kind: GaussianHMM(2, kind, **ONE), reals) for kind in KINDS},
    **{f"GMMHMM {kind}": (lambda kind=kind: GMMHMM(2, 2, covariance_type=kind, n_iter=5, tol=0.0, **ONE), reals) for kind in KINDS},
    "HMM poisson": (lambda: HMM(2, "poisson", **ONE), counts),
    "HMM categorical": (lambda: HMM(2, "categorical", **ONE), symbols),
    "HMM bernoulli": (lambda: HMM(2, "bernoulli", **ONE), bits),
    "HMM mixtures of Poisson": (lambda: HMM(2, "poisson", n_mix=2, max_iter=5, tol=0.0, **ONE), counts),
    "HMM multinomial": (lambda: HMM(2, "multinomial", **ONE), outcomes),
    "PoissonHMM": (lambda: PoissonHMM(2, **ONE), counts),
    "MultinomialHMM": (lambda: MultinomialHMM(2, 12, **ONE), outcomes),
    "CategoricalHMM": (lambda: CategoricalHMM(2, **ONE), symbols),
}  # fmt: skip
"""Name -> (a function that makes an unfitted model, the function that makes its data)."""

ONE_OF_EACH = [
    "GaussianMixture full",
    "HMM diag",
    "GaussianHMM diag",
    "GMMHMM diag",
    "HMM poisson",
    "PoissonHMM",
    "MultinomialHMM",
    "CategoricalHMM",
]

PARAMETERS = (
    "weights_", "means_", "covariances_", "covars_", "startprob_", "transmat_", "rates_", "lambdas_", "probs_", "emissionprob_",
)  # fmt: skip


def quietly(action, *arguments, **keywords):
    """The same without warnings about convergence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return action(*arguments, **keywords)


def fitted(name):
    """A fitted model and its data."""
    make, data = MODELS[name]
    x = data()
    return quietly(make().fit, x), x


def parameters(model):
    """Copies of the fitted attributes that are parameters, by name."""
    return {name: np.array(getattr(model, name)) for name in PARAMETERS if hasattr(model, name)}


def sequence_log_likelihood(startprob, transmat, log_b):
    """The forward recursion in logarithms, as textbooks write it."""
    with np.errstate(divide="ignore"):
        log_start, log_matrix = np.log(startprob), np.log(transmat)
    alpha = log_start + log_b[0]
    for row in log_b[1:]:
        alpha = np.logaddexp.reduce(alpha[:, None] + log_matrix, axis=0) + row
    return float(np.logaddexp.reduce(alpha))


def gaussian_log_b(x, means, matrices):
    """Log densities (n, K) under Gaussians with covariance matrices (K, d, d)."""
    return np.stack([multivariate_normal(m, c).logpdf(x).reshape(len(x)) for m, c in zip(means, matrices, strict=True)], axis=1)


def poisson_log_b(x, rates):
    return np.stack([poisson(rate).logpmf(x).sum(axis=1) for rate in np.asarray(rates)], axis=1)


def covariance(rng, kind, d, lead=()):
    """Random covariances of a kind, with leading axes unless they are shared; and the same as matrices (*lead, d, d)."""
    shared = kind.startswith("tied")
    each = () if shared else lead
    if kind in ("full", "tied"):
        a = rng.normal(size=(*each, d, d))
        value = a @ np.swapaxes(a, -1, -2) + 0.5 * np.eye(d)
        matrices = value
    elif kind in ("diag", "tied-diag"):
        value = rng.uniform(0.5, 2.0, (*each, d))
        matrices = value[..., :, None] * np.eye(d)
    else:
        value = np.asarray(rng.uniform(0.5, 2.0, each))
        matrices = value[..., None, None] * np.eye(d)
    return value, np.array(np.broadcast_to(matrices, (*lead, d, d)))
