"""A finite mixture over any family: each row comes from one of K components, and which one is never observed."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import Pass, informed, sliced_pass
from emkit.core.block import Block, Source
from emkit.core.checks import count, one_of
from emkit.core.child import Child
from emkit.core.errors import CollapseError, DataError
from emkit.core.family import Family
from emkit.core.model import Inference, Model
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.records import Params, Stats
from emkit.core.seeding import (
    KINDS_OF_START,
    Seeds,
    apart_where_repeated,
    kind_of_start,
    seed_labels,
    seeds_of_many,
    values_that_stand_out,
)
from emkit.core.side_by_side import MOST_GUESSED, SideBySide
from emkit.core.slivers import Sliver, slivers_of, starved_in_words
from emkit.core.support import Support
from emkit.families.marginals import JEFFREYS, of_probabilities

_SMALL = 140_000  # rows times components of all starts, up to which there are more of them
_FEW_ROWS = 500  # up to which data are small
_RELATED = 12  # iterations of a mixture of a related family, from which a start takes its partition


@dataclass(frozen=True)
class MixtureParams(Params):
    """``weights`` (K,), nonnegative and adding up to 1; ``components``: the family's Params."""

    weights: np.ndarray
    components: Any

    @property
    def log_weights(self) -> np.ndarray:
        """Log weights, -inf for an empty component."""
        with np.errstate(divide="ignore"):
            return np.log(self.weights)


@dataclass(frozen=True)
class MixtureStats(Stats):
    """``counts`` (K,): expected number of rows of each component; ``components``: the family's Stats."""

    counts: np.ndarray
    components: Any


