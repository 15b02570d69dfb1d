"""Problems on which EM takes long, and easy ones: small, with fixed seeds."""

import numpy as np

from emkit import ArraySource, Bernoulli, Categorical, FiniteMixture, Gaussian, HiddenMarkov, Mixed, Poisson, SequenceSource


def overlapping(n, d, k, apart, seed):
    """Rows (n, d) of k normal clusters of different shapes, their centres about ``apart`` from the middle."""
    rng = np.random.default_rng(seed)
    shapes = [np.eye(d) + 0.4 * rng.normal(size=(d, d)) for _ in range(k)]
    return np.concatenate([rng.normal(size=(n // k, d)) @ shape + apart * rng.normal(size=d) for shape in shapes])


def chain(levels, n, seed, stay=0.9):
    """The level at each of n steps of a chain that mostly stays where it is, and the generator."""
    rng = np.random.default_rng(seed)
    moves, to = rng.random(n) > stay, rng.integers(len(levels), size=n)
    states = np.zeros(n, dtype=int)
    for t in range(1, n):
        states[t] = to[t] if moves[t] else states[t - 1]
    return np.asarray(levels, dtype=np.float64)[states], rng


def counts_in_sequences(levels, n=2000, seed=4):
    """Counts whose rate a hidden chain decides."""
    rates, rng = chain(levels, n, seed)
    return SequenceSource(rng.poisson(rates).astype(float)[:, None], [n // 4] * 4)


def numbers_in_sequences(levels, n=2000, seed=5):
    """Normal numbers whose mean a hidden chain decides."""
    means, rng = chain(levels, n, seed)
    return SequenceSource(rng.normal(means)[:, None], [n // 4] * 4)


def answers(n=1000, questions=8, seed=11):
    """Zeros and ones of three kinds of people."""
    rng = np.random.default_rng(seed)
    kinds = rng.uniform(0.1, 0.9, (3, questions))
    return ArraySource((rng.random((n, questions)) < kinds[rng.integers(3, size=n)]).astype(float))


def symbols(n=2000, seed=2):
    """Symbols that two states use differently."""
    states, rng = chain([0, 1], n, seed)
    probs = np.array([[0.6, 0.3, 0.05, 0.05], [0.05, 0.1, 0.3, 0.55]])[states.astype(int)]
    return SequenceSource((rng.random((n, 1)) > probs.cumsum(axis=1)).sum(axis=1).astype(float)[:, None], [n // 4] * 4)


SLOW = {
    "full apart": lambda: (FiniteMixture(Gaussian(), 3), ArraySource(overlapping(2000, 2, 3, 2.0, 0))),
    "full overlapping": lambda: (FiniteMixture(Gaussian(), 3), ArraySource(overlapping(2000, 2, 3, 1.0, 1))),
    "diag eight": lambda: (FiniteMixture(Gaussian("diag"), 8), ArraySource(overlapping(2000, 2, 8, 1.5, 3))),
    "spherical five": lambda: (FiniteMixture(Gaussian("spherical"), 5), ArraySource(overlapping(2000, 3, 5, 1.0, 12))),
    "tied four": lambda: (FiniteMixture(Gaussian("tied"), 4), ArraySource(overlapping(1000, 3, 4, 1.2, 7))),
    "counts": lambda: (HiddenMarkov(Poisson(), 3), counts_in_sequences([3, 5, 8])),
    "numbers": lambda: (HiddenMarkov(Gaussian(), 3), numbers_in_sequences([0, 1.2, 2.4])),
    "answers": lambda: (FiniteMixture(Bernoulli(), 3), answers()),
}
"""By name, what makes a model and a source."""

FURTHER = {
    "full four columns": lambda: (FiniteMixture(Gaussian(), 5), ArraySource(overlapping(2000, 4, 5, 1.5, 2))),
    "no prior": lambda: (FiniteMixture(Gaussian("full", None), 3), ArraySource(overlapping(600, 2, 3, 2.0, 10))),
    "rates": lambda: (FiniteMixture(Poisson(), 3, 2.0), ArraySource(np.random.default_rng(6).poisson(
        np.repeat([[3.0, 5.0], [5.0, 7.0], [6.0, 3.0]], 400, axis=0)).astype(float))),
    "symbols": lambda: (HiddenMarkov(Categorical(), 2, transmat_prior=2.0), symbols()),
    "sticky": lambda: (HiddenMarkov(Poisson(), 2, start="stationary", sticky=5.0), counts_in_sequences([3, 6], 1200)),
    "mixtures of mixtures": lambda: (HiddenMarkov(Mixed(Gaussian("diag"), 2), 2), numbers_in_sequences([0, 2.5, 6, 9], 1200)),
    "tied variance": lambda: (FiniteMixture(Gaussian("tied-diag"), 3), ArraySource(overlapping(900, 2, 3, 2.0, 8))),
}  # fmt: skip
