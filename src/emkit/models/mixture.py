"""A finite mixture over any family: each row comes from one of K components, and which one is never observed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import Pass, informed
from emkit.core.block import Block, Source
from emkit.core.checks import count, one_of
from emkit.core.child import Child
from emkit.core.errors import DataError
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
from emkit.core.slivers import Sliver, slivers_of
from emkit.core.support import Support


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
    seeding : {"auto", "kmeans", "k-means++", "random_from_data", "random"}
        How a start guesses the partition; "auto" takes "kmeans" first, then "k-means++" and "random_from_data" in turn.
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
        k = self.n_hidden
        block = source.joined()
        x = np.asarray(block.x)
        weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        resp = seed_labels(self.family.embed(x), len(x), weights, k, rng, self.kind_of_start(attempt))
        if block.labels is not None:
            resp = informed(resp, block.labels)
        if weights is not None:
            resp *= weights[:, None]
        components = self.family.from_partition(x, resp, rng)
        first = (resp.sum(axis=0) + 1.0) / (resp.sum() + k)
        found: MixtureParams = self.put_back(MixtureParams(self.start_values.get("weights", first), components))
        return found

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt)

    def joint_pass(self, params: MixtureParams, block: Block, **what: bool) -> Pass:
        """The family's pass over a block; see ``Family.joint_pass``."""
        return self.family.joint_pass(params.components, params.log_weights, block, **what)

    def e_step(self, params: MixtureParams, block: Block) -> tuple[MixtureStats, float]:
        """Bayes' rule for every row, and the statistics it implies."""
        result = self.joint_pass(params, block)
        return MixtureStats(result.counts, result.stats), result.log_likelihood  # type: ignore[arg-type]

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
        alike = self.family.separable and not self.has_values and next(iter(source)).labels is None
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

    def seeds(self, source: Source, rngs: Sequence[np.random.Generator]) -> Seeds:
        """Where many rows have a value exactly, some starts set them apart."""
        stand_out = values_that_stand_out(np.asarray(source.joined().x, dtype=np.float64))
        return seeds_of_many(self.model.seeding, rngs, stand_out)

    def init(self, source: Source, seeds: Seeds) -> MixtureParams:
        """Starting values from as many partitions of the rows as there are seeds."""
        k, family, block = self.model.n_hidden, self.model.family, source.joined()
        x, weights = np.asarray(block.x), None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
        each = max(1, MOST_GUESSED // (len(x) * k))
        made, guesses = [], _guesses(family.embed(x), x, weights, k, seeds)
        for begin in range(0, len(seeds), each):
            labels = list(islice(guesses, each))
            resp = np.concatenate(labels, axis=1)
            if weights is not None:
                resp *= weights[:, None]
            counts = resp.sum(axis=0).reshape(-1, k) + 1.0
            components = family.from_partition(x, resp, seeds.rngs[begin])
            made.append(MixtureParams(counts / counts.sum(axis=1, keepdims=True), components))
        found: MixtureParams = self.stacked(made)
        return found

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


def _guesses(points: np.ndarray | None, x: np.ndarray, weights: np.ndarray | None, k: int, seeds: Seeds) -> Iterator[np.ndarray]:
    """The first guess of each start, (n, K)."""
    turn = 0
    for rng, kind in zip(seeds.rngs, seeds.kinds, strict=True):
        if kind == "repeated values" and points is not None:
            apart = apart_where_repeated(points, x, seeds.stand_out, turn, k, rng)
            yield seed_labels(apart, len(x), weights, k, rng, "k-means++")
            turn += 1
        else:
            yield seed_labels(points, len(x), weights, k, rng, kind)
