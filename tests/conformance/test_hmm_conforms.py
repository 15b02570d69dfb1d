"""The kit on hidden Markov models: every emission, and everything that can be asked of the chain."""

from functools import partial

import numpy as np
import pytest
from test_discrete_families_conform import rows

from emkit import (
    Bernoulli,
    Beta,
    Categorical,
    Dirichlet,
    Gamma,
    Gaussian,
    HiddenMarkov,
    Mixed,
    NormalInverseWishart,
    Poisson,
    SequenceSource,
    Tied,
)
from emkit.models.hmm.paths import simulate
from emkit.testing import MODEL_LAWS, check_model
from emkit.testing.cases import joined
from emkit.testing.compare import close, slopes

NAMES = [law.__name__ for law in MODEL_LAWS]
LENGTHS = np.array([20, 1, 15, 30, 2, 22])
ONLY_MIXTURES = {"fisher_identity"}  # below, for HMMs


def source(kind, *, weighted=False, labelled=False):
    """Six sequences, with missing cells and steps."""
    rng = np.random.default_rng(9)
    x = rows(kind, LENGTHS.sum(), missing=True)
    weights = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.5]) if weighted else None
    evidence = np.where(rng.random(len(x)) < 0.2, rng.integers(2, size=len(x)), -1) if labelled else None
    return SequenceSource(x, LENGTHS, weights, evidence=evidence)


def draw(model, params, rng):
    """Sequences simulated from the model."""
    x, _, lengths = simulate(model.family, params, 40 if model.end else [50] * 40, rng)
    return SequenceSource(x, lengths)


def conforms(model, data, *, without=frozenset()):
    checked = check_model(model, data, draw=partial(draw, model.resolve(data)))
    assert set(NAMES) - set(checked) <= ONLY_MIXTURES | set(without)


EMISSIONS = {
    **{f"gaussian {c}": ("gaussian", Gaussian(c)) for c in ("full", "diag", "spherical", "tied", "tied-diag", "tied-spherical")},
    "gaussian NIW": ("gaussian", Gaussian("full", NormalInverseWishart(df=7, scale=[1.0, 2.0], mean_mass=0.5))),
    "gaussian maximum likelihood": ("gaussian", Gaussian("diag", None)),
    "poisson": ("poisson", Poisson()),
    "poisson prior": ("poisson", Poisson(Gamma(2.0, 0.5))),
    "categorical": ("categorical", Categorical(None, Dirichlet(2.0))),
    "bernoulli": ("bernoulli", Bernoulli(Beta(2.0, 2.0))),
    "mixture": ("gaussian", Mixed(Gaussian("diag"), 2)),
}


@pytest.mark.parametrize("emission", EMISSIONS)
def test_emissions(emission):
    kind, family = EMISSIONS[emission]
    conforms(HiddenMarkov(family, 2), source(kind))


CHAINS = {
    "end": {"end": True},
    "end, priors": {"end": True, "startprob_prior": Dirichlet([2.0, 3.0]), "transmat_prior": Dirichlet([2.0, 3.0, 1.5])},
    "priors": {"startprob_prior": Dirichlet(2.0), "transmat_prior": Dirichlet([[4.0, 2.0], [1.5, 3.0]])},
    "sticky": {"sticky": 3.0},
    "stationary": {"start": "stationary"},
    "stationary, sticky": {"start": "stationary", "sticky": 3.0},
    "start fixed": {"fixed": {"startprob": [0.3, 0.7]}},
    "partly fixed": {"fixed": {"transmat": [[0.9, np.nan], [np.nan, np.nan]], "startprob": [np.nan, np.nan]}},
    "all fixed": {"fixed": {"transmat": [[0.9, 0.1], [0.3, 0.7]], "startprob": [0.5, 0.5]}},
}


@pytest.mark.parametrize("chain", CHAINS)
def test_chains(chain):
    conforms(HiddenMarkov(Poisson(Gamma(2.0, 0.5)), 2, **CHAINS[chain]), source("poisson"))


@pytest.mark.parametrize("end", [False, True])
def test_left_right(end):
    """Zeros in the starting values stay, and are not counted."""
    zeros = {"startprob": [1.0, 0.0, 0.0], "transmat": [[0.8, 0.2, 0.0], [0.0, 0.8, 0.2], [0.0, 0.0, 1.0]]}
    model = HiddenMarkov(Gaussian("diag"), 3, end=end, start_values=zeros)
    # The last state's row has one entry free: nothing to fit without an end.
    conforms(model, source("gaussian"), without={"em_ends_where_nothing_is_to_gain"})
    resolved = model.resolve(source("gaussian"))
    params = resolved.init(source("gaussian"), np.random.default_rng(0))
    assert resolved.n_free(params) - resolved.family.n_free(params.emissions) == (5 if end else 2)


def test_tied_states():
    tied = Tied(Poisson(Gamma(2.0, 0.5)), (0, 1, 0))
    conforms(HiddenMarkov(tied, 3), source("poisson"), without={"labels_do_not_matter", "em_ends_where_nothing_is_to_gain"})


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("labelled", [False, True])
def test_weights_and_labels(weighted, labelled):
    """Labels name the states, so that relabelling them is another problem."""
    model = HiddenMarkov(Gaussian("diag"), 2, end=True)
    data = source("gaussian", weighted=weighted, labelled=labelled)
    if labelled:
        with pytest.raises(AssertionError, match="labels_do_not_matter"):
            check_model(model, data)
        model = HiddenMarkov(Tied(Gaussian("diag"), (0, 1)), 2, end=True)
    conforms(model, data, without={"labels_do_not_matter"} if labelled else ())


@pytest.mark.parametrize("emission", ["gaussian full", "poisson", "categorical", "bernoulli", "mixture"])
@pytest.mark.parametrize("end", [False, True])
def test_fisher_identity(emission, end):
    """Gradient of the log-likelihood = gradient of the expected complete log-likelihood at the current parameters.

    The one is a derivative of the forward recursion, the other knows nothing but the E-step's statistics and posteriors.
    """
    kind, family = EMISSIONS[emission]
    data = source(kind, weighted=True, labelled=True)
    model = HiddenMarkov(family, 2, end=end).resolve(data)
    params, block = model.init(data, np.random.default_rng(0)), joined(data)
    counts, _ = model.e_step(params, block)
    gamma = model.log_emissions(params, block)
    model.recursions(params, block, gamma)

    def log_likelihood(v):
        return model.e_step(model.unpack(v, params), block)[1]

    def expected(v):
        there = model.unpack(v, params)
        total = counts.start @ np.log(there.startprob) + np.sum(counts.transitions * np.log(there.transmat))
        if end:
            total += counts.end @ np.log(there.endprob)
        return float(total + np.sum(gamma * model.family.log_prob(there.emissions, block.x)))

    found, wanted = slopes(log_likelihood, expected, at=model.pack(params))
    assert np.abs(wanted).max() > 0.02
    close("gradient", found, wanted, 1.0 + np.abs(wanted), 1e-6)


def test_compiled_code_keeps_the_objective_rising(monkeypatch):
    """The laws again with the recursions compiled, whatever the size."""
    from emkit.core import compiled as policy

    monkeypatch.setattr(policy, "_always", True)
    conforms(HiddenMarkov(Gaussian("full"), 2, end=True), source("gaussian", weighted=True))
    assert policy.worth_compiling(0.0)
