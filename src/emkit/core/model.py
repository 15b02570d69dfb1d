"""The contract: what a family, a model and an executor implement, and what they get for it.

A class is either abstract (here) or final (everywhere else); to change one method, wrap, do not subclass.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.records import Params, Stats

P = TypeVar("P", bound=Params)
S = TypeVar("S", bound=Stats)
Say = Callable[[str], None]


class Family(ABC, Generic[P, S]):
    """K distributions of one kind over one row: what a component of a mixture or a state of an HMM emits.

    Configuration only, immutable; every fitted number lives in the Params. ``k`` is the number of components, ``n`` of rows.

    You implement the abstract methods. You get: mixtures and HMMs of it, missing cells, weights, fixed parameters, restarts,
    threads, checkpoints, and ``emkit.testing.check_family``. Model files know emkit's own families only.
    """

    @abstractmethod
    def resolve(self, source: Source, k: int) -> Self:
        """The same family with every data-dependent default (such as a scale-free prior) made concrete, and settings checked."""

    @abstractmethod
    def start(self, stats: S | None, source: Source, k: int) -> P:
        """Parameters from the statistics of a first guess at the responsibilities; fixed and given starting values win."""

    @abstractmethod
    def null_params(self, k: int, n_features: int) -> P:
        """Parameters of the right shapes, about the origin: the ``params`` of a first ``stats`` call, the ``like`` of a file."""

    @abstractmethod
    def log_prob(self, params: P, x: Any) -> Any:
        """Log density or probability of each row under each component, (n, k). A missing cell contributes nothing."""

    @abstractmethod
    def stats(self, params: P, x: Any, resp: Any) -> S:
        """Expected sufficient statistics summed over rows; ``resp`` (n, k) has the row weights multiplied in."""

    @abstractmethod
    def m_step(self, stats: S, params: P) -> P:
        """Argmax over the parameters of the expected log-likelihood plus log prior. Fixed parameters are returned as they are."""

    @abstractmethod
    def log_prior(self, params: P) -> float:
        """Log prior density, up to a constant. 0.0 without a prior."""

    @abstractmethod
    def sample(self, params: P, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row for each entry of ``component``, (len(component), d)."""

    @abstractmethod
    def n_free(self, params: P) -> int:
        """Free parameters: fixed ones and structural zeros are not counted."""

    @abstractmethod
    def pack(self, params: P) -> np.ndarray:
        """Free parameters as an unconstrained vector."""

    @abstractmethod
    def unpack(self, vector: np.ndarray, like: P) -> P:
        """Inverse of ``pack``; fixed values are taken from ``like``."""

    @abstractmethod
    def permute(self, params: P, order: np.ndarray) -> P:
        """The same hypothesis with components relabelled: new component i is old ``order[i]``."""

    def joint_pass(
        self,
        params: P,
        log_weights: np.ndarray,
        block: Block,
        *,
        rows: bool = False,
        responsibilities: bool = False,
    ) -> "Pass[S]":
        """A mixture's whole E-step over a block. This default works in slices, so that nothing n x k is ever held.

        With ``responsibilities`` or ``rows`` per-row results are returned and statistics are not accumulated.
        """
        return sliced_pass(self, params, log_weights, block, rows=rows, responsibilities=responsibilities)

    def compile(self, source: Source, k: int) -> None:
        """Compile what the first ``joint_pass`` would compile, if anything. Called once, before a fit starts."""

    def log_prob_block(self, params: P, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """``log_prob`` of all rows of a block, (n, k) in float64, C-contiguous; in ``out`` if that is given: an HMM's emissions."""
        for i, x in enumerate(_slices(block.x)):
            here = np.asarray(self.log_prob(params, x))
            if out is None:
                out = np.empty((block.n, here.shape[1]))
            out[i * SLICE : i * SLICE + len(here)] = here
        assert out is not None
        return out

    def stats_block(self, params: P, block: Block, resp: np.ndarray) -> S:
        """``stats`` of all rows of a block."""
        total: S | None = None
        for begin, x in enumerate(_slices(block.x)):
            here = self.stats(params, x, resp[begin * SLICE : (begin + 1) * SLICE])
            total = here if total is None else total + here
        assert total is not None
        return total

    def from_partition(self, source: Source, x: np.ndarray, resp: np.ndarray, rng: np.random.Generator) -> P:
        """Starting values from a first guess at the responsibilities (n, k), row weights multiplied in.

        Moments are taken first about the columns' means, then about the new means: the second time nothing cancels.
        """
        k = resp.shape[1]
        block = Block(x, missing=bool(np.isnan(np.asarray(x, dtype=np.float64)).any()))
        first = self.start(self.stats_block(self.start(None, source, k), block, resp), source, k)
        return self.start(self.stats_block(first, block, resp), source, k)

    def permuted(self, order: np.ndarray) -> Self:
        """The resolved configuration that goes with ``permute``: fixed and starting values (k, ...) follow their component."""
        changes = {}
        for name in ("fixed", "start_values"):
            values = getattr(self, name, None)
            if values:
                changes[name] = {key: v[order] if np.shape(v)[:1] == (len(order),) else v for key, v in values.items()}
        return replace(self, **changes) if changes else self  # type: ignore[type-var]

    def embed(self, x: Any) -> np.ndarray | None:
        """Rows as points for seeding by k-means++, scaled so that Euclidean distance makes sense; None if there is no such thing."""
        return None


class Pass(Generic[S]):
    """What one E-step over a block of a mixture yields."""

    __slots__ = ("counts", "log_likelihood", "responsibilities", "rows", "stats")

    def __init__(
        self,
        log_likelihood: float,
        counts: np.ndarray | None = None,
        stats: S | None = None,
        rows: np.ndarray | None = None,
        responsibilities: np.ndarray | None = None,
    ):
        self.log_likelihood = log_likelihood
        self.counts = counts
        self.stats = stats
        self.rows = rows
        self.responsibilities = responsibilities


def _slices(x: Any) -> Iterator[Any]:
    for begin in range(0, x.shape[0], SLICE):
        yield x[begin : begin + SLICE]


SLICE = 4096  # rows at a time in the NumPy twin: its n x k temporaries stay in cache


def sliced_pass(
    family: Family[P, S], params: P, log_weights: np.ndarray, block: Block, *, rows: bool, responsibilities: bool
) -> Pass[S]:
    """The NumPy E-step of a mixture: Bayes' rule with the maximum removed, slice by slice."""
    n = block.n
    k = len(log_weights)
    total = 0.0
    counts = np.zeros(k)
    stats: S | None = None
    out_rows = np.empty(n) if rows else None
    out_resp = np.empty((n, k)) if responsibilities else None
    accumulate = not (rows or responsibilities)
    for begin in range(0, n, SLICE):
        part = slice(begin, min(begin + SLICE, n))
        x = block.x[part]
        joint = np.asarray(family.log_prob(params, x), dtype=np.float64) + log_weights
        row = log_sum_exp(joint)
        weights = None if block.weights is None else np.asarray(block.weights[part], dtype=np.float64)
        total += float(np.sum(row) if weights is None else np.sum(row[weights > 0] * weights[weights > 0]))
        if out_rows is not None:
            out_rows[part] = row
        if rows and not responsibilities:
            continue
        resp = posterior(joint, row)
        if out_resp is not None:
            out_resp[part] = resp
        if accumulate:
            if weights is not None:
                resp *= weights[:, None]
            counts += resp.sum(axis=0)
            here = family.stats(params, x, resp)
            stats = here if stats is None else stats + here
    return Pass(total, counts, stats, out_rows, out_resp)


def log_sum_exp(a: np.ndarray) -> np.ndarray:
    """log(sum(exp(a))) over the last axis, maximum removed; -inf where every entry is -inf."""
    peak = a.max(axis=-1)
    safe = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.exp(a - safe[..., None]).sum(axis=-1)))


