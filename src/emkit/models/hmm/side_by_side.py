"""Several hidden Markov models side by side: emissions of all at once, and short sequences in one system of equations."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emkit.core.bayes import weighted_sum
from emkit.core.block import Block, Source
from emkit.core.seeding import Seeds
from emkit.core.side_by_side import MOST_GUESSED, SideBySide
from emkit.models.hmm import chain
from emkit.models.hmm.banded import forward_backward_together
from emkit.models.hmm.params import HMMParams, HMMStats
from emkit.models.hmm.partition import first_partitions
from emkit.models.hmm.steps import worth_compiled_recursions

_TOGETHER = 2**16  # numbers of the systems solved at once: they stay in cache
_EMISSIONS = 2**21  # log probabilities held at once


@dataclass(frozen=True)
class HMMsSideBySide(SideBySide):
    """S chains over K states each: ``startprob`` (S, K), ``transmat`` (S, K, K), and S K distributions that states emit."""

    # Transitions are learned slowly. In 48 fits of 16 simulated chains the best optimum known was missed by .08 nats on average;
    # with 6 iterations a round by .21, with 12 by .04, at a sixth more time.
    rounds = (8, 8, 8)

    def init(self, source: Source, seeds: Seeds) -> HMMParams:
        """States from seeded partitions of the steps; transitions lean to staying, more or less from start to start."""
        k, family = self.model.n_hidden, self.model.family
        each, made, held = max(1, MOST_GUESSED // (source.n_rows * k)), [], self.model.held_chain
        for begin in range(0, len(seeds), each):
            numbers = range(begin, min(begin + each, len(seeds)))
            rngs, kinds = [seeds.rngs[i] for i in numbers], [seeds.kinds[i] for i in numbers]
            firsts = first_partitions(family, k, source, rngs, kinds)
            emissions = family.from_partition(firsts[0].x, np.concatenate([one.weighted for one in firsts], axis=1), rngs[0])
            chains = [chain.first_chain(False, firsts[0].lengths, i, held, {}) for i in numbers]
            made.append(HMMParams(np.stack([start for start, _ in chains]), np.stack([rows for _, rows in chains]), emissions))
        found: HMMParams = self.stacked(made)
        return found

    def e_step(self, params: HMMParams, block: Block) -> tuple[HMMStats, Any]:
        """Baum-Welch of each; the log-likelihood of one that cannot have made a sequence is -inf."""
        k, s = self.model.n_hidden, len(params.startprob)
        each = max(1, min(s, _EMISSIONS // (block.n * k)))
        if each < s:
            parts = [self.e_step(self.take(params, slice(i, i + each)), block) for i in range(0, s, each)]
            return self.stacked([stats for stats, _ in parts]), np.concatenate([values for _, values in parts])
        family, rows = self.model.family, block.rows(slice(0, block.n))
        log_b = family.log_prob_block(params.emissions, rows)
        apart = np.ascontiguousarray(np.swapaxes(log_b.reshape(-1, s, k), 0, 1))
        stats, log_likelihood = self._recursions(params, block, apart)
        log_b.reshape(-1, s, k)[:] = np.swapaxes(apart, 0, 1)
        return replace(stats, emissions=family.stats_block(params.emissions, rows, log_b)), log_likelihood

    def _recursions(self, params: HMMParams, block: Block, log_b: np.ndarray) -> tuple[HMMStats, np.ndarray]:
        """Counts of all chains, and log-likelihoods (S,); overwrites ``log_b`` (S, n, K) with posteriors times weights."""
        s, n, k = log_b.shape
        lengths = np.asarray(block.lengths)
        weights = np.ones(len(lengths)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        starts, pairs, ends = np.empty((s, k)), np.empty((s, k, k)), np.empty((s, k))
        values, alone = np.empty((s, len(lengths))), worth_compiled_recursions(block, k)
        each = 1 if alone else max(1, _TOGETHER // (2 * k * k * n))
        for begin in range(0, s, each):
            part = slice(begin, begin + each)
            chains = params.startprob[part], params.transmat[part]
            found = None
            if not alone:
                found = forward_backward_together(log_b[part], lengths, weights, *chains, np.ones(chains[0].shape))
            if found is not None:
                starts[part], pairs[part], ends[part], values[part] = found
                continue
            for i in range(s)[part]:
                counts = self.model.recursions(self.one(params, i), block, log_b[i], impossible_ok=True)
                starts[i], pairs[i], ends[i], values[i] = counts.start, counts.transitions, counts.end, counts.log_likelihoods
        return HMMStats(starts, pairs, ends, None), np.array([weighted_sum(row, block.weights) for row in values])

    def own_log_prior(self, params: HMMParams) -> np.ndarray:
        """Of start and transitions."""
        held = self.model.held_chain
        start = chain.log_densities(self.model.pseudo_start, held["startprob"], params.startprob)
        return start + chain.log_densities(self.model.pseudo_rows, held["transitions"], params.transmat).sum(axis=1)
