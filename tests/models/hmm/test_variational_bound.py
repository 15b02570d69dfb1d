"""The lower bound against what it bounds: sums over all paths, and evidence in closed form.

Given a path, the evidence of conjugate priors is a product of predictive probabilities, one step after the other: Polya's urn for
starts, transitions and symbols, Student's t for Gaussian rows (Bishop 2006, section 2.3.7). Summed over all paths it is exact.
"""

import logging
from itertools import pairwise, product

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import dirichlet, multivariate_t

from emkit import (
    SequenceSource,
    Threads,
    VariationalCategorical,
    VariationalCategoricalHMM,
    VariationalGaussian,
    VariationalGaussianHMM,
    VariationalHMM,
)
from emkit.algorithms.em import EM
from emkit.core.fit import Problem, iterate

logging.getLogger("hmmlearn").setLevel(logging.ERROR)

KINDS = ("full", "tied", "diag", "spherical")
QUICK = {"random_state": 0, "tol": 1e-9}
STEPS = 7


class Urns:
    """Dirichlet-categorical predictions, updated as they are made."""

    def __init__(self, concentrations):
        self.a = np.array(concentrations, dtype=float)

    def log_predict(self, row, value):
        p = self.a[row][value] / self.a[row].sum()
        self.a[row][value] += 1.0
        return np.log(p)


class Students:
    """Student predictions of Gaussian rows under each state's prior, updated as they are made; missing cells for "diag" alone."""

    def __init__(self, kind, prior):
        k, d = prior["means"].shape
        self.kind, self.d = kind, d
        self.m = prior["means"].astype(float).copy()
        self.beta = np.repeat(np.array(prior["beta"], dtype=float)[:, None], d, axis=1)
        self.dof = np.array(np.broadcast_to(np.reshape(prior["dof"], (-1, 1)), (k, d)), dtype=float)
        self.s = np.array(
            np.broadcast_to(prior["scale"], (k, *np.shape(prior["scale"])[-2:])) if kind == "tied" else prior["scale"]
        )
        self.s = self.s.astype(float)

    def log_predict(self, k, x):
        d, beta, dof, off = self.d, self.beta[k], self.dof[k], x - self.m[k]
        grow = (beta + 1.0) / beta
        seen = ~np.isnan(x)
        if self.kind in ("full", "tied"):
            free = dof[0] - d + 1.0
            value = multivariate_t(self.m[k], self.s[k] * grow[0] / free, df=free).logpdf(x)
            change = np.outer(off, off) / grow[0]
        elif self.kind == "diag":
            value = sum(
                multivariate_t(self.m[k, j], self.s[k, j] * grow[j] / dof[j], df=dof[j]).logpdf(x[j]) for j in np.flatnonzero(seen)
            )
            change = np.where(seen, off**2 / grow, 0.0)
        else:
            value = multivariate_t(self.m[k], self.s[k] * grow[0] / dof[0] * np.eye(d), df=d * dof[0]).logpdf(x)
            change = np.mean(off**2) / grow[0]
        which = slice(None) if self.kind == "tied" else k
        self.s[which] += change
        self.dof[which] += seen
        self.m[k] += np.where(seen, off / (beta + 1.0), 0.0)
        self.beta[k] += seen
        return value


def log_evidence(x, start, rows, emissions):
    """Exactly, by adding up over the paths of one sequence; ``emissions()`` makes fresh predictors."""
    totals = []
    for path in product(range(len(start)), repeat=len(x)):
        first, moves, emit = Urns([start]), Urns(rows), emissions()
        total = first.log_predict(0, path[0])
        total += sum(moves.log_predict(i, j) for i, j in pairwise(path))
        totals.append(total + sum(emit.log_predict(k, value) for k, value in zip(path, x, strict=True)))
    return np.logaddexp.reduce(totals)


def symbols():
    return np.array([0, 0, 1, 2, 2, 1, 0])