@dataclass(frozen=True)
class FiniteMixture(Model):
    """p(x) = sum_k weight_k p(x | component k).

    Parameters
    ----------
    family : Family
        What the components are.
    n_components : int
        K >= 1.
    prior : Dirichlet, number or None
        The prior of the weights; a number is its concentration.
    fixed, start_values : mapping, optional
        "weights" (K,).
    seeding : {"auto", "kmeans", "k-means++", "random_from_data", "hierarchical", "random"}
        How a start guesses the partition; "auto" takes "kmeans" first, then others in turn: see ``emkit.core.seeding``.
    """

    family: Family
    n_components: int
    prior: Any = None
    seeding: str = "auto"

    Params = MixtureParams
    parameters = (Parameter("weights", "K", Simplex(), Dirichlet),)
    children = (Child("components", "family"),)

    def __post_init__(self) -> None:
        k = count(self.n_components, "n_components")
        object.__setattr__(self, "prior", Dirichlet.of(self.prior, "weights_prior", (k,)))
        one_of(self.seeding, KINDS_OF_START, "init_params")
        super().__post_init__()

    @classmethod
    def examples(cls) -> list[Self]:
        """Of normal distributions and of counts; with a prior and fixed weights."""
        from emkit.families.gaussian.family import Gaussian
        from emkit.families.poisson import GammaPrior, Poisson

        return [
            cls(Gaussian(), 2),
            cls(Poisson(), 2, Dirichlet([3.0, 2.0])),
            cls(Poisson(GammaPrior(2.0, 0.5)), 2, fixed={"weights": [0.4, 0.6]}),
            cls(Poisson(), 3, fixed={"weights": [0.2, np.nan, np.nan]}),
        ]

    @property
    def support(self) -> Support:
        """As the family has it."""
        return self.family.support

    @property
    def on_arrays(self) -> bool:
        """As the family has it."""
        return self.family.on_arrays

    @property
    def n_hidden(self) -> int:
        """K."""
        return int(self.n_components)

    def resolve(self, source: Source) -> Self:
        """Checks weights, resolves the family."""
        k = self.n_hidden
        if source.n_rows < k:
            raise DataError(f"n_components={k} is more than the {source.n_rows} row(s) of the data: n_samples={source.n_rows}")
        return replace(self, family=self.family.resolve(source, k)).with_values(k, source.n_features)

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> MixtureParams:
        """From a seeded partition of the rows; known labels, fixed and given starting values win."""
        block = source.joined()
        resp = informed(self.guess(block, self.kind_of_start(attempt), attempt, rng), block.labels, block.weights)
        return self._from_partition(np.asarray(block.x), resp, rng)

    def _from_partition(self, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> MixtureParams:
        components = self.family.from_partition(x, resp, rng)
        first = (resp.sum(axis=0) + 1.0) / (resp.sum() + self.n_hidden)
        found: MixtureParams = self.put_back(MixtureParams(self.start_values.get("weights", first), components))
        return found

    def start_from(self, block: Block, resp: np.ndarray, rng: np.random.Generator) -> MixtureParams:
        """An M-step given these responsibilities: from those of a model that this one contains, it can only gain."""
        resp = informed(resp, None, block.weights)
        params = self._from_partition(np.asarray(block.x), resp, rng)
        stats = self.family.stats_block(params.components, replace(block, weights=None, labels=None), resp)
        return self.m_step(MixtureStats(resp.sum(axis=0), stats), params)

    def points(self, x: Any) -> np.ndarray | None:
        """As the family has them."""
        return self.family.embed(x)

    def contains(self, other: Model) -> bool:
        """A mixture of as many components that its own family allows."""
        alike = type(other) is type(self) and other.n_hidden == self.n_hidden and not (self.has_values or other.has_values)
        return alike and self.family.contains(other.family)  # type: ignore[attr-defined]

    @property
    def further_kinds(self) -> tuple[str, ...]:
        """Kinds of starts of this family's mixtures beside those of all."""
        related = ("related",) if self.family.relatives else ()
        return ("hierarchical", *related) if self.family.hierarchical else related

    def times(self, source: Source, starts: int) -> float:
        """How many times as many starts there are of families that have many optima, on small data: 1 to 4.

        More components have more optima: of three 1, of four at most twice as many, and so on; one component sooner where the
        family lies between two relatives.
        """
        if not self.family.hierarchical or source.n_rows > _FEW_ROWS:
            return 1.0
        most = self.n_hidden - (1.0 if len(self.family.relatives) > 1 else 2.0)
        return max(min(_SMALL / (source.n_rows * self.n_hidden * starts), most, 4.0), 1.0)

    def one_by_one(self, source: Source) -> int:
        """Up to three times as many as of other models: see ``times``."""
        return int(min(self.times(source, 24), 3.0) * super().one_by_one(source))

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt, more=self.further_kinds)

    def guess(self, block: Block, kind: str, turn: int, rng: np.random.Generator, points: np.ndarray | None = None) -> np.ndarray:
        """Responsibilities (n, K) of a first guess; "related" is what a mixture of a related family makes of one."""
        x, k = np.asarray(block.x), self.family.seeded(self.n_hidden)
        weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        if kind in ("random_from_data", "plain k-means++"):
            own = self.family.partition(x, weights, k, rng)
            if own is not None:
                return self.family.apportioned(own)
        points = self.family.embed(x) if points is None else points
        if kind != "related":
            return self.family.apportioned(seed_labels(points, len(x), weights, k, rng, kind, turn))
        family = self.family.relatives[turn % len(self.family.relatives)]
        kinds = ["plain k-means++", "random_from_data"] * 3
        if not family.separable:
            kinds = [kinds[turn // 2 % 2]]
        seeds = [seed_labels(points, len(x), weights, k, rng, kind) for kind in kinds]
        found = MixturesSideBySide(FiniteMixture(family, k)).best_of(block, seeds, rng)
        return seeds[0] if found is None else found

    def joint_pass(self, params: MixtureParams, block: Block, **what: bool) -> Pass:
        """The family's pass over a block; see ``Family.joint_pass``."""
        return self.family.joint_pass(params.components, params.log_weights, block, **what)

    def e_step(self, params: MixtureParams, block: Block) -> tuple[MixtureStats, float]:
        """Bayes' rule for every row, and the statistics it implies."""
        result = self.joint_pass(params, block)
        return MixtureStats(result.counts, result.stats), result.log_likelihood  # type: ignore[arg-type]

    def tempered(self, params: MixtureParams, block: Block, power: float) -> tuple[MixtureStats, float]:
        """By Bayes' rule on powers of the joint densities."""
        family, of = self.family, params.components
        found = sliced_pass(
            lambda x: power * family.log_prob(of, x), lambda x, resp: family.stats(of, x, resp), power * params.log_weights, block
        )
        assert found.counts is not None
        return MixtureStats(found.counts, found.stats), float(found.log_likelihood) / power

    def m_step(self, stats: MixtureStats, params: MixtureParams) -> MixtureParams:
        """Weights in closed form; the family does the rest."""
        counts = stats.counts if self.prior is None else stats.counts + self.prior.pseudo
        weights = simplex.mode(counts, self.held("weights", counts.shape), params.weights)
        return MixtureParams(weights, self.family.update(stats.components, params.components))

    def q(self, stats: MixtureStats, params: MixtureParams) -> float | None:
        """Of weights and components."""
        inner = self.family.q(stats.components, params.components)
        used = stats.counts > 0
        return None if inner is None else float(stats.counts[used] @ params.log_weights[used]) + inner

    def complete_marginal(self, stats: MixtureStats, params: MixtureParams) -> float | None:
        """Of weights, by default with Jeffreys' prior, and components."""
        inner = self.family.complete_marginal(stats.components, params.components)
        if inner is None or self.fixed:
            return None
        concentration = JEFFREYS if self.prior is None else self.prior.concentration
        return inner + of_probabilities(stats.counts, params.weights, concentration)

    def gradient(self, stats: MixtureStats, params: MixtureParams) -> dict[str, np.ndarray]:
        """Of weights: counts / weights."""
        return {"weights": simplex.gradient(stats.counts, params.weights)}

    def curvature(self, stats: MixtureStats, params: MixtureParams) -> dict[str, np.ndarray]:
        """Of weights, from as many rows as were counted."""
        return {"weights": simplex.curvature(stats.counts, params.weights, self.held("weights", params.weights.shape))}

    def infer(self, params: MixtureParams, block: Block, want: str, out: np.ndarray | None = None) -> Inference:
        """Log-likelihood of each row; responsibilities; the most probable component."""
        block = replace(block, weights=None)
        found = self.joint_pass(params, block, rows=True, responsibilities=want != "log_likelihood")
        assert found.rows is not None
        return Inference.of_rows(found.rows, found.responsibilities, want, out)

    def moments(self, params: MixtureParams) -> tuple[np.ndarray, np.ndarray] | None:
        """Of the components."""
        return self.family.moments(params.components)

    def label_counts(self, stats: MixtureStats) -> np.ndarray:
        """Counts."""
        return stats.counts

    def slivers(self, params: MixtureParams, stats: MixtureStats) -> tuple[Sliver, ...]:
        """As the family says of its components."""
        return slivers_of("component", stats.counts, self.family.slivers(params.components, stats.counts))

    @property
    def in_words(self) -> str:
        """As "Gaussian mixture: 3 components, full covariance"."""
        return self.family.mixture_in_words(self.n_hidden)

    def label_table(self, params: MixtureParams) -> tuple[str, list[str]]:
        """Weights."""
        return "component   weight", [f"{i:>9}   {weight:.4f}" for i, weight in enumerate(params.weights)]

    def remarks(self, params: MixtureParams) -> list[str]:
        """Components that have starved, beside what the family says."""
        held = self.held("weights", params.weights.shape)
        return [*starved_in_words(params.weights, np.isnan(held)), *super().remarks(params)]

    def simulate(self, params: MixtureParams, n: int, rng: np.random.Generator) -> Block:
        """N rows, with the component that each came from."""
        labels = rng.choice(self.n_hidden, size=n, p=params.weights)
        return Block(self.family.sample(params.components, labels, rng), labels=labels)

    def filled(self, params: MixtureParams, x: np.ndarray, marginals: np.ndarray) -> np.ndarray:
        """As the family does it."""
        return self.family.filled(params.components, x, marginals)

    def drawn(self, params: MixtureParams, x: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As the family does it."""
        return self.family.drawn(params.components, x, labels, rng)

    def side_by_side(self, source: Source) -> "MixturesSideBySide | None":
        """Where the components are separable, nothing is held or given, and no label is known."""
        alike = self.family.separable and not self.has_values and not source.labelled
        return MixturesSideBySide(self) if alike else None

    def compile(self, source: Source) -> None:
        """Whatever the family compiles."""
        self.family.compile(source, self.n_hidden)


@dataclass(frozen=True)
class MixturesSideBySide(SideBySide):
    """S mixtures of K components are S K components, of which Bayes' rule sees K at a time."""

    model: FiniteMixture

    @property
    def race(self) -> tuple[int, int]:
        """As the family has it."""
        return self.model.family.race

    def plan(self, source: Source) -> tuple[int, tuple[int, ...], int]:
        """More starts, and longer short runs, where the data are so small that it costs little: see ``times``."""
        starts, finalists = self.race
        times = self.model.times(source, starts)
        rounds = tuple(round(made * (1.0 + 2.0 * (times - 1.0) / 9.0)) for made in self.rounds)  # 6, of four times as many 10
        return int(times * starts), rounds, int(times * finalists)

    def kept(self, kinds: Sequence[str]) -> list[int]:
        """The first hierarchical ones: partitions of another kind, which do not show at once what they are worth."""
        return [i for i, kind in enumerate(kinds) if kind == "hierarchical"][: len(kinds) // 12]

    def seeds(self, source: Source, rngs: Sequence[np.random.Generator]) -> Seeds:
        """Where many rows have a value exactly, some starts set them apart."""
        more = self.model.further_kinds if source.n_rows <= _FEW_ROWS else ()  # merging many rows takes longer than all starts
        stand_out = values_that_stand_out(np.asarray(source.joined().x, dtype=np.float64))
        return seeds_of_many(self.model.seeding, rngs, stand_out, more=more, few=len(rngs) <= self.race[0])

    def init(self, source: Source, seeds: Seeds) -> MixtureParams:
        """Starting values from as many partitions of the rows as there are seeds."""
        k, family, block = self.model.n_hidden, self.model.family, source.joined()
        x = np.asarray(block.x)
        each = max(1, MOST_GUESSED // (len(x) * k))
        made, guesses = [], _guesses(self.model, block, seeds)
        for begin in range(0, len(seeds), each):
            resp = informed(np.concatenate(list(islice(guesses, each)), axis=1), None, block.weights)
            counts = resp.sum(axis=0).reshape(-1, k) + 1.0
            components = family.from_partition(x, resp, seeds.rngs[begin])
            made.append(MixtureParams(counts / counts.sum(axis=1, keepdims=True), components))
        found: MixtureParams = self.stacked(made)
        return found

    def best_of(self, block: Block, guesses: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray | None:
        """Responsibilities (n, K) under the best of what a few iterations of EM make of each guess; None after a collapse.

        A single one need not be separable.
        """
        model, x = self.model, np.asarray(block.x)
        resp = informed(np.concatenate(guesses, axis=1), None, block.weights)
        block = replace(block, labels=None)  # the groups of a guess have no names yet
        shares = resp.sum(axis=0).reshape(len(guesses), -1) + 1.0
        shares /= shares.sum(axis=1, keepdims=True)
        step: Any = self if len(guesses) > 1 else model
        try:
            components = model.family.from_partition(x, resp, rng)
            params = MixtureParams(shares if len(guesses) > 1 else shares[0], components)
            for _ in range(_RELATED):
                params = step.m_step(step.e_step(params, block)[0], params)
            if len(guesses) > 1:
                params = self.one(params, int(np.argmax(step.e_step(params, block)[1])))
            return model.infer(params, block, "marginals").marginals
        except CollapseError:
            return None

    def e_step(self, params: MixtureParams, block: Block) -> tuple[MixtureStats, Any]:
        """By ``Family.side_by_side``."""
        result = self.model.family.side_by_side(params.components, params.log_weights, block)
        assert result.counts is not None
        return MixtureStats(result.counts.reshape(params.weights.shape), result.stats), result.log_likelihood

    def own_log_prior(self, params: MixtureParams) -> np.ndarray:
        """Of the weights."""
        own = np.zeros(len(params.weights))
        for prior in self.model.priors.values():
            own = own + prior.log_density(params.weights).sum(axis=1)
        return own


def _guesses(model: FiniteMixture, block: Block, seeds: Seeds) -> Iterator[np.ndarray]:
    """The first guess of each start, (n, K)."""
    x, k, points = np.asarray(block.x), model.n_hidden, model.family.embed(block.x)
    weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
    turns = Counter[str]()
    for rng, kind in zip(seeds.rngs, seeds.kinds, strict=True):
        if kind == "repeated values" and points is not None:
            apart = apart_where_repeated(points, x, seeds.stand_out, turns[kind], k, rng)
            yield seed_labels(apart, len(x), weights, k, rng, "k-means++")
        else:
            yield model.guess(block, kind, turns[kind], rng, points)
        turns[kind] += 1
