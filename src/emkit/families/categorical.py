"""Categorical columns: each cell is a symbol 0, 1, ..., L - 1, each column with probabilities of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.block import Block, Source
from emkit.core.compiled import worth_compiling
from emkit.core.errors import DataError, ParameterError
from emkit.core.model import Family
from emkit.core.prior import Dirichlet, Prior
from emkit.core.records import Params, Stats
from emkit.families.discrete import column_range, refuse_fractions
from emkit.families.given import name_of, numbers, refuse_unknown


@dataclass(frozen=True)
class CategoricalParams(Params):
    """``probs`` (K, d, L): probability of each symbol; zero beyond a column's own number of symbols."""

    probs: np.ndarray


@dataclass(frozen=True)
class CategoricalStats(Stats):
    """``counts`` (K, d, L): expected count of each symbol."""

    counts: np.ndarray


@dataclass(frozen=True)
class Categorical(Family[CategoricalParams, CategoricalStats]):
    """Independent categorical columns given the component. A missing cell drops out.

    Parameters
    ----------
    n_categories : int or sequence of int, optional
        L of each column; default: the largest symbol seen plus one.
    prior : Dirichlet or None
        Of each column's probabilities.
    fixed, start_values : mapping, optional
        "probs" (K, d, L), or (K, L) for one column.
    """

    n_categories: Any = None
    prior: Prior | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        refuse_unknown(self.fixed, self.start_values, ("probs",), "a categorical family")
        if self.prior is not None and not isinstance(self.prior, Dirichlet):
            raise ParameterError(f"the prior of categorical probabilities must be a Dirichlet, got {self.prior!r}")

    def resolve(self, source: Source, k: int) -> Self:
        """Checks symbols, and counts categories.

        Raises
        ------
        DataError
            For cells that are not integers in range, and for what looks like one-hot rows.
        """
        d = source.n_features
        refuse_fractions(source, "a category 0, 1, 2, ...")
        low, high = column_range(source)
        if low.min() < 0:
            j = int(np.argmin(low))
            raise DataError(f"column {source.columns[j]!r} holds {low[j]:g}; categories are numbered 0, 1, 2, ...")
        if self.n_categories is None:
            self._refuse_one_hot(source, high)
        if self.n_categories is None and high.max() >= 10**7:
            j = int(np.argmax(high))
            raise DataError(
                f"column {source.columns[j]!r} holds the symbol {high[j]:.0f}, so {high[j] + 1:.0f} categories would be needed; number them 0, 1, 2, ..."
            )
        sizes = high + 1 if self.n_categories is None else np.broadcast_to(np.asarray(self.n_categories), (d,))
        if (high >= sizes).any():
            j = int(np.flatnonzero(high >= sizes)[0])
            raise DataError(
                f"column {source.columns[j]!r} holds the symbol {high[j]:g}, but n_categories={sizes[j]:g} allows 0 to {sizes[j] - 1:g}"
            )
        return replace(
            self,
            n_categories=tuple(int(size) for size in sizes),
            fixed={key: self._check(value, k, sizes, "fixed") for key, value in self.fixed.items()},
            start_values={key: self._check(value, k, sizes, "start") for key, value in self.start_values.items()},
        )

    def _refuse_one_hot(self, source: Source, high: np.ndarray) -> None:
        # In a few rows, two columns that are 0 and 1 may differ in each by chance.
        if source.n_features < (2 if source.n_rows >= 10 else 3) or high.max() != 1:
            return
        for block in source:
            x = np.asarray(block.x)
            if np.isnan(x).any() or not (x.sum(axis=1) == 1).all():
                return
        raise DataError(
            f"the {source.n_features} columns look one-hot encoded (each row has a single 1); "
            "pass one column of symbols instead: x.argmax(axis=1).reshape(-1, 1), or say n_categories=2 if they are separate columns"
        )

    def _check(self, value: Any, k: int, sizes: np.ndarray, where: str) -> np.ndarray:
        name = name_of("probs", where)
        probs = numbers(value, name)
        d, most = len(sizes), int(sizes.max())
        if probs.ndim == 2 and d == 1:
            probs = probs[:, None, :]
        if probs.shape != (k, d, most):
            or_flat = f" or ({k}, {most})" if d == 1 else ""
            raise ParameterError(f"{name} has shape {np.shape(value)}, expected ({k}, {d}, {most}){or_flat}")
        if not ((probs >= 0).all() and np.allclose(probs.sum(axis=2), 1.0, atol=1e-6)):
            raise ParameterError(f"{name}: probabilities must be nonnegative and add up to 1 over the symbols")
        return probs / probs.sum(axis=2, keepdims=True)

    @property
    def _sizes(self) -> np.ndarray:
        return np.asarray(self.n_categories)

    def null_params(self, k: int, n_features: int) -> CategoricalParams:
        """Uniform."""
        sizes = np.broadcast_to(self._sizes, (n_features,))
        allowed = np.arange(sizes.max()) < sizes[:, None]
        return CategoricalParams(np.broadcast_to(allowed / sizes[:, None], (k, n_features, sizes.max())).copy())

    def start(self, stats: CategoricalStats | None, source: Source, k: int) -> CategoricalParams:
        """Observed frequencies of each part, one pseudo-count spread over the symbols."""
        given = {**self.start_values, **self.fixed}
        if "probs" in given:
            return CategoricalParams(np.asarray(given["probs"]))
        uniform = self.null_params(k, source.n_features)
        if stats is None:
            return uniform
        pseudo = stats.counts + uniform.probs
        return CategoricalParams(pseudo / pseudo.sum(axis=2, keepdims=True))

    def log_prob(self, params: CategoricalParams, x: Any) -> np.ndarray:
        """Sum over columns of log probability of the symbol, (n, K); -inf for what is not one of them."""
        x = np.asarray(x)
        most = params.probs.shape[2]
        with np.errstate(divide="ignore"):
            table = np.log(np.moveaxis(params.probs, 0, 2))  # (d, L, K)
        out: np.ndarray | float = 0.0
        for j in range(x.shape[1]):
            seen = np.isfinite(x[:, j])
            symbol = np.where(seen, x[:, j], 0).astype(np.intp)
            outside = (symbol < 0) | (symbol >= most) | (seen & (symbol != x[:, j]))
            term = table[j].take(np.where(outside, 0, symbol), axis=0)
            if outside.any():
                term[outside] = -np.inf
            if not seen.all():
                term[~seen] = 0.0
            out = out + term
        return np.asarray(out)

    def stats(self, params: CategoricalParams, x: Any, resp: Any) -> CategoricalStats:
        """Expected counts."""
        k, d, most = params.probs.shape
        x = np.asarray(x)
        counts = np.zeros((k, d, most))
        for j in range(d):
            seen = np.isfinite(x[:, j])
            symbol = x[seen, j].astype(np.intp)
            part = np.asarray(resp)[seen]
            for i in range(k):
                counts[i, j] = np.bincount(symbol, weights=part[:, i], minlength=most)[:most]
        return CategoricalStats(counts)

    def stats_block(self, params: CategoricalParams, block: Block, resp: np.ndarray) -> CategoricalStats:
        """Compiled where the data are large."""
        if not worth_compiling(25.0 * max(block.n, block.source_rows)):
            return super().stats_block(params, block, resp)
        from emkit.kernels.categorical import count_symbols

        k, d, most = params.probs.shape
        counts = np.zeros((d, most, k))
        count_symbols(np.ascontiguousarray(block.x), np.ascontiguousarray(resp), counts)
        return CategoricalStats(np.ascontiguousarray(np.moveaxis(counts, 2, 0)))

    def log_prob_block(self, params: CategoricalParams, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Compiled where the data are large."""
        if not worth_compiling(25.0 * max(block.n, block.source_rows)):
            return super().log_prob_block(params, block, out)
        from emkit.kernels.categorical import look_up
        from emkit.kernels.rows import whole

        k, d, most = params.probs.shape
        table = np.zeros((d, most + 2, whole(k)))
        with np.errstate(divide="ignore"):
            table[:, :most, :k] = np.log(np.moveaxis(params.probs, 0, 2))
        table[:, most + 1] = -np.inf
        out = np.empty((block.n, k)) if out is None else out
        look_up(np.ascontiguousarray(block.x), table, out)
        return out

    def m_step(self, stats: CategoricalStats, params: CategoricalParams) -> CategoricalParams:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was counted, as before."""
        if "probs" in self.fixed:
            return CategoricalParams(np.asarray(self.fixed["probs"]))
        pseudo = np.maximum(stats.counts + self._pseudo(params.probs.shape), 0.0)
        total = pseudo.sum(axis=2, keepdims=True)
        with np.errstate(invalid="ignore"):
            return CategoricalParams(np.where(total > 0, pseudo / np.where(total > 0, total, 1.0), params.probs))

    def _pseudo(self, shape: tuple[int, ...]) -> Any:
        if not isinstance(self.prior, Dirichlet):
            return 0.0
        extra = np.broadcast_to(np.asarray(self.prior.concentration, dtype=np.float64) - 1.0, shape)
        allowed = np.arange(shape[2]) < self._sizes[:, None]
        return np.where(allowed, extra, 0.0)

    def log_prior(self, params: CategoricalParams) -> float:
        """Of all probabilities, up to a constant."""
        if not isinstance(self.prior, Dirichlet) or "probs" in self.fixed:
            return 0.0
        extra = self._pseudo(params.probs.shape)
        used = extra != 0
        return float(np.sum(extra[used] * np.log(np.maximum(params.probs[used], simplex.TINY))))

    def sample(self, params: CategoricalParams, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row of symbols for each entry of ``component``."""
        cumulative = np.cumsum(params.probs, axis=2)[component]
        draw = rng.uniform(size=(len(component), params.probs.shape[1], 1))
        symbols = (draw >= cumulative / cumulative[:, :, -1:]).sum(axis=2)
        return symbols.astype(np.float64)

    def n_free(self, params: CategoricalParams) -> int:
        """L - 1 for each column and component."""
        return simplex.n_free(self._held(params.probs.shape))

    def _held(self, shape: tuple[int, ...]) -> np.ndarray:
        """Fixed values, NaN where free; symbols that a column does not have are held at 0."""
        if "probs" in self.fixed:
            return np.asarray(self.fixed["probs"])
        return np.broadcast_to(np.where(np.arange(shape[2]) < self._sizes[:, None], np.nan, 0.0), shape)

    def pack(self, params: CategoricalParams) -> np.ndarray:
        """Log-ratios to each column's last symbol."""
        return simplex.pack(params.probs, self._held(params.probs.shape))

    def unpack(self, vector: np.ndarray, like: CategoricalParams) -> CategoricalParams:
        """Inverse of ``pack``."""
        return CategoricalParams(simplex.unpack(vector, self._held(like.probs.shape))[0])

    def permute(self, params: CategoricalParams, order: np.ndarray) -> CategoricalParams:
        """Relabelled."""
        return CategoricalParams(params.probs[order])

    def permuted(self, order: np.ndarray) -> Self:
        """The configuration that goes with ``permute``; a prior (K, d, L) follows its components."""
        moved = super().permuted(order)
        if isinstance(self.prior, Dirichlet) and np.shape(self.prior.concentration)[:-2] == (len(order),):
            return replace(moved, prior=Dirichlet(np.asarray(self.prior.concentration)[order]))
        return moved

    def embed(self, x: Any) -> np.ndarray:
        """One-hot; a missing cell is all zeros."""
        x = np.asarray(x)
        parts = [(x[:, j, None] == np.arange(size)).astype(np.float64) for j, size in enumerate(self._sizes)]
        return np.concatenate(parts, axis=1)
