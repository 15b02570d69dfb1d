"""Hidden Markov models over any family, fitted by Baum-Welch."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import add_labels, weighted_sum
from emkit.core.block import Block, Source
from emkit.core.errors import DataError, ImpossibleSequenceError, ParameterError
from emkit.core.masks import masked
from emkit.core.model import Inference
from emkit.core.parallel import each
from emkit.core.scratch import borrow
from emkit.core.seeding import kind_of_start
from emkit.core.slivers import Sliver, slivers_of
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.models.hmm import chain
from emkit.models.hmm.banded import forward_backward_banded
from emkit.models.hmm.blocks import pieces
from emkit.models.hmm.configuration import ChainConfiguration
from emkit.models.hmm.decoding import viterbi_block
from emkit.models.hmm.params import HMMParams, HMMStats
from emkit.models.hmm.partition import first_partition
from emkit.models.hmm.paths import simulate
from emkit.models.hmm.recursions import Counts, forward_backward, forward_backward_log
from emkit.models.hmm.side_by_side import HMMsSideBySide
from emkit.models.hmm.stationary import stationary_mode, stationary_slope
from emkit.models.hmm.steps import first_rows, log_chain, worth_compiled_recursions
from emkit.models.hmm.tempered import drawn_paths, tempered


@dataclass(frozen=True)
class HiddenMarkov(ChainConfiguration):
    """A Markov chain of K hidden states; each step is drawn from its state's distribution.

    Parameters
    ----------
    family : Family
        What states emit.
    n_states : int
    start : {"free", "stationary"}
        "stationary": the start distribution is the stationary one of the transition matrix, and is fitted together with it.
    end : bool
        Whether sequences end by a transition to an end state, with a probability for each state.
    startprob_prior, transmat_prior : Dirichlet, numbers or None
        Priors of the start distribution and of each row of transitions (with the end probability last, if there is one);
        numbers are concentrations.
    sticky : float
        Pseudo-counts added to each self-transition.
    fixed, start_values : mapping, optional
        "startprob" (K,), "transmat" (K, K), "endprob" (K,). A zero in either is a structural zero: it stays.
    """

    @classmethod
    def examples(cls) -> list[Self]:
        """See ``emkit.models.hmm.examples``."""
        from emkit.models.hmm.examples import examples

        return examples(cls)

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """The family's rows in sequences of unequal lengths."""
        ends = np.append(np.sort(rng.choice(np.arange(1, n), max(n // 6, 1), replace=False)), n)
        return replace(super().draw(rng, n, d), lengths=np.diff(ends, prepend=0))

    # --- resolving and starting ---------------------------------------------------------------------------------------

    def resolve(self, source: Source) -> Self:
        """Checks probabilities, finds structural zeros, resolves the family."""
        k = self.n_hidden
        if source.n_rows < k:
            raise DataError(f"n_states={k} is more than the {source.n_rows} step(s) of the data")
        if not self.end and ("endprob" in self.fixed or "endprob" in self.start_values):
            raise ParameterError("endprob is given, but end=False", parameter="endprob")
        if self.start == "stationary" and "startprob" in self.fixed:
            raise ParameterError("startprob cannot be fixed when start='stationary'", parameter="startprob")
        given = {name: np.asarray(value) for name, value in self.start_values.items()}
        fixed = {
            name: masked(value, given.get(name), f"fixed[{name!r}]", name) if np.asarray(value).dtype == bool else value
            for name, value in self.fixed.items()
        }
        held = {
            "startprob": chain.held_start(k, fixed, self.start_values),
            "transitions": chain.held_rows(k, self.width, fixed, self.start_values),
        }
        if "startprob" in given:
            given["startprob"] = chain.check_rows(given["startprob"], (k,), "startprob_init")
        if "transmat" in given or "endprob" in given:
            rows = chain.joined_rows(k, self.end, given)
            given["transmat"] = rows[:, :k]
            if self.end:
                given["endprob"] = rows[:, k]
        fixed = {key: np.asarray(value, dtype=np.float64) for key, value in fixed.items()}
        return replace(self, family=self.family.resolve(source, k), fixed=fixed, start_values=given, held_chain=held)

    @property
    def on_arrays(self) -> bool:
        """As the family has it: emissions are worked out where the rows are, recursions in host memory."""
        return self.family.on_arrays

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt)

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> HMMParams:
        """States from a seeded partition of the steps; transitions lean to staying, more or less from start to start."""
        first = first_partition(self.family, self.n_hidden, source, rng, self.kind_of_start(attempt))
        emissions = self.family.from_partition(first.x, first.weighted, rng)
        start, rows = chain.first_chain(self.end, first.lengths, attempt, self._resolved(), self.start_values)
        return self.made(None, {"startprob": start, "transitions": rows}, {"emissions": emissions})

    def start_from(self, block: Block, resp: np.ndarray, rng: np.random.Generator) -> HMMParams:
        """Emissions of the guessed states, and transitions as often as neighbouring steps have them."""
        x, lengths = np.asarray(block.x), np.asarray(block.lengths)
        weights = block.row_weights
        weighted = resp if weights is None else resp * np.asarray(weights, dtype=np.float64)[:, None]
        start, rows = chain.guessed_chain(self.end, lengths, resp, self._resolved())
        emissions = self.family.from_partition(x, weighted, rng)
        return self.made(None, {"startprob": start, "transitions": rows}, {"emissions": emissions})

    def points(self, x: Any) -> np.ndarray | None:
        """As the family has them."""
        return self.family.embed(x)

    # --- E-step -------------------------------------------------------------------------------------------------------

    def log_emissions(self, params: HMMParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Log probability of each step under each state, (n, K), with what is known of the states; a missing step gives zeros."""
        log_b = np.empty((block.n, self.n_hidden)) if out is None else out
        each(lambda rows: self.family.log_prob_block(params.emissions, block.rows(rows), log_b[rows]), pieces(block))
        return add_labels(log_b, block.labels)

    def recursions(self, params: HMMParams, block: Block, log_b: np.ndarray, *, impossible_ok: bool = False) -> Counts:
        """Forward-backward over a block; overwrites ``log_b`` with posteriors times weights.

        What underflows is done again in log space.

        Raises
        ------
        ImpossibleSequenceError
            For a sequence of probability zero; with ``impossible_ok`` its log-likelihood is -inf, its posteriors zero.
        """
        lengths = np.asarray(block.lengths)
        weights = np.ones(len(lengths)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        if not worth_compiled_recursions(block, self.n_hidden):
            found = forward_backward_banded(log_b, lengths, weights, params.startprob, params.transmat, params.endprob)
            if found is not None:
                return found
        chosen = np.arange(len(lengths))
        counts, redo = self._scaled(params, block, log_b, lengths, weights, chosen)
        again = np.zeros(len(lengths), dtype=bool)
        while redo.any():  # counts hold what cannot be used, rows are overwritten: start over without those sequences
            again |= redo
            self.log_emissions(params, block, log_b)
            chosen = np.flatnonzero(~again)
            counts, redo = self._scaled(params, block, log_b, lengths, weights, chosen)
        if not again.any():
            return counts
        first, (log_start, log_trans, log_end) = first_rows(lengths), log_chain(params)
        for s in np.flatnonzero(again):
            rows = slice(first[s], first[s] + lengths[s])
            total, gamma, pairs = forward_backward_log(log_b[rows], log_start, log_trans, log_end)
            if total == -np.inf and weights[s] > 0 and not impossible_ok:
                raise ImpossibleSequenceError(block.start + int(s))
            counts.log_likelihoods[s] = total
            gamma *= weights[s]
            log_b[rows] = gamma
            counts.start += gamma[0]
            counts.end += gamma[-1]
            counts.transitions += weights[s] * pairs
        return counts

    def _scaled(
        self, params: HMMParams, block: Block, log_b: np.ndarray, lengths: np.ndarray, weights: np.ndarray, chosen: np.ndarray
    ) -> tuple[Counts, np.ndarray]:
        """Step by step, in NumPy or compiled."""
        if not any(worth_compiled_recursions(block, self.n_hidden, stepwise=stepwise) for stepwise in (False, True)):
            return forward_backward(log_b, lengths, weights, params.startprob, params.transmat, params.endprob, chosen)
        from emkit.models.hmm.compiled import compiled_recursions

        return compiled_recursions(log_b, lengths, weights, params, chosen)

    def e_step(self, params: HMMParams, block: Block) -> tuple[HMMStats, float]:
        """Baum-Welch: expected starts, transitions, ends, and the family's statistics under the posteriors."""
        with borrow(block.n, self.n_hidden) as log_b:
            counts = self.recursions(params, block, self.log_emissions(params, block, log_b))
            total = weighted_sum(counts.log_likelihoods, block.weights)
            parts = each(lambda rows: self.family.stats_block(params.emissions, block.rows(rows), log_b[rows]), pieces(block))
        emissions = parts[0]
        for part in parts[1:]:
            emissions = emissions + part
        return HMMStats(counts.start, counts.transitions, counts.end, emissions), total

    def tempered(self, params: HMMParams, block: Block, power: float) -> tuple[HMMStats, float]:
        """See ``emkit.models.hmm.tempered``."""
        return tempered(self, params, block, power)

    def drawn_labels(self, params: HMMParams, block: Block, rng: np.random.Generator, power: float = 1.0) -> np.ndarray:
        """Whole paths: forward filtering, backward sampling. Raises ImpossibleSequenceError."""
        return drawn_paths(self, params, block, rng, power)

    # --- M-step -------------------------------------------------------------------------------------------------------

    def m_step(self, stats: HMMStats, params: HMMParams) -> HMMParams:
        """Rows in closed form; with a stationary start, by ``stationary_mode``; the family does the rest."""
        held = self._resolved()
        emissions = self.family.update(stats.emissions, params.emissions)
        if self.start == "stationary":
            rows = stationary_mode(stats.transitions, stats.start, held["transitions"], params.transmat, self.pseudo_rows)
            return self.made(params, {"transitions": rows}, {"emissions": emissions})
        starts, counts = self._posterior_counts(stats)
        start = simplex.mode(starts, held["startprob"], params.startprob, reciprocal=True)
        rows = simplex.mode(counts, held["transitions"], self._rows(params), reciprocal=True)
        return self.made(params, {"startprob": start, "transitions": rows}, {"emissions": emissions})

    def _posterior_counts(self, stats: HMMStats) -> tuple[np.ndarray, np.ndarray]:
        """Starts, and rows of transitions and ends, with the priors' pseudo-counts."""
        rows = np.column_stack([stats.transitions, stats.end]) if self.end else stats.transitions
        return stats.start + self.pseudo_start, rows + self.pseudo_rows

    def q(self, stats: HMMStats, params: HMMParams) -> float | None:
        """Of starts, transitions and ends, and of the family."""
        inner = self.family.q(stats.emissions, params.emissions)
        if inner is None:
            return None
        log_start, log_trans, log_end = log_chain(params)
        pairs = [(stats.start, log_start), (stats.transitions, log_trans), (stats.end, log_end)]
        return inner + sum(float(np.sum(n[n > 0] * logs[n > 0])) for n, logs in pairs)

    def complete_marginal(self, stats: HMMStats, params: HMMParams) -> float | None:
        """Of starts, of transitions and ends, by default with Jeffreys' priors, and of the family."""
        inner = self.family.complete_marginal(stats.emissions, params.emissions)
        if inner is None or self.fixed or self.start == "stationary":
            return None
        held = self._resolved()
        start = JEFFREYS if self.startprob_prior is None else self.pseudo_start + 1.0
        plain = self.transmat_prior is None and not self.sticky
        rows = JEFFREYS if plain else self.pseudo_rows + 1.0
        counts = np.column_stack([stats.transitions, stats.end]) if self.end else stats.transitions
        first = of_probabilities(stats.start, params.startprob, start, np.isnan(held["startprob"]))
        return inner + first + of_probabilities(counts, self._rows(params), rows, np.isnan(held["transitions"]))

    def gradient(self, stats: HMMStats, params: HMMParams) -> dict[str, np.ndarray]:
        """Counts, with the priors', over probabilities; a stationary start changes with the transitions."""
        start, counts = self._posterior_counts(stats)
        slopes = simplex.gradient(counts, self._rows(params))
        if self.start == "stationary":
            pi = params.startprob
            slopes = slopes + pi[:, None] * stationary_slope(params.transmat, pi, stats.start)
        return {"startprob": simplex.gradient(start, params.startprob), "transitions": slopes}

    def curvature(self, stats: HMMStats, params: HMMParams) -> dict[str, np.ndarray]:
        """Of as many starts and transitions as were counted, the priors' included; a stationary start counts as a transition."""
        start, counts = self._posterior_counts(stats)
        if self.start == "stationary":
            counts = counts + stats.start[:, None] * params.transmat
        first = simplex.curvature(start, params.startprob, self.held("startprob", params.startprob.shape))
        return {
            "startprob": first,
            "transitions": simplex.curvature(counts, self._rows(params), self.held("transitions", counts.shape)),
        }

    def label_counts(self, stats: HMMStats) -> np.ndarray:
        """Steps in each state: those that begin in it, and those that lead to it."""
        return np.asarray(stats.start + stats.transitions[:, : self.n_hidden].sum(axis=0))

    def slivers(self, params: HMMParams, stats: HMMStats) -> tuple[Sliver, ...]:
        """As the family says of its components; a state's rows are the steps that begin in it or lead to it."""
        counts = self.label_counts(stats)
        return slivers_of("state", counts, self.family.slivers(params.emissions, counts))

    # --- reading ------------------------------------------------------------------------------------------------------

    def infer(self, params: HMMParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """Log-likelihood of each sequence; smoothed probabilities of the states; the most probable path (Viterbi's).

        Raises
        ------
        ImpossibleSequenceError
            For marginals of a sequence that has probability zero.
        """
        block = replace(block, weights=None)
        if want == "mode":
            path = np.empty(block.n, dtype=np.int64) if out is None else out
            joint = viterbi_block(params, block, lambda rows, room: self.log_emissions(params, rows, room), path)
            return Inference(joint, mode=path)
        if want == "marginals":
            gamma = self.log_emissions(params, block, out)
            return Inference(self.recursions(params, block, gamma).log_likelihoods, marginals=gamma)
        # The way back is not for nothing: only it shows that something was lost on the way forth.
        with borrow(block.n, self.n_hidden) as log_b:
            counts = self.recursions(params, block, self.log_emissions(params, block, log_b), impossible_ok=True)
        return Inference(counts.log_likelihoods)

    def filled(self, params: HMMParams, x: np.ndarray, marginals: np.ndarray) -> np.ndarray:
        """As the family does it, given the smoothed probabilities of the states."""
        return self.family.filled(params.emissions, x, marginals)

    def drawn(self, params: HMMParams, x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family does it, given the states."""
        return self.family.drawn(params.emissions, x, labels, rng)

    def simulate(self, params: HMMParams, n: int, rng: np.random.Generator) -> Block:
        """About ``n`` steps: sequences of 50, or sequences that run until they end."""
        lengths = max(1, int(n * params.endprob.mean())) if params.endprob is not None else np.full(-(-n // 50), 50)
        x, states, sizes = simulate(self.family, params, lengths, rng)
        return Block(x, lengths=sizes, labels=states)

    def redrawn(self, params: HMMParams, block: Block, rng: np.random.Generator) -> Block:
        """Sequences of the block's lengths; of a chain that ends, given that it ends there."""
        x, states, sizes = simulate(self.family, params, np.asarray(block.lengths), rng)
        return Block(x, lengths=sizes, labels=states)

    def side_by_side(self, source: Source) -> HMMsSideBySide | None:
        """Where the family is separable, nothing is held or given, no state is known, the start is free, and there is no end."""
        alike = self.family.separable and not self.has_values and self.start == "free" and not self.end
        return HMMsSideBySide(self) if alike and not source.labelled else None

    def compile(self, source: Source) -> None:
        """Load or compile the recursions and the family's kernels."""
        block = next(iter(source))
        self.family.compile(source, self.n_hidden)
        if worth_compiled_recursions(replace(block, source_rows=source.n_rows), self.n_hidden):
            from emkit.models.hmm.compiled import compile_recursions

            compile_recursions()
