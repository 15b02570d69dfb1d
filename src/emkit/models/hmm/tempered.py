"""A hidden Markov model whose posterior of paths is raised to a power: its recursions, and paths drawn from it."""

from dataclasses import replace
from typing import Any

import numpy as np

from emkit.core.bayes import add_labels, weighted_sum
from emkit.core.block import Block
from emkit.models.hmm.params import HMMParams, HMMStats
from emkit.models.hmm.paths import sample_paths
from emkit.models.hmm.recursions import Counts, forward_backward, forward_backward_log
from emkit.models.hmm.steps import first_rows, log_chain


def flattened(params: HMMParams, power: float) -> HMMParams:
    """With each probability of the chain raised to the power; rows do not add up to 1."""
    end = None if params.endprob is None else params.endprob**power
    return replace(params, startprob=params.startprob**power, transmat=params.transmat**power, endprob=end)


def log_emissions(model: Any, params: HMMParams, block: Block, power: float) -> np.ndarray:
    """Log emission probabilities, (n, K), times the power, with what is known of the states."""
    return add_labels(power * model.log_emissions(params, replace(block, labels=None)), block.labels)


def tempered(model: Any, params: HMMParams, block: Block, power: float) -> tuple[HMMStats, float]:
    """Statistics under the posterior of paths raised to the power; and 1/power sum log sum_path p(steps, path)^power."""
    lengths = np.asarray(block.lengths)
    weights = np.ones(len(lengths)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    log_b, flat = log_emissions(model, params, block, power), flattened(params, power)
    gamma, again = log_b.copy(), np.zeros(len(lengths), dtype=bool)
    while True:  # counts hold what cannot be used: over again without the sequences that underflow
        counts, redo = _scaled(gamma, lengths, weights, flat, np.flatnonzero(~again))
        if not redo.any():
            break
        again |= redo
        gamma = log_b.copy()
    _in_logarithms(counts, gamma, lengths, weights, flat, again)
    emissions = model.family.stats_block(params.emissions, replace(block, weights=None, lengths=None), gamma)
    total = weighted_sum(counts.log_likelihoods, block.weights)
    return HMMStats(counts.start, counts.transitions, counts.end, emissions), total / power


def _scaled(
    gamma: np.ndarray, lengths: np.ndarray, weights: np.ndarray, flat: HMMParams, chosen: np.ndarray
) -> tuple[Counts, np.ndarray]:
    return forward_backward(gamma, lengths, weights, flat.startprob, flat.transmat, flat.endprob, chosen)


def _in_logarithms(
    counts: Counts, gamma: np.ndarray, lengths: np.ndarray, weights: np.ndarray, flat: HMMParams, which: np.ndarray
) -> None:
    first, logs = first_rows(lengths), log_chain(flat)
    for s in np.flatnonzero(which):
        rows = slice(first[s], first[s] + lengths[s])
        counts.log_likelihoods[s], own, pairs = forward_backward_log(gamma[rows], *logs)
        own *= weights[s]
        gamma[rows] = own
        counts.start += own[0]
        counts.end += own[-1]
        counts.transitions += weights[s] * pairs


def drawn_paths(model: Any, params: HMMParams, block: Block, rng: np.random.Generator, power: float) -> np.ndarray:
    """A path for each sequence from its posterior raised to the power, int64 (n,)."""
    log_b = log_emissions(model, params, block, power)
    return sample_paths(params if power == 1.0 else flattened(params, power), log_b, np.asarray(block.lengths), 1, rng)[0]
