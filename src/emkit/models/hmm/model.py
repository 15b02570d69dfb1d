"""Hidden Markov models over any family, fitted by Baum-Welch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Block, Source
from emkit.core.compiled import worth_compiling
from emkit.core.errors import DataError, ImpossibleSequenceError, ParameterError
from emkit.core.model import Family, Model
from emkit.core.parallel import each
from emkit.core.prior import Dirichlet, Prior
from emkit.core.scratch import borrow
from emkit.core.seeding import KINDS_OF_START, kind_of_start, seed_labels
from emkit.models.hmm import chain as chain_values
from emkit.models.hmm import transitions
from emkit.models.hmm.blocks import informed, pieces, rows_of, weighted_sum
from emkit.models.hmm.params import HMMParams, HMMStats
from emkit.models.hmm.recursions import Counts, forward_backward, forward_backward_log, stationary
from emkit.models.hmm.steps import first_rows, log_chain


@dataclass(frozen=True)
class HiddenMarkov(Model[HMMParams, HMMStats]):
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
    startprob_prior, transmat_prior : Dirichlet or None
        Of the start distribution and of each row of transitions (with the end probability last, if there is one).
    sticky : float
        Pseudo-counts added to each self-transition.
    fixed, start_values : mapping, optional
        "startprob" (K,), "transmat" (K, K), "endprob" (K,). In ``fixed``, NaN marks entries that are free. A zero in either is a
        structural zero: it stays.
    """

    family: Family[Any, Any]
    n_states: int
    start: str = "free"
    end: bool = False
    startprob_prior: Prior | None = None
    transmat_prior: Prior | None = None
    sticky: float = 0.0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)
    seeding: str = "auto"
    held: Mapping[str, np.ndarray] | None = None
    """Set by ``resolve``: for "startprob" (K,) and "transitions" (K, K or K + 1), the fixed values, NaN where free."""

    def __post_init__(self) -> None:
        k = self.n_states
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ParameterError(f"n_states={k!r}: give an integer of at least 1")
        if self.start not in ("free", "stationary"):
            raise ParameterError(f"start={self.start!r}: choose 'free' or 'stationary'")
        if self.start == "stationary" and self.end:
            raise ParameterError(
                "a chain that ends has no stationary distribution: start='stationary' and end=True exclude each other"
            )
        if not (np.isfinite(self.sticky) and self.sticky >= 0):
            raise ParameterError(f"sticky={self.sticky!r}: give a number of pseudo-counts, at least 0")
        if self.seeding not in KINDS_OF_START:
            raise ParameterError(f"init_params={self.seeding!r}: choose one of {', '.join(map(repr, KINDS_OF_START))}")
        for name, prior, shape in (
            ("startprob_prior", self.startprob_prior, (k,)),
            ("transmat_prior", self.transmat_prior, (k, self.width)),
        ):
            if prior is None:
                continue
            if not isinstance(prior, Dirichlet):
                raise ParameterError(f"priors of probabilities must be Dirichlet, got {prior!r}")
            found = np.shape(prior.concentration)
            if found not in ((), shape, shape[-1:]):
                raise ParameterError(f"{name} has shape {found}; give one concentration, or an array {shape}")
        for name, values in (("fixed", self.fixed), ("start_values", self.start_values)):
            unknown = set(values) - {"startprob", "transmat", "endprob"}
            if unknown:
                raise ParameterError(f"{name}={sorted(unknown)}: an HMM has 'startprob', 'transmat' and 'endprob'")

    # --- resolving and starting -------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Columns of a row of transitions: the states, and the end."""
        return self.n_states + int(self.end)

    def resolve(self, source: Source) -> Self:
        """Checks probabilities, finds structural zeros, resolves the family."""
        k = self.n_states
        if source.n_rows < k:
            raise DataError(f"n_states={k} is more than the {source.n_rows} step(s) of the data")
        if not self.end and ("endprob" in self.fixed or "endprob" in self.start_values):
            raise ParameterError("endprob is given, but end=False")
        if self.start == "stationary" and "startprob" in self.fixed:
            raise ParameterError("startprob cannot be fixed when start='stationary'")
        start_held = chain_values.held_start(k, self.fixed, self.start_values)
        rows_held = chain_values.held_rows(k, self.width, self.fixed, self.start_values)
        given = dict(self.start_values)
        if "startprob" in given:
            given["startprob"] = transitions.check_rows(given["startprob"], (k,), "startprob_init")
        if "transmat" in given or "endprob" in given:
            rows = chain_values.joined_rows(k, self.end, given)
            given["transmat"] = rows[:, :k]
            if self.end:
                given["endprob"] = rows[:, k]
        fixed = {key: np.asarray(value, dtype=np.float64) for key, value in self.fixed.items()}
        held = {"startprob": start_held, "transitions": rows_held}
        return replace(self, family=self.family.resolve(source, k), fixed=fixed, start_values=given, held=held)

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt)

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> HMMParams:
        """States from a seeded partition of the steps; transitions lean to staying, more or less from start to start."""
        k = self.n_states
        blocks = list(source)
        x = np.concatenate([np.asarray(block.x) for block in blocks])
        lengths = np.concatenate([np.asarray(block.lengths) for block in blocks])
        weights = np.concatenate([np.ones(len(b.lengths)) if b.weights is None else np.asarray(b.weights) for b in blocks])
        step_weights = np.repeat(weights, lengths)
        points = self.family.embed(x)
        try:
            resp = seed_labels(points, len(x), step_weights, k, rng, self.kind_of_start(attempt))
        except DataError:  # fewer distinct values than states, as symbols often have: states may still differ in where they go
            resp = seed_labels(None, len(x), None, k, rng, "random")
        at = 0
        for block in blocks:
            if block.evidence is not None:
                part = slice(at, at + block.n)
                resp[part] = informed(resp[part], block.evidence)
            at += block.n
        emissions = self.family.from_partition(source, x, resp * step_weights[:, None], rng)
        start, rows = self._first_chain(resp, lengths, attempt)
        endprob = rows[:, k] if self.end else None
        matrix = np.ascontiguousarray(rows[:, :k])
        if self.start == "stationary":
            start = stationary(matrix)
        return HMMParams(start, matrix, emissions, endprob)

    def _first_chain(self, resp: np.ndarray, lengths: np.ndarray, attempt: int) -> tuple[np.ndarray, np.ndarray]:
        k = self.n_states
        held = self._resolved()
        stay = (0.5, 0.8, 0.9, 0.6)[attempt % 4]
        rows = np.full((k, self.width), (1.0 - stay) / max(self.width - 1, 1))
        rows[np.arange(k), np.arange(k)] = stay if self.width > 1 else 1.0
        if self.end:
            rows[:, k] = min(0.5, len(lengths) / lengths.sum())
        given = self.start_values
        if "transmat" in given:
            rows = np.asarray(given["transmat"]) if not self.end else np.column_stack([given["transmat"], given["endprob"]])
        rows = simplex.mode(rows, held["transitions"], rows)
        start = np.asarray(given["startprob"]) if "startprob" in given else np.full(k, 1.0 / k)
        return simplex.mode(start, held["startprob"], start), rows

    def _resolved(self) -> Mapping[str, np.ndarray]:
        if self.held is None:
            raise ParameterError("this HMM is not resolved: call resolve(source) first (fit does)")
        return self.held

    # --- E-step -----------------------------------------------------------------------------------------------------

    def log_emissions(self, params: HMMParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Log probability of each step under each state, (n, K), with what is known about the states; a missing step gives zeros."""
        log_b = np.empty((block.n, self.n_states)) if out is None else out
        each(lambda rows: self.family.log_prob_block(params.emissions, rows_of(block, rows), log_b[rows]), pieces(block))
        if block.evidence is not None:
            evidence = np.asarray(block.evidence)
            if evidence.ndim == 1:
                known = np.flatnonzero(evidence >= 0)
                kept = log_b[known, evidence[known]]
                log_b[known] = -np.inf
                log_b[known, evidence[known]] = kept
            else:
                with np.errstate(divide="ignore"):
                    log_b += np.log(evidence)
        return log_b

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
        if _worth(block, self.n_states):
            from emkit.models.hmm.compiled import compiled_recursions

            return compiled_recursions(log_b, lengths, weights, params, chosen)
        return forward_backward(log_b, lengths, weights, params.startprob, params.transmat, params.endprob, chosen)

    def e_step(self, params: HMMParams, block: Block) -> tuple[HMMStats, float]:
        """Baum-Welch: expected starts, transitions, ends, and the family's statistics under the posteriors."""
        with borrow(block.n, self.n_states) as log_b:
            counts = self.recursions(params, block, self.log_emissions(params, block, log_b))
            total = weighted_sum(counts.log_likelihoods, block.weights)
            parts = each(lambda rows: self.family.stats_block(params.emissions, rows_of(block, rows), log_b[rows]), pieces(block))
        emissions = parts[0]
        for part in parts[1:]:
            emissions = emissions + part
        return HMMStats(counts.start, counts.transitions, counts.end, emissions), total

    def sequence_log_likelihoods(self, params: HMMParams, block: Block) -> np.ndarray:
        """Log-likelihood of each sequence of a block; -inf where it is impossible."""
        # The way back is not for nothing: only it shows that something was lost on the way forth.
        with borrow(block.n, self.n_states) as log_b:
            return self.recursions(params, block, self.log_emissions(params, block, log_b), impossible_ok=True).log_likelihoods

    # --- M-step -----------------------------------------------------------------------------------------------------

    def _pseudo_start(self) -> Any:
        return np.asarray(self.startprob_prior.concentration) - 1.0 if isinstance(self.startprob_prior, Dirichlet) else 0.0

    def _pseudo_rows(self) -> np.ndarray:
        pseudo = np.zeros((self.n_states, self.width))
        if isinstance(self.transmat_prior, Dirichlet):
            pseudo = pseudo + (np.asarray(self.transmat_prior.concentration, dtype=np.float64) - 1.0)
        pseudo[np.arange(self.n_states), np.arange(self.n_states)] += self.sticky
        return pseudo

    def m_step(self, stats: HMMStats, params: HMMParams) -> HMMParams:
        """Rows in closed form; with a stationary start, by ``transitions.stationary_mode``; the family does the rest."""
        held = self._resolved()
        k = self.n_states
        emissions = self.family.m_step(stats.emissions, params.emissions)
        if self.start == "stationary":
            matrix = transitions.stationary_mode(
                stats.transitions, stats.start, held["transitions"], params.transmat, self._pseudo_rows()
            )
            return HMMParams(stationary(matrix), matrix, emissions)
        start = simplex.mode(stats.start + self._pseudo_start(), held["startprob"], params.startprob)
        counts = np.column_stack([stats.transitions, stats.end]) if self.end else stats.transitions
        rows = simplex.mode(counts + self._pseudo_rows(), held["transitions"], self._rows(params))
        return HMMParams(start, np.ascontiguousarray(rows[:, :k]), emissions, rows[:, k].copy() if self.end else None)

    def _rows(self, params: HMMParams) -> np.ndarray:
        return params.transmat if params.endprob is None else np.column_stack([params.transmat, params.endprob])

    # --- the rest of the contract -----------------------------------------------------------------------------------

    def log_prior(self, params: HMMParams) -> float:
        """Of start and transitions, and of the family."""
        held = self._resolved()
        total = self.family.log_prior(params.emissions)
        total += transitions.log_density(self._pseudo_rows(), held["transitions"], self._rows(params))
        if self.start == "free":
            total += transitions.log_density(self._pseudo_start(), held["startprob"], params.startprob)
        return total

    def n_free(self, params: HMMParams) -> int:
        """Free start and transition probabilities (structural zeros and fixed entries are not), and the family's."""
        held = self._resolved()
        own = simplex.n_free(held["transitions"]) + (simplex.n_free(held["startprob"]) if self.start == "free" else 0)
        return own + self.family.n_free(params.emissions)

    def pack(self, params: HMMParams) -> np.ndarray:
        """Log-ratios of start and transition probabilities, then the family's vector."""
        held = self._resolved()
        start = simplex.pack(params.startprob, held["startprob"]) if self.start == "free" else np.zeros(0)
        rows = simplex.pack(self._rows(params), held["transitions"])
        return np.concatenate([start, rows, self.family.pack(params.emissions)])

    def unpack(self, vector: np.ndarray, like: HMMParams) -> HMMParams:
        """Inverse of ``pack``."""
        held = self._resolved()
        k, at, start = self.n_states, 0, like.startprob
        if self.start == "free":
            start, at = simplex.unpack(vector, held["startprob"])
        rows, used = simplex.unpack(vector[at:], held["transitions"])
        matrix = np.ascontiguousarray(rows[:, :k])
        if self.start == "stationary":
            start = stationary(matrix)
        emissions = self.family.unpack(vector[at + used :], like.emissions)
        return HMMParams(start, matrix, emissions, rows[:, k].copy() if self.end else None)

    def permute(self, params: HMMParams, order: np.ndarray) -> HMMParams:
        """Relabelled: new state i is old ``order[i]``."""
        order = np.asarray(order)
        end = None if params.endprob is None else params.endprob[order]
        matrix = np.ascontiguousarray(params.transmat[np.ix_(order, order)])
        return HMMParams(params.startprob[order], matrix, self.family.permute(params.emissions, order), end)

    def permuted(self, order: np.ndarray) -> "HiddenMarkov":
        """The configuration that goes with ``permute``: fixed, starting and structural values and priors follow their states."""
        if self.held is None:
            return self
        order = np.asarray(order)
        k = self.n_states

        def follow(rows: np.ndarray) -> np.ndarray:
            moved = rows[order]
            return np.concatenate([moved[:, :k][:, order], moved[:, k:]], axis=1)

        def all_follow(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
            return {key: follow(np.asarray(v)) if key == "transmat" else np.asarray(v)[order] for key, v in values.items()}

        start, rows = self.startprob_prior, self.transmat_prior
        if isinstance(start, Dirichlet) and np.ndim(start.concentration):
            start = Dirichlet(np.asarray(start.concentration)[order])
        if isinstance(rows, Dirichlet) and np.ndim(rows.concentration):
            rows = Dirichlet(follow(np.broadcast_to(np.asarray(rows.concentration), (k, self.width))))
        return replace(
            self,
            family=self.family.permuted(order),
            startprob_prior=start,
            transmat_prior=rows,
            fixed=all_follow(self.fixed),
            start_values=all_follow(self.start_values),
            held={"startprob": self.held["startprob"][order], "transitions": follow(self.held["transitions"])},
        )

    def null_params(self, n_features: int) -> HMMParams:
        """Uniform; for reading files."""
        k = self.n_states
        end = np.full(k, 1.0 / self.width) if self.end else None
        return HMMParams(np.full(k, 1.0 / k), np.full((k, k), 1.0 / self.width), self.family.null_params(k, n_features), end)

    def compile(self, source: Source) -> None:
        """Load or compile the recursions and the family's kernels."""
        block = next(iter(source))
        self.family.compile(source, self.n_states)
        if _worth(block, self.n_states):
            from emkit.models.hmm.compiled import compile_recursions

            compile_recursions()


def _worth(block: Block, k: int) -> bool:
    """Whether the recursions over the data are long enough for compiled code. A function of the data's shape alone."""
    rows = max(block.n, block.source_rows)
    return worth_compiling(1.5e4 * int(np.max(block.lengths)) + rows * k * (50.0 + k))
