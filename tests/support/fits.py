"""Fits and answers through the engine, in one call."""

from collections.abc import Iterable

import numpy as np

from emkit import Problem, SequenceSource, Threads, fit
from emkit.core.model import Infer


def fitted(model, source, *, seed=0, threads=1, **settings):
    """The Result of a fit; 8 starts at the default tolerance, unless told otherwise."""
    return fit(model, source, executor=Threads(threads), rng=np.random.default_rng(seed), **settings)


def problem_of(model, source):
    """The model, resolved, and the data, on one thread."""
    return Problem(model.resolve(source), source, Threads(1))


def answers(result, source, want, threads=1):
    """What the fitted model says of a source: log-likelihoods of its units, marginals (n, K) or the mode (n,)."""
    found = list(Threads(threads).map(Infer(result.model, result.params, want), source))
    return np.concatenate([getattr(each, want) for each in found])


def score(result, source, threads=1):
    """Log-likelihood of all of a source, each unit counting once; summed block by block, as a fit does."""
    found = Threads(threads).map(Infer(result.model, result.params, "log_likelihood"), source)
    return float(sum(float(each.log_likelihood.sum()) for each in found))


def sequences(x, lengths: Iterable[int] | None = None, **more):
    """A source of sequences; one column may be given as a vector."""
    x = np.asarray(x, dtype=np.float64)
    return SequenceSource(x[:, None] if x.ndim == 1 else x, None if lengths is None else list(lengths), **more)
