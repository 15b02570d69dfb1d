"""Hidden Markov models by variational Bayes: Baum-Welch on expected logarithms."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import count, one_of
from emkit.core.child import Child
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Inference, Model
from emkit.core.parameters import Parameter
from emkit.core.records import Params
from emkit.core.seeding import KINDS_OF_START, kind_of_start
from emkit.core.support import Support
from emkit.families.variational import dirichlet
from emkit.families.variational.posterior import VariationalFamily
from emkit.models.hmm import chain
from emkit.models.hmm.model import HiddenMarkov
from emkit.models.hmm.params import HMMParams, HMMStats
from emkit.models.hmm.partition import first_partition
from emkit.models.hmm.paths import simulate


@dataclass(frozen=True)
class VariationalHMMParams(Params):
    """Dirichlet concentrations ``startprob_posterior`` (K,), ``transmat_posterior`` (K, K); ``emissions``: the family's."""

    startprob_posterior: np.ndarray
    transmat_posterior: np.ndarray
    emissions: Any

    @cached_property
    def expected(self) -> HMMParams:
        """Exponentials of the expected logarithms: rows add up to less than 1. The emissions are the family's."""
        start, rows = (np.exp(dirichlet.expected_logs(a)) for a in (self.startprob_posterior, self.transmat_posterior))
        return HMMParams(start, rows, self.emissions)


