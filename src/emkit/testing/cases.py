"""What a law is handed: something to check, parameters, and data cut into units (rows, or whole sequences)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.block_source import BlockSource
from emkit.core.declared import Declared
from emkit.core.executor import Executor
from emkit.core.family import Family
from emkit.core.fit import Algorithm
from emkit.core.model import Model

Law = Callable[[Any], "bool | None"]
"""Takes a case; raises AssertionError if the law is broken, returns False if it does not apply."""


def draw(
    subject: Declared, rows: int = 72, columns: int = 2, *, missing: float = 0.2, weighted: bool = False, seed: int = 0
) -> BlockSource:
    """Data that a family or a model says it can describe (see ``Declared.draw``).

    Parameters
    ----------
    subject : Family or Model
    rows, columns : int
    missing : float
        Share of cells that are missing; one row is then wholly so. Columns that must be complete are.
    weighted : bool
        Whether units have weights, one of them 0.
    """
    rng = np.random.default_rng([seed, 7])
    block = subject.draw(rng, rows, columns)
    x = np.array(block.x, dtype=np.float64)
    if missing:
        gone = rng.random(x.shape) < missing
        gone[min(5, len(x) - 1)] = True
        gone[:, list(subject.complete(tuple(range(x.shape[1]))))] = False
        x[gone] = np.nan
    weights = rng.gamma(2.0, size=block.units) if weighted else None
    if weights is not None:
        weights[1 % len(weights)] = 0.0
    return BlockSource([replace(block, x=x, weights=weights, missing=missing > 0, source_rows=len(x))])


def pick(block: Block, index: np.ndarray, weights: np.ndarray | None) -> Block:
    """The given units, in the given order, as a block of their own; all of them as they are: a change made in place shows."""
    whole = np.array_equal(index, np.arange(block.units))
    return replace(block if whole else block.take(index), weights=weights)


def unit_weights(block: Block) -> np.ndarray:
    """Weights as they are, or ones, (units,) float64."""
    return np.ones(block.units) if block.weights is None else np.asarray(block.weights, dtype=np.float64)


def cut(source: Source, pieces: int) -> BlockSource:
    """A source cut into many small blocks, so that executors have something to share out."""
    block = source.joined()
    parts = [part for part in np.array_split(np.arange(block.units), pieces) if len(part)]
    return BlockSource([replace(block.take(part), start=int(part[0])) for part in parts])


def moved(subject: Declared, params: Any, rng: np.random.Generator) -> Any:
    """A hypothesis nearby: each free coordinate moved by about 0.3, or 30 per cent of a smaller one, whatever its unit."""
    vector = subject.pack(params)
    if not np.isfinite(vector).all():
        return params
    return subject.unpack(vector + 0.3 * np.minimum(1.0, np.abs(vector)) * rng.standard_normal(len(vector)), params)


@dataclass(frozen=True)
class Case(ABC):
    """Parameters, data, and the statistics of any selection of units. Laws about statistics know nothing more."""

    seed: int
    params: Any
    other: Any
    """A second hypothesis of the same shapes, from a random start."""
    block: Block
    source: Source
    spawn: bool

    def rng(self) -> np.random.Generator:
        """A fresh generator: what one law draws does not depend on the laws before it."""
        return np.random.default_rng([self.seed, 99])

    @property
    def units(self) -> int:
        """Number of rows or sequences."""
        return self.block.units

    @property
    def weights(self) -> np.ndarray:
        """Of the units."""
        return unit_weights(self.block)

    @property
    def narrow(self) -> bool:
        """Whether the rows are float32, so that fast code may be less exact."""
        return self.block.x.dtype == np.float32

    @property
    @abstractmethod
    def subject(self) -> Any:
        """The family or the model."""

    @property
    @abstractmethod
    def k(self) -> int:
        """Components, or values of the hidden label; 1 where labels mean nothing."""

    @abstractmethod
    def m_step(self, stats: Any, params: Any) -> Any:
        """What the engine makes of statistics."""

    @abstractmethod
    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """Statistics and log-likelihood of the given units with the given weights. A family alone has log-likelihood 0."""

    @abstractmethod
    def objective(self, params: Any) -> float:
        """What the M-step may not lower."""

    @abstractmethod
    def configured(self, fixed: dict[str, Any]) -> "Case":
        """The same data under the same configuration with these values fixed, at a start of its own. Raises ParameterError."""

    @abstractmethod
    def task(self) -> tuple[Callable[..., dict[str, np.ndarray]], tuple[Any, ...]]:
        """A function and its arguments, the subject first, that give everything the subject says of the data."""

    def at(self, params: Any) -> Self:
        """The same case at another hypothesis."""
        return replace(self, params=params)

    def vector(self, index: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """``summarise`` as one flat vector, log-likelihood first."""
        stats, log_likelihood = self.summarise(index, weights)
        return np.concatenate([[log_likelihood], stats.pack()])

    def all(self) -> tuple[Any, float]:
        """Statistics and log-likelihood of all units."""
        return self.summarise(np.arange(self.units), self.weights)

    @cached_property
    def each(self) -> list[np.ndarray]:
        """``vector`` of each unit alone."""
        w = self.weights
        return [self.vector(np.array([i]), w[i : i + 1]) for i in range(self.units)]

    @cached_property
    def magnitude(self) -> np.ndarray:
        """Sum of the absolute contributions of the units to each entry of ``vector``: what rounding errors are relative to."""
        return np.sum(np.abs(self.each), axis=0)


@dataclass(frozen=True)
class FamilyCase(Case):
    """A resolved family, and responsibilities (n, k) for the rows."""

    family: Family
    resp: np.ndarray
    missing: bool
    compiled: bool

    @property
    def subject(self) -> Family:
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

    def m_step(self, stats: Any, params: Any) -> Any:
        """``Family.update``."""
        return self.family.update(stats, params)

    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """``Family.stats``."""
        return self.family.stats(self.params, pick(self.block, index, None).x, self.resp[index] * weights[:, None]), 0.0

    def log_likelihood(self, params: Any) -> float:
        """Responsibility-weighted log-likelihood of the observed cells."""
        log_prob = np.asarray(self.family.log_prob(params, self.block.x), dtype=np.float64)
        used = self.weighted > 0
        return float(np.sum(self.weighted[used] * log_prob[used]))

    def objective(self, params: Any) -> float:
        """Responsibility-weighted log-likelihood plus log prior."""
        return self.log_likelihood(params) + float(self.family.log_prior(params))

    def configured(self, fixed: dict[str, Any]) -> "FamilyCase":
        """Starts from the responsibilities."""
        family = self.family.configured(fixed, {}).resolve(self.source, self.k)
        return replace(self, family=family, params=family.from_partition(self.block.x, self.weighted, self.rng()))

    def task(self) -> tuple[Callable[..., dict[str, np.ndarray]], tuple[Any, ...]]:
        """See ``family_says``."""
        return family_says, (self.family, self.params, self.block.x, self.weighted)


@dataclass(frozen=True)
class ModelCase(Case):
    """A resolved model and a source."""

    model: Model
    executors: tuple[Executor, ...]
    algorithm: Algorithm | None

    @property
    def subject(self) -> Model:
        """The model."""
        return self.model

    @property
    def k(self) -> int:
        """Values of the hidden label."""
        return self.model.n_hidden or 1

    def m_step(self, stats: Any, params: Any) -> Any:
        """``Model.m_step``."""
        return self.model.m_step(stats, params)

    def summarise(self, index: np.ndarray, weights: np.ndarray) -> tuple[Any, float]:
        """``Model.e_step``."""
        kind = np.float64 if self.block.weights is None else self.block.weights.dtype
        return self.model.e_step(self.params, pick(self.block, index, weights.astype(kind)))

    def objective(self, params: Any) -> float:
        """Log-likelihood plus log prior."""
        return float(self.model.e_step(params, self.block)[1]) + float(self.model.log_prior(params))

    def configured(self, fixed: dict[str, Any]) -> "ModelCase":
        """Starts as the model does."""
        model = self.model.configured(fixed, {}).resolve(self.source)
        return replace(self, model=model, params=model.init(self.source, self.rng()))

    def task(self) -> tuple[Callable[..., dict[str, np.ndarray]], tuple[Any, ...]]:
        """See ``model_says``."""
        return model_says, (self.model, self.params, self.block)


def family_says(family: Family, params: Any, x: np.ndarray, resp: np.ndarray) -> dict[str, np.ndarray]:
    """Everything that a family says of some rows, by name."""
    stats = family.stats(params, x, resp)
    return {
        "log_prob": np.asarray(family.log_prob(params, x)),
        "log_prior": np.asarray(family.log_prior(params)),
        **stats.flatten("statistics."),
        **family.update(stats, params).flatten("after the M-step: "),
    }


def model_says(model: Model, params: Any, block: Block) -> dict[str, np.ndarray]:
    """Everything that a model says of a block, by name."""
    stats, log_likelihood = model.e_step(params, block)
    out = {
        "log-likelihood": np.asarray(log_likelihood),
        "log_prior": np.asarray(model.log_prior(params)),
        **stats.flatten("statistics."),
        **model.m_step(stats, params).flatten("after the M-step: "),
        "log-likelihoods of the units": model.infer(params, block, "log_likelihood").log_likelihood,
    }
    if model.n_hidden is not None:
        found = model.infer(params, block, "marginals").marginals, model.infer(params, block, "mode").mode
        out |= {name: np.asarray(value) for name, value in zip(("marginals", "mode"), found, strict=True)}
    return out
