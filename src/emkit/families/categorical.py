"""Categorical columns: each cell is a symbol 0, 1, ..., L - 1, each column with probabilities of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np

from emkit.core import simplex
from emkit.core.bayes import Pass, grouped_pass, sliced_pass
from emkit.core.block import Block, Source
from emkit.core.columns import Columns
from emkit.core.compiled import worth_compiling
from emkit.core.errors import DataError, ParameterError
from emkit.core.parameters import Parameter, Simplex
from emkit.core.prior import Dirichlet
from emkit.core.records import Stats
from emkit.core.support import Symbols
from emkit.families.coded import CodedPasses
from emkit.families.marginals import JEFFREYS, of_probabilities
from emkit.families.one_hot import coefficients, impossible, one_hot
from emkit.families.sums import logs_times

_FEW = 32  # symbols that are cheaper counted as columns of zeros and ones
_TOO_MANY = 10**7  # symbols that are numbered without gaps are fewer


@dataclass(frozen=True)
class SymbolCounts(Stats):
    """``counts`` (K, d, L): expected count of each symbol."""

    counts: np.ndarray


@dataclass(frozen=True)
class Categorical(CodedPasses):
    """Independent categorical columns given the component. A missing cell contributes nothing.

    Parameters
    ----------
    n_categories : int or sequence of int, optional
        L of each column; default: as many as the column has levels, or the largest symbol seen plus one.
    prior : Dirichlet or None
        The prior of each column's probabilities.
    fixed, start_values : mapping, optional
        "probs" (K, d, L), or (K, L) for one column. Symbols beyond a column's own number have probability 0.
    """

    n_categories: Any = None
    prior: Dirichlet | None = None

    parameters = (Parameter("probs", "K d L", Simplex(), Dirichlet),)
    support = Symbols()
    race = (64, 8)  # of 500 answers to six items, four classes: the best known optimum from 18 of 20 seeds, 12 with 24 and 4
    columnwise = True

    @classmethod
    def examples(cls) -> list[Self]:
        """Plain, with priors, partly fixed."""
        nan = np.nan
        fixed = {"probs": [[[0.1, nan, nan, nan], [nan, nan, nan, 0.0]], [[nan, nan, nan, 0.1], [0.2, 0.3, 0.5, 0.0]]]}
        return [cls(), cls(prior=Dirichlet(2.0)), cls((4, 3), Dirichlet([2.0, 1.5, 3.0, 1.0])), cls((4, 3), fixed=fixed)]

    # --- how many symbols ---------------------------------------------------------------------------------------------

    def ready(self, source: Source, k: int) -> Self:
        """Counts the symbols of each column. Raises DataError for too many, and for what looks like one-hot rows."""
        d = source.n_features
        high = np.where(np.isfinite(source.summary.high), source.summary.high, 0.0)
        if self.n_categories is None:
            levels = [0 if column.levels is None else len(column.levels) for column in source.columns.items]
            sizes = np.maximum(high + 1, levels)
            self._refuse_one_hot(source, high)
            if high.max() >= _TOO_MANY:
                j = int(np.argmax(high))
                raise DataError(
                    f"{source.columns.called(j)} holds the symbol {high[j]:.0f}, so {high[j] + 1:.0f} categories would be needed; "
                    "number them 0, 1, 2, ...",
                    column=source.columns[j].name,
                )
        else:
            sizes = _checked_sizes(self.n_categories, d)
        return replace(self, n_categories=tuple(int(size) for size in sizes))

    def check(self, source: Source) -> None:
        """Also refuses symbols beyond ``n_categories``, where that is known."""
        super().check(source)
        if self.n_categories is None:
            return
        sizes, row = _checked_sizes(self.n_categories, source.n_features), 0
        if not (source.summary.high >= sizes).any():
            return
        for block in source:
            bad = np.asarray(block.x) >= sizes
            if bad.any():
                i, j = (int(v) for v in np.argwhere(bad)[0])
                levels = source.columns[j].levels
                what = (
                    f"the symbol {block.x[i, j]:g}"
                    if levels is None
                    else f"{levels[int(block.x[i, j])]!r}, of {len(levels)} levels"
                )
                raise DataError(
                    f"{source.columns.called(j)} {source.place(row + i)} holds {what}, but "
                    f"n_categories={sizes[j]:g} allows {f'0 to {sizes[j] - 1:g}' if levels is None else f'{sizes[j]:g}'}",
                    column=source.columns[j].name,
                    row=source.user_row(row + i),
                )
            row += block.n

    def _refuse_one_hot(self, source: Source, high: np.ndarray) -> None:
        # In a few rows, two columns that are 0 and 1 may differ in each by chance.
        enough = source.n_features >= (2 if source.n_rows >= 10 else 3)
        if not enough or high.max() != 1 or any(column.levels for column in source.columns.items):
            return
        for block in source:
            x = np.asarray(block.x)
            if np.isnan(x).any() or not (x.sum(axis=1) == 1).all():
                return
        raise DataError(
            f"the {source.n_features} columns look one-hot encoded (each row has a single 1); "
            "give one column of symbols instead, the place of each row's 1, or say n_categories=2 if they are separate columns",
            parameter="n_categories",
        )

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """As many symbols as there are probabilities."""
        sizes = self.n_categories if self.n_categories is not None or "probs" not in values else np.shape(values["probs"])[-1]
        return replace(self, fixed={}, start_values={}, n_categories=sizes)

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """L is the largest number of symbols of any column."""
        if self.n_categories is None:
            raise ParameterError("n_categories is not known yet: resolve(source, k) counts the symbols (fit does)")
        return {"K": k, "d": d, "L": int(_checked_sizes(self.n_categories, d).max())}

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Symbols that a column does not have are held at 0."""
        if isinstance(self.n_categories, tuple) and name not in self.fixed:  # asked for at every step
            return _structural(self.n_categories, shape)
        held = super().held(name, shape)
        return held if self.n_categories is None else np.where(self._allowed(shape), held, 0.0)

    def _allowed(self, shape: tuple[int, ...]) -> np.ndarray:
        sizes = _checked_sizes(self.n_categories, shape[1])
        return np.asarray(np.arange(shape[2]) < sizes[:, None])

    def null(self, k: int, d: int) -> Any:
        """Uniform over each column's own symbols."""
        size = self.sizes(k, d)["L"]
        allowed = self._allowed((k, d, size))
        uniform = np.broadcast_to(allowed / allowed.sum(axis=1, keepdims=True), (k, d, size))
        return self.put_back(self.Params(uniform.copy()))

    # --- the mathematics ----------------------------------------------------------------------------------------------

    def log_prob(self, params: Any, x: Any) -> np.ndarray:
        """Sum over columns of log probability of the symbol, (n, K); -inf for what is not one of them."""
        with np.errstate(divide="ignore"):
            return symbol_logs(np.log(params.probs), x)

    def stats(self, params: Any, x: Any, resp: Any) -> SymbolCounts:
        """Expected counts."""
        return symbol_counts(params.probs.shape, x, resp)

    def m_step(self, stats: SymbolCounts, params: Any) -> Any:
        """Relative frequencies, with the prior's pseudo-counts; where nothing was counted, as before."""
        counts = stats.counts if self.prior is None else stats.counts + self.prior.pseudo
        return self.Params(simplex.mode(counts, self.held("probs", counts.shape), params.probs))

    def first_guess(self, stats: SymbolCounts) -> Any:
        """Observed frequencies of each part, one pseudo-count spread over the symbols."""
        k, d, _ = stats.counts.shape
        pseudo = stats.counts + self.null(k, d).probs
        return self.Params(pseudo / pseudo.sum(axis=2, keepdims=True))

    def sample(self, params: Any, component: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One row of symbols for each entry of ``component``."""
        cumulative = np.cumsum(params.probs, axis=2)[component]
        draw = rng.uniform(size=(len(component), params.probs.shape[1], 1))
        return np.asarray((draw >= cumulative / cumulative[:, :, -1:]).sum(axis=2))

    def q(self, stats: SymbolCounts, params: Any) -> float:
        """Sum of counts log p."""
        return float(logs_times(stats.counts, params.probs).sum())

    def complete_marginal(self, stats: SymbolCounts, params: Any) -> float | None:
        """Of symbols; by default with Jeffreys' prior."""
        if self.fixed:
            return None
        concentration = JEFFREYS if self.prior is None else self.prior.concentration
        return of_probabilities(stats.counts, params.probs, concentration, self._allowed(params.probs.shape))

    def gradient(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Counts / p."""
        return {"probs": simplex.gradient(stats.counts, params.probs)}

    def curvature(self, stats: SymbolCounts, params: Any) -> dict[str, np.ndarray]:
        """Of as many rows as were counted."""
        return {"probs": simplex.curvature(stats.counts, params.probs, self.held("probs", params.probs.shape))}

    def moments(self, params: Any) -> tuple[np.ndarray, np.ndarray]:
        """A symbol counts as its number."""
        symbols = np.arange(params.probs.shape[2])
        mean = params.probs @ symbols
        return mean, params.probs @ symbols**2 - mean**2

    def filled(self, params: Any, x: np.ndarray, resp: np.ndarray) -> np.ndarray:
        """The most probable symbol under sum_k resp_k p_k; the first of several."""
        out = np.array(x, dtype=np.float64)
        for j in range(out.shape[1]):
            rows = np.flatnonzero(np.isnan(out[:, j]))
            out[rows, j] = (resp[rows] @ params.probs[:, j]).argmax(axis=1)
        return out

    def profile(self, params: Any, weights: np.ndarray, columns: Columns) -> list[tuple[np.ndarray, list[str]]]:
        """By the level whose probability differs most, in standard deviations of its indicator."""
        out = []
        for j, column in enumerate(columns.items):
            probs = params.probs[:, j]
            overall = weights @ probs
            away = np.abs(probs - overall) / np.sqrt(np.maximum(overall * (1.0 - overall), 1e-12))
            most = np.where(probs < overall, 0.7 * away, away).argmax(axis=1)  # what is there says more than what is not
            named = [str(level) for level in column.levels] if column.levels else [str(s) for s in range(probs.shape[1])]
            texts = [
                f"{column.name} {named[symbol]} {100 * probs[k, symbol]:.0f} % ({100 * overall[symbol]:.0f} % overall)"
                for k, symbol in enumerate(most)
            ]
            out.append((away[np.arange(len(most)), most], texts))
        return out

    def cdf(self, params: Any, x: np.ndarray, *, upper: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the symbols are taken as their order."""
        return symbol_cdf(params.probs[:, 0], x, upper)

    def stats_of_values(self, params: Any, values: Sequence[np.ndarray], counts: Sequence[np.ndarray]) -> SymbolCounts:
        """Counts are the statistics already."""
        out = np.zeros(params.probs.shape)
        for j, (symbols, expected) in enumerate(zip(values, counts, strict=True)):
            seen = len(symbols) - int(np.isnan(symbols[-1]))
            out[:, j, symbols[:seen].astype(np.intp)] = expected[:seen].T
        return SymbolCounts(out)

    # --- compiled twins -----------------------------------------------------------------------------------------------

    def plain_pass(self, params: Any, log_weights: np.ndarray, block: Block, **what: bool) -> Pass:
        """By matrix products where the data are small."""
        small = one_hot(block, params.probs.shape[2])
        if small is not None:
            logs = coefficients(params.probs)
            found = sliced_pass(lambda x: x @ logs, self._counts_of(params), log_weights, small, **what)
            if not impossible(found.log_likelihood):
                return found
        return super().plain_pass(params, log_weights, block, **what)

    def side_by_side(self, params: Any, log_weights: np.ndarray, block: Block) -> Pass:
        """Likewise."""
        small = one_hot(block, params.probs.shape[2])
        if small is not None:
            logs = coefficients(params.probs)
            found = grouped_pass(lambda x: x @ logs, self._counts_of(params), log_weights, small)
            if not impossible(found.log_likelihood):
                return found
        return super().side_by_side(params, log_weights, block)

    def _counts_of(self, params: Any) -> Callable[[Any, Any], SymbolCounts]:
        return lambda x, resp: SymbolCounts((resp.T @ x).reshape(params.probs.shape))

    def stats_block(self, params: Any, block: Block, resp: np.ndarray) -> SymbolCounts:
        """Compiled where the data are large."""
        if not worth_counting(block):
            return super().stats_block(params, block, resp)  # type: ignore[no-any-return]
        return compiled_counts(params.probs.shape, block, resp)

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """Compiled where the data are large."""
        if not worth_counting(block):
            return super().log_prob_block(params, block, out)
        with np.errstate(divide="ignore"):
            return compiled_logs(np.log(params.probs), block, out)


def symbol_logs(logs: np.ndarray, x: Any) -> np.ndarray:
    """Sum over columns of what ``logs`` (K, d, L) has for each row's symbols, (n, K); a missing cell adds nothing.

    -inf for what is not one of the symbols.
    """
    x, most, table = np.asarray(x), logs.shape[2], np.moveaxis(logs, 0, 2)  # (d, L, K)
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


def symbol_counts(form: tuple[int, ...], x: Any, resp: Any) -> SymbolCounts:
    """Expected counts of the symbols, of shape ``form``, which is (K, d, L)."""
    k, d, most = form
    x = np.asarray(x)
    counts = np.zeros((k, d, most))
    if most <= _FEW:  # as products of matrices, for all components at once; a missing cell equals no symbol
        weights, symbols = np.asarray(resp, dtype=np.float64).T, np.arange(most)
        for j in range(d):
            counts[:, j] = weights @ (x[:, j, None] == symbols).astype(np.float64)
        return SymbolCounts(counts)
    for j in range(d):
        seen = np.isfinite(x[:, j])
        symbol = x[seen, j].astype(np.intp)
        part = np.asarray(resp)[seen]
        for i in range(k):
            counts[i, j] = np.bincount(symbol, weights=part[:, i], minlength=most)[:most]
    return SymbolCounts(counts)


def compiled_logs(logs: np.ndarray, block: Block, out: np.ndarray | None) -> np.ndarray:
    """The compiled twin of ``symbol_logs``."""
    from emkit.kernels.categorical import look_up
    from emkit.kernels.rows import whole

    k, d, most = logs.shape
    table = np.zeros((d, most + 2, whole(k)))
    table[:, :most, :k] = np.moveaxis(logs, 0, 2)
    table[:, most + 1] = -np.inf
    out = np.empty((block.n, k)) if out is None else out
    look_up(np.ascontiguousarray(block.x), table, out)
    return out


def compiled_counts(form: tuple[int, ...], block: Block, resp: np.ndarray) -> SymbolCounts:
    """The compiled twin of ``symbol_counts``."""
    from emkit.kernels.categorical import count_symbols

    k, d, most = form
    counts = np.zeros((d, most, k))
    count_symbols(np.ascontiguousarray(block.x), np.ascontiguousarray(resp), counts)
    return SymbolCounts(np.ascontiguousarray(np.moveaxis(counts, 2, 0)))


def worth_counting(block: Block) -> bool:
    """Whether looking symbols up and counting them should be compiled."""
    return worth_compiling(25.0 * max(block.n, block.source_rows))


@lru_cache(maxsize=64)
def _structural(sizes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Zeros of symbols that columns of these sizes do not have, NaN elsewhere; not to be written to."""
    allowed = np.arange(shape[2]) < _checked_sizes(sizes, shape[1])[:, None]
    held = np.where(np.broadcast_to(allowed, shape), np.nan, 0.0)
    held.setflags(write=False)
    return held


def _checked_sizes(n_categories: Any, d: int) -> np.ndarray:
    sizes = np.asarray(n_categories)
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (1,), (d,)) or (sizes < 1).any():
        raise ParameterError(
            f"n_categories={n_categories!r}: give a number of symbols, at least 1, or one for each of the {d} column(s)",
            parameter="n_categories",
        )
    return np.broadcast_to(sizes, (d,))


def symbol_cdf(probs: np.ndarray, x: np.ndarray, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """``Family.cdf`` for probabilities (K, L) of the symbols of one column."""
    if upper:  # for each symbol the probability of those after it: sums of what is small, exact there
        table = np.pad(np.cumsum(probs[:, :0:-1], axis=1)[:, ::-1], [(0, 0), (0, 1)])
    else:
        table = np.minimum(np.cumsum(probs, axis=1), 1.0)
    table[:, -1] = 0.0 if upper else 1.0

    def reached(c: np.ndarray) -> np.ndarray:
        value = table.T[np.clip(np.nan_to_num(c[:, 0]), 0, table.shape[1] - 1).astype(np.int64)]
        return np.where(np.isnan(c), np.nan, np.where(c < 0, float(upper), value))

    return reached(np.ceil(x) - 1.0), reached(np.floor(x))