def posterior(joint: np.ndarray, row: np.ndarray) -> np.ndarray:
    """exp(joint - row): zero, not NaN, for rows that nothing can produce, and for entries under e^-300 (subnormals are slow)."""
    with np.errstate(invalid="ignore"):
        shifted = joint - row[..., None]
    return np.where(shifted > -300.0, np.exp(np.maximum(shifted, -300.0)), 0.0)


class Model(ABC, Generic[P, S]):
    """Latent structure over families: Mixture, HMM, ... Configuration only, immutable.

    You implement the abstract methods. You get: every Algorithm, every Executor, restarts, monitors, checkpoints, files, and
    ``emkit.testing.check_model``.
    """

    @abstractmethod
    def resolve(self, source: Source) -> Self:
        """The same model with data-dependent defaults made concrete; raises on settings that do not fit the data."""

    @abstractmethod
    def init(self, source: Source, rng: np.random.Generator, attempt: int = 0) -> P:
        """Starting values from (a sample of) the data. ``attempt`` numbers the start, so that kinds of start can alternate."""

    @abstractmethod
    def e_step(self, params: P, block: Block) -> tuple[S, float]:
        """Expected statistics summed over the block, weights multiplied in, and the block's weighted log-likelihood."""

    @abstractmethod
    def m_step(self, stats: S, params: P) -> P:
        """Argmax of the expected log posterior. Never needs the data; never lowers the objective."""

    @abstractmethod
    def log_prior(self, params: P) -> float:
        """Log prior density up to a constant: what the objective has beyond the log-likelihood."""

    @abstractmethod
    def n_free(self, params: P) -> int:
        """Free parameters: fixed ones and structural zeros are not counted."""

    @abstractmethod
    def pack(self, params: P) -> np.ndarray:
        """Free parameters as an unconstrained vector, for acceleration and standard errors."""

    @abstractmethod
    def unpack(self, vector: np.ndarray, like: P) -> P:
        """Inverse of ``pack``; what is fixed comes from ``like``."""

    @abstractmethod
    def null_params(self, n_features: int) -> P:
        """Parameters of the right shapes, for reading files."""

    def compile(self, source: Source) -> None:
        """Compile what the first E-step would compile, if anything."""


class Executor(Protocol):
    """Where ``map(e_step) -> reduce(+)`` runs. The sum is taken in the order of the blocks, whatever ran first."""

    def map_reduce(self, fn: Callable[[Block], tuple[Any, float]], source: Source) -> tuple[Any, float]:
        """Sum of ``fn(block)`` over the source."""
        ...

    def map(self, fn: Callable[[Block], Any], source: Source) -> Iterator[Any]:
        """``fn(block)`` for each block, in order."""
        ...

    def session(self) -> AbstractContextManager[Any]:
        """Held open around a fit: threads start here, BLAS is told to keep to one core here."""
        ...