def rows_of_numbers(d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(np.array([0, 0, 0, 3, 3, 0, 3])[:, None] * 1.0, size=(STEPS, d))


def gaussian_prior(kind, k, d):
    rng = np.random.default_rng(k * d)
    scale = {"full": np.array([np.eye(d) * (1.5 + i) + 0.3 for i in range(k)]), "tied": np.eye(d) * 2.0 + 0.5,
             "diag": rng.uniform(0.5, 3.0, (k, d)), "spherical": rng.uniform(0.5, 3.0, k)}[kind]  # fmt: skip
    dof = d + 1.5 if kind == "tied" else d + rng.uniform(0.5, 2.0, k)
    return {"means": rng.normal(size=(k, d)), "beta": rng.uniform(0.3, 2.0, k), "dof": dof, "scale": scale}


def fitted_to(kind, k, x, lengths=None, **more):
    prior = gaussian_prior(kind, k, x.shape[1])
    settings = {f"{name}_prior": value for name, value in prior.items()}
    return VariationalGaussianHMM(k, kind, startprob_prior=0.7, transmat_prior=1.2, **settings, **QUICK, **more).fit(x), prior


# --- the bound as its definition has it ---------------------------------------------------------------------------------


def test_the_bound_of_symbols_is_its_definition():
    """E[log p(x, z, parameters)] - E[log q], every path of states written out."""
    x, k = symbols(), 2
    model = VariationalCategoricalHMM(k, startprob_prior=0.7, transmat_prior=1.2, emissionprob_prior=0.5, **QUICK).fit(x[:, None])
    start, rows, emit = model.startprob_posterior_, model.transmat_posterior_, model.emissionprob_posterior_
    log_start, log_rows, log_emit = (digamma(a) - digamma(a.sum(axis=-1, keepdims=True)) for a in (start, rows, emit))
    joint = np.array([
        log_start[path[0]] + sum(log_rows[i, j] for i, j in pairwise(path))
        + sum(log_emit[z, v] for z, v in zip(path, x, strict=True))
        for path in product(range(k), repeat=len(x))
    ])  # fmt: skip
    q = np.exp(joint - np.logaddexp.reduce(joint))
    bound = q @ (joint - np.log(q))
    for posterior, prior in [(start, 0.7), *((row, 1.2) for row in rows), *((row, 0.5) for row in emit)]:
        logs = digamma(posterior) - digamma(posterior.sum())
        at = np.full(len(posterior), 1.0 / len(posterior))
        constant = dirichlet(np.full(len(posterior), prior)).logpdf(at) - (prior - 1.0) * np.log(at).sum()
        bound += constant + (prior - 1.0) * logs.sum() + dirichlet(posterior).entropy()
    assert model.lower_bound_ == pytest.approx(bound, abs=1e-8)


def test_the_bound_of_symbols_is_below_the_evidence():
    x = symbols()
    for k, prior in ((1, 0.5), (2, 0.5), (2, 3.0), (3, 0.2)):
        model = VariationalCategoricalHMM(k, startprob_prior=0.7, transmat_prior=1.2, emissionprob_prior=prior, **QUICK)
        model.fit(x[:, None])
        exact = log_evidence(x, [0.7] * k, [[1.2] * k] * k, lambda k=k, prior=prior: Urns([[prior] * 3] * k))
        gap = exact - model.lower_bound_
        assert gap == pytest.approx(0.0, abs=1e-9) if k == 1 else 0.0 < gap < 4.0


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_of_gaussians_is_below_the_evidence(kind, d):
    x = rows_of_numbers(d)
    model, prior = fitted_to(kind, 2, x)
    exact = log_evidence(x, [0.7] * 2, [[1.2] * 2] * 2, lambda: Students(kind, prior))
    assert 0.0 < exact - model.lower_bound_ < 4.0


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_with_one_state_the_bound_is_the_evidence(kind, d):
    """Nothing is hidden then: the posterior is exact."""
    x = rows_of_numbers(d)
    model, prior = fitted_to(kind, 1, x)
    exact = log_evidence(x, [0.7], [[1.2]], lambda: Students(kind, prior))
    assert model.lower_bound_ == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize(("kind", "d", "right"), [("full", 3, True), ("tied", 3, True), ("diag", 1, True), ("spherical", 1, True),
                                                  ("diag", 3, False), ("spherical", 3, False)])  # fmt: skip
def test_the_bound_of_hmmlearn_with_one_state(kind, d, right):
    """n d / 2 log(2 pi) above the evidence; with diagonal or spherical covariances of several columns it is something else."""
    vhmm = pytest.importorskip("hmmlearn.vhmm")
    x = rows_of_numbers(d)
    prior = gaussian_prior(kind, 1, d)
    theirs = vhmm.VariationalGaussianHMM(1, kind, startprob_prior=0.7, transmat_prior=1.2, n_iter=50, tol=1e-12,
                                         **{f"{name}_prior": value for name, value in prior.items()})  # fmt: skip
    theirs.fit(x)
    exact = log_evidence(x, [0.7], [[1.2]], lambda: Students(kind, prior))
    off = theirs.monitor_.history[-1] - 0.5 * x.size * np.log(2.0 * np.pi) - exact
    assert (abs(off) < 1e-8) == right
    assert theirs.monitor_.history[-1] > exact


# --- missing cells ------------------------------------------------------------------------------------------------------


def test_a_step_without_cells_adds_nothing():
    x = rows_of_numbers(2)
    gone = np.insert(x, 3, np.nan, axis=0)
    for kind in KINDS:
        assert fitted_to(kind, 1, gone)[0].lower_bound_ == pytest.approx(fitted_to(kind, 1, x)[0].lower_bound_, abs=1e-9)


def test_with_missing_cells_the_bound_is_below_the_evidence_of_the_others():
    x = rows_of_numbers(2)
    x[1, 0] = x[4, 1] = np.nan
    for k in (1, 2):
        model, prior = fitted_to("diag", k, x)
        exact = log_evidence(x, [0.7] * k, [[1.2] * k] * k, lambda prior=prior: Students("diag", prior))
        assert 0.0 < exact - model.lower_bound_ < 5.0


def test_with_missing_symbols_it_is_the_evidence_of_the_others():
    x = symbols().astype(float)[:, None]
    x[2] = np.nan
    whole = VariationalCategoricalHMM(1, n_features=3, **QUICK).fit(x[~np.isnan(x[:, 0])])
    assert VariationalCategoricalHMM(1, n_features=3, **QUICK).fit(x).lower_bound_ == pytest.approx(whole.lower_bound_, abs=1e-10)


# --- the bound never falls ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize(
    "family", [VariationalCategorical(4), *(VariationalGaussian(kind) for kind in KINDS)], ids=["symbols", *KINDS]
)
def test_the_bound_never_falls(family, prior):
    rng = np.random.default_rng(0)
    state = np.repeat(rng.integers(3, size=60), 5)
    x = (state % 4)[:, None] * 1.0 if family.support.whole else rng.normal(2.0 * state[:, None], size=(300, 2))
    source = SequenceSource(x, [100, 150, 50])
    model = VariationalHMM(family, 4, prior, prior).resolve(source)
    problem = Problem(model, source, Threads(1))
    for attempt in range(3):
        last = -np.inf
        for step in iterate(problem, EM(), model.init(source, np.random.default_rng(attempt), attempt)):
            assert step.objective >= last - problem.rounding(step.objective)
            last = step.objective
            if step.iteration == 30:
                break