@dataclass(frozen=True)
class VariationalHMM(Model):
    """A hidden Markov model whose parameters have posterior distributions, fitted by variational Bayes.

    The E-step is that of ``HiddenMarkov`` with exp(E[log p]) in place of every probability p. The M-step adds its counts to the
    priors'. The log-likelihood that the E-step reports and the log prior, here minus the divergence of the posteriors from the
    priors, add up to the lower bound of the log evidence, which never falls (Beal 2003, chapter 3).

    Parameters
    ----------
    family : VariationalFamily
        What states emit, such as ``VariationalGaussian``.
    n_states : int
        K.
    startprob_prior, transmat_prior : float or array (K,) and (K, K), optional
        Concentrations of the Dirichlet priors; a row (K,) of transitions stands for all. A 0 is a structural zero: what it is of
        cannot be. By default 1 / K.
    seeding : str
        ``init_params`` of the estimators.
    fixed, start_values : mapping, optional
        "startprob_posterior" (K,), "transmat_posterior" (K, K); the concentrations of a distribution are held all together.

    References
    ----------
    Beal (2003), Variational Algorithms for Approximate Bayesian Inference, chapter 3. Gruhl and Sick (2016), arXiv:1605.08618.
    """

    family: VariationalFamily
    n_states: int
    startprob_prior: Any = None
    transmat_prior: Any = None
    seeding: str = "auto"

    Params = VariationalHMMParams
    parameters = (
        Parameter("startprob_posterior", "K", dirichlet.Concentrations()),
        Parameter("transmat_posterior", "K K", dirichlet.Concentrations()),
    )
    children = (Child("emissions", "family"),)
    is_posterior = True

    def __post_init__(self) -> None:
        k = count(self.n_states, "n_states")
        one_of(self.seeding, KINDS_OF_START, "init_params")
        if not self.family.is_posterior:
            raise ParameterError(f"{self.family.called} has no posterior: give a variational family", parameter="family")
        for name, shape in (("startprob_prior", (k,)), ("transmat_prior", (k, k))):
            prior = dirichlet.read_prior(getattr(self, name), np.full(shape, 1.0 / k), name)
            object.__setattr__(self, name, prior)
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Both families, priors, structural zeros, fixed values."""
        from emkit.families.variational.categorical import VariationalCategorical
        from emkit.families.variational.gaussian import VariationalGaussian

        gaussian, nan = VariationalGaussian("diag"), np.nan
        left_right = [[3.0, 1.0, 0.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]]
        return [
            cls(VariationalCategorical(), 2),
            cls(gaussian, 2),
            cls(VariationalGaussian("full"), 3, [0.5, 1.0, 2.0], [[4.0, 2.0, 1.0], [1.5, 3.0, 2.0], [2.0, 2.0, 2.0]]),
            cls(VariationalGaussian("tied"), 2, 1e-3, 1e-3),
            cls(gaussian, 3, [1.0, 0.0, 0.0], left_right),
            cls(gaussian, 2, fixed={"transmat_posterior": [[9.0, 1.0], [nan, nan]], "startprob_posterior": [3.0, 7.0]}),
        ]

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """As an ordinary HMM of the ordinary family."""
        return self._chain.draw(rng, n, d)

    # --- what it is made of -------------------------------------------------------------------------------------------

    @property
    def called(self) -> str:
        """How messages call it."""
        return "a variational HMM"

    @property
    def support(self) -> Support:
        """As the family has it."""
        return self.family.support

    @property
    def n_hidden(self) -> int:
        """K."""
        return int(self.n_states)

    @property
    def _chain(self) -> HiddenMarkov:
        """What runs the recursions: it does not mind that rows add up to less than 1."""
        return HiddenMarkov(self.family, self.n_states)

    @property
    def _priors(self) -> dict[str, np.ndarray]:
        return {"startprob_posterior": self.startprob_prior, "transmat_posterior": self.transmat_prior}

    def at_the_mean(self, params: VariationalHMMParams) -> tuple[HiddenMarkov, HMMParams]:
        """An ordinary HMM at the posterior's means: the point that predictions are made with."""
        start, rows = dirichlet.means(params.startprob_posterior), dirichlet.means(params.transmat_posterior)
        point = HMMParams(start, rows, self.family.at_the_mean(params.emissions))
        return HiddenMarkov(self.family.plain, self.n_states), point

    def shown_priors(self) -> dict[str, np.ndarray]:
        """Values of all priors by name, as users see them: copies."""
        own = {"startprob_prior": self.startprob_prior, "transmat_prior": self.transmat_prior, **self.family.shown_priors()}
        return {name: np.array(value) for name, value in own.items()}

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Fixed values, and the priors' zeros."""
        return np.where(self._priors[name] == 0, 0.0, super().held(name, shape))

    def with_values(self, k: int, d: int) -> Self:
        """Read and checked; zeros must be the priors'."""
        found = super().with_values(k, d)
        for values in (found.fixed, found.start_values):
            for name, value in values.items():
                dirichlet.refuse_other_zeros(value, self._priors[name], name)
        return found

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> Any:
        """Inverse of ``shown``; zeros must be the priors'."""
        params = super().unshown(values, k, d)
        for name, value in self.own(params).items():
            dirichlet.refuse_other_zeros(value, self._priors[name], name)
        return params

    def permuted(self, order: np.ndarray) -> Self:
        """The priors follow their states."""
        start, rows = (p.permute(self._priors[p.name], np.asarray(order)) for p in self.parameters)
        return replace(super().permuted(order), startprob_prior=start, transmat_prior=rows)

    # --- resolving and starting ---------------------------------------------------------------------------------------

    def resolve(self, source: Source) -> Self:
        """Resolves the family; checks what is fixed and given."""
        k = self.n_hidden
        if source.n_rows < k:
            raise DataError(f"n_states={k} is more than the {source.n_rows} step(s) of the data")
        return replace(self, family=self.family.resolve(source, k)).with_values(k, source.n_features)

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt)

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> VariationalHMMParams:
        """What a seeded partition makes of the priors; transitions lean to staying, more or less from start to start."""
        k = self.n_hidden
        first = first_partition(self.family, k, source, rng, self.kind_of_start(attempt))
        emissions = self.family.from_partition(first.x, first.weighted, rng)
        zeros = {
            "startprob": np.where(self.startprob_prior == 0, 0.0, np.nan),
            "transitions": np.where(self.transmat_prior == 0, 0.0, np.nan),
        }
        start, rows = chain.first_chain(False, first.lengths, attempt, zeros, {})
        values = {
            "startprob_posterior": self.startprob_prior + len(first.lengths) * start,
            "transmat_posterior": self.transmat_prior + first.weighted.sum(axis=0)[:, None] * rows,
        }
        return self.put_back(self.made(None, {**values, **self.start_values}, {"emissions": emissions}))

    # --- E-step and M-step --------------------------------------------------------------------------------------------

    def log_emissions(self, params: VariationalHMMParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Expected log probability of each step under each state, (n, K), with what is known of the states."""
        return self._chain.log_emissions(params.expected, block, out)

    def e_step(self, params: VariationalHMMParams, block: Block) -> tuple[HMMStats, float]:
        """Expected starts, transitions and the family's statistics; the logarithm of what normalises the states' posterior."""
        return self._chain.e_step(params.expected, block)

    def m_step(self, stats: HMMStats, params: VariationalHMMParams) -> VariationalHMMParams:
        """The priors' concentrations plus the counts; the family does the rest."""
        emissions = self.family.update(stats.emissions, params.emissions)
        values = {
            "startprob_posterior": self.startprob_prior + stats.start,
            "transmat_posterior": self.transmat_prior + stats.transitions,
        }
        return self.put_back(self.made(params, values, {"emissions": emissions}))

    def log_prior(self, params: VariationalHMMParams) -> float:
        """Minus the divergence of all posteriors from their priors."""
        values = self.own(params)
        own = sum(dirichlet.divergence(values[name], prior) for name, prior in self._priors.items())
        return self.family.log_prior(params.emissions) - own

    def q(self, stats: HMMStats, params: VariationalHMMParams) -> float | None:
        """Of starts and transitions, and of the family."""
        inner = self.family.q(stats.emissions, params.emissions)
        if inner is None:
            return None
        start = dirichlet.expectation(stats.start, params.startprob_posterior)
        return inner + start + dirichlet.expectation(stats.transitions, params.transmat_posterior)

    def gradient(self, stats: HMMStats, params: VariationalHMMParams) -> dict[str, np.ndarray]:
        """Of the lower bound."""
        counts = {"startprob_posterior": stats.start, "transmat_posterior": stats.transitions}
        return {name: dirichlet.slopes(self._priors[name] + counts[name], value) for name, value in self.own(params).items()}

    def curvature(self, stats: HMMStats, params: VariationalHMMParams) -> dict[str, np.ndarray]:
        """Of the lower bound."""
        return {name: dirichlet.curvature(value) for name, value in self.own(params).items()}

    # --- reading ------------------------------------------------------------------------------------------------------

    def infer(self, params: VariationalHMMParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """As in ``HiddenMarkov``, of the posterior that the E-step finds; its log-likelihoods are those of the lower bound.

        Raises
        ------
        ImpossibleSequenceError
            For marginals of a sequence that structural zeros rule out.
        """
        return self._chain.infer(params.expected, block, want, out)

    def simulate(self, params: VariationalHMMParams, n: int, rng: np.random.Generator) -> Block:
        """About ``n`` steps in sequences of 50, from the posterior's means."""
        chain_, point = self.at_the_mean(params)
        x, states, sizes = simulate(chain_.family, point, np.full(-(-n // 50), 50), rng)
        return Block(x, lengths=sizes, labels=states)

    def compile(self, source: Source) -> None:
        """Load or compile the recursions and the family's kernels."""
        self._chain.compile(source)

    def label_counts(self, stats: Any) -> np.ndarray:
        """As an ordinary HMM's."""
        return self._chain.label_counts(stats)

    def moments(self, params: VariationalHMMParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of what states emit, at the posterior's means."""
        return self.family.moments(params.emissions)

    # --- in words -----------------------------------------------------------------------------------------------------

    @property
    def in_words(self) -> str:
        """As "Variational hidden Markov model: 3 states, full Gaussian emissions"."""
        return f"Variational {self._chain.in_words[:1].lower()}{self._chain.in_words[1:]}"

    def priors_in_words(self) -> list[str]:
        """Of start, transitions and emissions."""
        return ["Dirichlet of startprob", "Dirichlet of transmat", *self.family.priors_in_words()]

    def label_table(self, params: VariationalHMMParams) -> tuple[str, list[str]]:
        """The chain at the posterior's means."""
        model, point = self.at_the_mean(params)
        return model.label_table(point)
