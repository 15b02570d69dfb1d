"""What a law is handed: something to check, parameters, and data cut into units (rows, or whole sequences)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.fit import Algorithm
from emkit.core.model import Executor, Family, Model
from emkit.models.mixture import Mixture

Law = Callable[[Any], "bool | None"]
"""Takes a case; raises AssertionError if the law is broken, returns False if it does not apply."""


def joined(source: Source) -> Block:
    """All of a source as one block."""
    blocks = list(source)
    return replace(
        blocks[0],
        x=np.concatenate([block.x for block in blocks]),
        weights=None if blocks[0].weights is None else np.concatenate([block.weights for block in blocks]),
        lengths=None if blocks[0].lengths is None else np.concatenate([block.lengths for block in blocks]),
        evidence=None if blocks[0].evidence is None else np.concatenate([block.evidence for block in blocks]),
        missing=any(block.missing for block in blocks),
    )


def n_units(block: Block) -> int:
    """Rows, or sequences: what has one weight, and is never cut."""
    return block.n if block.lengths is None else len(block.lengths)


def pick(block: Block, index: np.ndarray, weights: np.ndarray | None) -> Block:
    """The given units, in the given order, as a block of their own."""
    rows, lengths = np.asarray(index), None
    if block.lengths is not None:
        ends, lengths = np.cumsum(block.lengths), np.asarray(block.lengths)[index]
        rows = np.concatenate([np.arange(ends[i] - block.lengths[i], ends[i]) for i in index])
    if np.array_equal(rows, np.arange(block.n)):
        return replace(block, weights=weights)  # all of it: handed on as it is, so that a change made in place shows
    evidence = None if block.evidence is None else block.evidence[rows]
    return replace(block, x=block.x[rows], weights=weights, lengths=lengths, evidence=evidence)


def unit_weights(block: Block) -> np.ndarray:
    """Weights as they are, or ones, (units,) float64."""
    return np.ones(n_units(block)) if block.weights is None else np.asarray(block.weights, dtype=np.float64)


class Pieces:
    """A source cut into many small blocks, so that executors have something to share out."""

    def __init__(self, whole: Source, pieces: int):
        block = joined(whole)
        self.whole = whole
        self.n_rows, self.n_features = whole.n_rows, whole.n_features
        self.total_weight, self.columns = whole.total_weight, whole.columns
        parts = np.array_split(np.arange(n_units(block)), pieces)
        self.blocks = [
            replace(pick(block, part, None if block.weights is None else block.weights[part]), start=int(part[0]))
            for part in parts
            if len(part)
        ]

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """As the whole does."""
        return self.whole.sample(n, rng)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """As the whole does."""
        return self.whole.moments()

    def spreads(self) -> np.ndarray:
        """As the whole does."""
        return self.whole.spreads()


@dataclass(frozen=True)
class Case(ABC):
    """Parameters, data, and the statistics of any selection of units. Laws about statistics know nothing more."""

    seed: int
    params: Any
    other: Any
    """A second hypothesis of the same shapes, from a random start."""
    block: Block
    redundant: int

    def rng(self) -> np.random.Generator:
        """A fresh generator: what one law draws does not depend on the laws before it."""
        return np.random.default_rng([self.seed, 99])

    @property
    def units(self) -> int:
        """How many rows or sequences."""
        return n_units(self.block)

    @property
    def weights(self) -> np.ndarray:
        """Of the units."""
        return unit_weights(self.block)

    @property
    @abstractmethod
    def subject(self) -> Any:
        """The family or the model."""

    @abstractmethod
    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """Statistics and log-likelihood of the given units with the given weights. A family alone has log-likelihood 0."""

    def vector(self, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``summarise`` as one flat vector, log-likelihood first."""
        stats, log_likelihood = self.summarise(index, weights)
        return np.concatenate([[log_likelihood], stats.pack()])

    def all(self) -> tuple[Any, float]:
        """Statistics and log-likelihood of all units."""
        return self.summarise(np.arange(self.units), self.weights)

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Sum of the absolute contributions of the units to each entry of ``vector``: what rounding errors are relative to."""
        w = self.weights
        return np.asarray(sum(np.abs(self.vector(np.array([i]), w[i : i + 1])) for i in range(self.units)))


@dataclass(frozen=True)
class FamilyCase(Case):
    """A resolved family, and responsibilities (n, k) for the rows."""

    family: Family[Any, Any]
    source: Source
    resp: np.ndarray
    missing: bool
    compiled: bool

    @property
    def subject(self) -> Family[Any, Any]:
        """The family."""
        return self.family

    @property
    def k(self) -> int:
        """Components."""
        return int(self.resp.shape[1])

    @property
    def weighted(self) -> np.ndarray:
        """Responsibilities with the row weights multiplied in."""
        return np.asarray(self.resp * self.weights[:, None])

    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """``Family.stats``."""
        return self.family.stats(self.params, pick(self.block, index, None).x, self.resp[index] * weights[:, None]), 0.0

    def expected(self, params: Any) -> float:
        """Responsibility-weighted log-likelihood of the observed cells, plus log prior: what the M-step may not lower."""
        log_prob = np.asarray(self.family.log_prob(params, self.block.x), dtype=np.float64)
        used = self.weighted > 0
        return float(np.sum(self.weighted[used] * log_prob[used])) + float(self.family.log_prior(params))

    def mixture(self) -> Mixture:
        """The mixture of this family."""
        return Mixture(self.family, self.k)


@dataclass(frozen=True)
class ModelCase(Case):
    """A resolved model and a source."""

    model: Model[Any, Any]
    source: Source
    executors: tuple[Executor, ...]
    algorithm: Algorithm | None
    draw: Callable[[Any, np.random.Generator], Source] | None

    @property
    def subject(self) -> Model[Any, Any]:
        """The model."""
        return self.model

    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """``Model.e_step``."""
        return self.model.e_step(self.params, pick(self.block, index, weights.astype(self._weight_type)))

    @property
    def _weight_type(self) -> Any:
        return np.float64 if self.block.weights is None else self.block.weights.dtype

    def objective(self, params: Any) -> float:
        """Log-likelihood plus log prior."""
        return float(self.model.e_step(params, self.block)[1]) + float(self.model.log_prior(params))


def random_start(model: Model[Any, Any], source: Source, rng: np.random.Generator) -> Any:
    """Starting values from a random guess where the model knows one; else another of its own."""
    if isinstance(model, Mixture):
        return replace(model, seeding="random").init(source, rng)
    return model.init(source, rng, 1)
