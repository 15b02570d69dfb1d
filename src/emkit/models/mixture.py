"""A finite mixture over any family: each row comes from one of K components, and which one is never observed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Block, Source
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Family, Model, Pass
from emkit.core.prior import Dirichlet, Prior
from emkit.core.records import Params, Stats
from emkit.core.seeding import KINDS_OF_START, kind_of_start, seed_labels
from emkit.families.given import name_of, numbers


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
class Mixture(Model[MixtureParams, MixtureStats]):
    """p(x) = sum_k weight_k p(x | component k).

    Parameters
    ----------
    family : Family
        What the components are.
    n_components : int
        K >= 1.
    prior : Dirichlet or None
        Of the weights.
    fixed, start_values : mapping, optional
        "weights" (K,): held at, or started from, these values.
    seeding : {"auto", "kmeans", "k-means++", "random_from_data", "random"}
        How a start guesses the partition; "auto" takes "kmeans" first, then "k-means++" and "random_from_data" in turn.
    """

    family: Family[Any, Any]
    n_components: int
    prior: Prior | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)
    seeding: str = "auto"

    def __post_init__(self) -> None:
        k = self.n_components
        if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
            raise ParameterError(f"n_components={k!r}: give an integer of at least 1")
        if self.prior is not None and not isinstance(self.prior, Dirichlet):
            raise ParameterError(f"the prior of the weights must be a Dirichlet, got {self.prior!r}")
        if self.seeding not in KINDS_OF_START:
            raise ParameterError(f"init_params={self.seeding!r}: choose one of {', '.join(map(repr, KINDS_OF_START))}")
        for name, values in (("fixed", self.fixed), ("start_values", self.start_values)):
            unknown = set(values) - {"weights"}
            if unknown:
                raise ParameterError(f"{name}={sorted(unknown)}: a mixture has 'weights'; the rest belongs to its family")

    def resolve(self, source: Source) -> Self:
        """Checks weights, resolves the family."""
        k = self.n_components
        if isinstance(self.prior, Dirichlet) and np.shape(self.prior.concentration) not in ((), (k,)):
            raise ParameterError(
                f"the weights' prior has concentrations of shape {np.shape(self.prior.concentration)}, expected one number or ({k},)"
            )
        if source.n_rows < k:
            raise DataError(f"n_components={k} is more than the {source.n_rows} row(s) of the data: n_samples={source.n_rows}")
        return replace(
            self,
            family=self.family.resolve(source, k),
            fixed=self._check_values("fixed", self.fixed),
            start_values=self._check_values("start_values", self.start_values),
        )

    def _check_values(self, where: str, values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: self._check_weights(value, where) for key, value in values.items()}

    def _check_weights(self, value: Any, where: str) -> np.ndarray:
        name = name_of("weights", where)
        weights = numbers(value, name, finite=False)
        if weights.shape != (self.n_components,):
            raise ParameterError(f"{name} has shape {weights.shape}, expected ({self.n_components},)")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ParameterError(f"{name} must be finite and nonnegative, got {weights.tolist()}")
        if abs(weights.sum() - 1.0) > 1e-6:
            raise ParameterError(f"{name} must add up to 1, they add up to {weights.sum():.6g}")
        return weights / weights.sum()

    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> MixtureParams:
        """From a seeded partition of the rows; fixed and given starting values win."""
        k = self.n_components
        given = {**self.start_values, **self.fixed}
        x = np.concatenate([np.asarray(block.x) for block in source])
        w = None
        blocks = list(source)
        if blocks[0].weights is not None:
            w = np.concatenate([np.asarray(block.weights, dtype=np.float64) for block in blocks])
        resp = seed_labels(self.family.embed(x), len(x), w, k, rng, self.kind_of_start(attempt))
        if w is not None:
            resp *= w[:, None]
        components = self.family.from_partition(source, x, resp, rng)
        weights = given["weights"] if "weights" in given else (resp.sum(axis=0) + 1.0) / (resp.sum() + k)
        return MixtureParams(np.asarray(weights), components)

    def kind_of_start(self, attempt: int) -> str:
        """What start number ``attempt`` does."""
        return kind_of_start(self.seeding, attempt)

    def joint_pass(self, params: MixtureParams, block: Block, **what: bool) -> Pass[Any]:
        """The family's pass over a block; see ``Family.joint_pass``."""
        return self.family.joint_pass(params.components, params.log_weights, block, **what)

    def e_step(self, params: MixtureParams, block: Block) -> tuple[MixtureStats, float]:
        """Bayes' rule for every row, and the statistics it implies."""
        result = self.joint_pass(params, block)
        return MixtureStats(result.counts, result.stats), result.log_likelihood  # type: ignore[arg-type]

    def m_step(self, stats: MixtureStats, params: MixtureParams) -> MixtureParams:
        """Weights in closed form; the family does the rest."""
        if "weights" in self.fixed:
            weights = np.asarray(self.fixed["weights"])
        else:
            weights = (self.prior or Dirichlet()).mode(stats.counts)  # type: ignore[attr-defined]
        return MixtureParams(weights, self.family.m_step(stats.components, params.components))

    def log_prior(self, params: MixtureParams) -> float:
        """Of the weights and of the family."""
        own = 0.0
        if isinstance(self.prior, Dirichlet) and "weights" not in self.fixed:
            own = self.prior.log_density(params.weights)
        return own + self.family.log_prior(params.components)

    def n_free(self, params: MixtureParams) -> int:
        """K - 1 weights unless fixed, and the family's."""
        return simplex.n_free(self._held) + self.family.n_free(params.components)

    def pack(self, params: MixtureParams) -> np.ndarray:
        """Log-ratios of the weights to the last one, then the family's vector."""
        return np.concatenate([simplex.pack(params.weights, self._held), self.family.pack(params.components)])

    def unpack(self, vector: np.ndarray, like: MixtureParams) -> MixtureParams:
        """Inverse of ``pack``."""
        weights, at = simplex.unpack(vector, self._held)
        return MixtureParams(weights, self.family.unpack(vector[at:], like.components))

    @property
    def _held(self) -> np.ndarray:
        return np.asarray(self.fixed["weights"]) if "weights" in self.fixed else np.full(self.n_components, np.nan)

    def permute(self, params: MixtureParams, order: np.ndarray) -> MixtureParams:
        """Relabelled: new component i is old ``order[i]``."""
        return MixtureParams(params.weights[order], self.family.permute(params.components, order))

    def sample(self, params: MixtureParams, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """N rows and the component each came from."""
        labels = rng.choice(self.n_components, size=n, p=params.weights)
        return self.family.sample(params.components, labels, rng), labels

    def null_params(self, n_features: int) -> MixtureParams:
        """Right shapes, for reading files."""
        k = self.n_components
        return MixtureParams(np.full(k, 1.0 / k), self.family.null_params(k, n_features))

    def compile(self, source: Source) -> None:
        """Whatever the family compiles."""
        self.family.compile(source, self.n_components)
