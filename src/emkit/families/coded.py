"""The E-step of a mixture over columns of any kinds: each distinct value of a column is worked on once.

Three kinds of pieces share one compiled pass. Columns with few distinct values are looked up in tables and counted, so that any
family whose columns are independent, written in NumPy, is as fast as a compiled one. Normal columns are computed in it. Whatever is
left, such as blocks of correlated columns, adds its log probabilities before and takes its responsibilities after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.bayes import Pass, add_labels
from emkit.core.block import Block
from emkit.core.coding import Coded, Coder, coder_of, smallest
from emkit.core.compiled import worth_compiling
from emkit.core.family import Family
from emkit.core.records import column_of, columns_joined
from emkit.core.selected import columns_of

_PAIRED = 64  # distinct values of several columns together, up to which they share a code
_FEW_ROWS = 256  # below which distinct values are not looked for


@dataclass(frozen=True)
class Piece:
    """A family over some columns, with its Params."""

    family: Family
    params: Any
    columns: tuple[int, ...]

    def alone(self, at: int) -> "Piece":
        """Its column number ``at``; the family's columns are independent, or it has one."""
        if len(self.columns) == 1:
            return self
        return Piece(self.family, column_of(self.params, at), (self.columns[at],))


class Layout:
    """Which columns of a matrix are coded, and how: columns with few values share a code.

    ``codes`` (n, groups), ``offsets`` (groups,) where the rows of each begin in a table of ``size`` rows.
    """

    def __init__(self, coder: Coder, columns: tuple[int, ...]):
        self.columns = columns
        coded = {j: coder.column(j) for j in columns}
        self.values = {j: c.values for j, c in coded.items() if c is not None}
        self.groups: list[list[int]] = []
        sizes: list[int] = []
        for j in sorted(columns, key=lambda j: len(self.values[j])):
            count = len(self.values[j])
            if sizes and sizes[-1] * count <= _PAIRED:
                self.groups[-1].append(j)
                sizes[-1] *= count
            else:
                self.groups.append([j])
                sizes.append(count)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(np.int64)
        self.sizes, self.size = sizes, sum(sizes)
        kind = smallest(max(sizes, default=1))
        self.codes = np.zeros((len(coder.x), len(sizes)), dtype=kind)
        for g, group in enumerate(self.groups):
            for place, j in enumerate(group):  # numbers in a mixed radix, the last column's changing fastest
                one = coded[j]
                assert one is not None
                if place:
                    self.codes[:, g] *= kind(len(self.values[j]))
                self.codes[:, g] += one.codes

    def spread(self, tables: dict[int, np.ndarray], padded: int) -> np.ndarray:
        """The table of all groups, (size, padded), from each column's (values, K): columns that share a code are added up."""
        out = np.zeros((self.size, padded))
        for begin, count, group in zip(self.offsets, self.sizes, self.groups, strict=True):
            total: Any = 0.0
            for j in group:
                total = np.expand_dims(total, -2) + tables[j] if np.ndim(total) else tables[j]
                total = total.reshape(-1, total.shape[-1])
            out[begin : begin + count, : total.shape[1]] = total
        return out

    def gathered(self, table: np.ndarray, k: int) -> dict[int, np.ndarray]:
        """The inverse for counts: each column's (values, K)."""
        out = {}
        for begin, count, group in zip(self.offsets, self.sizes, self.groups, strict=True):
            cube = table[begin : begin + count, :k].reshape(*(len(self.values[j]) for j in group), k)
            for axis, j in enumerate(group):
                others = tuple(a for a in range(len(group)) if a != axis)
                out[j] = cube.sum(axis=others)
        return out


class Plan:
    """What becomes of each column of some pieces: looked up, normal, or left to its family."""

    def __init__(self, pieces: Sequence[Piece], coder: Coder):
        coded: list[int] = []
        self.normal: list[int] = []  # pieces
        self.coded: dict[tuple[int, int], int] = {}  # the column that is place `at` of piece `i`
        self.left: list[tuple[int, int | None]] = []  # pieces, or their columns, that are left to the family
        for i, piece in enumerate(pieces):
            if piece.family.normal_columns(piece.params) is not None:
                self.normal.append(i)
            elif piece.family.columnwise or len(piece.columns) == 1:
                for at, j in enumerate(piece.columns):
                    if worth_coding(coder, j):
                        self.coded[i, at] = j
                        coded.append(j)
                    else:
                        self.left.append((i, at))
            else:
                self.left.append((i, None))
        columns = tuple(sorted(coded))
        self.layout: Layout = coder.once(("layout", columns), lambda: Layout(coder, columns))


def worth_coding(coder: Coder, j: int) -> bool:
    """Whether a column has so few distinct values that working on them alone saves time."""
    found = coder.column(j)
    return found is not None and 2 * len(found.values) <= len(found.codes) + 64


def plan_of(pieces: Sequence[Piece], coder: Coder) -> Plan:
    """The plan for these families and columns, made once for a matrix."""
    key = ("plan", *((p.family.columnwise, p.columns, p.family.normal_columns(p.params) is not None) for p in pieces))
    found: Plan = coder.once(key, lambda: Plan(pieces, coder))
    return found


def worth_it(pieces: Sequence[Piece], k: int, block: Block) -> bool:
    """Whether the compiled pass is worth loading, against NumPy row by row."""
    cells = sum(len(piece.columns) for piece in pieces)
    plain, made = k * (15.0 * cells + 20.0), 40.0 + 2.0 * cells * -(-k // 8)
    n = max(block.n, block.source_rows)
    return worth_compiling(n * plain, n * made)


def coded_joint(
    pieces: Sequence[Piece], owner: Any, log_weights: np.ndarray, block: Block, rows: bool = False, responsibilities: bool = False
) -> tuple[Pass, list[Any]]:
    """A mixture's E-step over a block, and the statistics of each piece (none where rows are asked for).

    ``owner`` is the record that the pieces' Params stand in: tables are kept with it.
    """
    from emkit.kernels.coded import coded_pass
    from emkit.kernels.rows import whole

    coder, span = coder_of(block)
    plan, k = plan_of(pieces, coder), len(log_weights)
    layout, padded = plan.layout, whole(k)
    asked = rows or responsibilities
    left = [(pieces[i] if at is None else pieces[i].alone(at), i, at) for i, at in plan.left]
    base = _base(left, log_weights, block, padded)
    real = _Normals(pieces, plan, padded)
    weighted = block.weights is not None and not asked
    weights = np.ascontiguousarray(block.weights, dtype=np.float64) if weighted else np.empty(0)
    counts, tallies = np.zeros((layout.size, padded)), np.zeros(padded)
    row_values = np.empty(block.n if asked else 0)
    resp = np.empty((block.n if responsibilities or (left and not asked) else 0, padded))
    total = coded_pass(
        layout.codes[span], layout.offsets, _table(pieces, plan, owner, padded), _contiguous(block), real.columns,
        real.log_norm, real.means, real.halves, base, weights, counts, tallies, real.moments, row_values, resp,
    )  # fmt: skip
    if asked:
        if block.weights is not None:
            used = np.asarray(block.weights) > 0
            total = float(np.dot(np.asarray(block.weights, dtype=np.float64)[used], row_values[used]))
        shown = np.ascontiguousarray(resp[:, :k]) if responsibilities else None
        return Pass(total, rows=row_values if rows else None, responsibilities=shown), []
    of_left = {(i, at): _left_stats(piece, block, resp[:, :k]) for piece, i, at in left}
    found = layout.gathered(counts, k)
    stats = []
    for i, piece in enumerate(pieces):
        if i in plan.normal:
            stats.append(real.stats(i, piece, tallies[:k], k))
        elif (i, None) in of_left:
            stats.append(of_left[i, None])
        elif all((i, at) in plan.coded for at in range(len(piece.columns))):
            values, each = ([by[j] for j in piece.columns] for by in (layout.values, found))
            stats.append(piece.family.stats_of_values(piece.params, values, each))
        else:
            stats.append(
                columns_joined(
                    [
                        of_left[i, at] if (i, at) in of_left else _alone(piece, at, layout.values[j], found[j])
                        for at, j in enumerate(piece.columns)
                    ]
                )
            )
    return Pass(total, tallies[:k].copy()), stats


def _contiguous(block: Block) -> np.ndarray:
    if block.x.flags.c_contiguous:
        return np.asarray(block.x)
    found: np.ndarray | None = block.kept.get("contiguous")
    if found is None:
        found = block.kept["contiguous"] = np.ascontiguousarray(block.x)
    return found


def _part(piece: Piece, block: Block) -> Block:
    """The rows of the piece's columns alone, for the family to work on."""
    return columns_of(block, piece.columns).rows(slice(0, block.n))


def _base(left: Sequence[tuple[Piece, int, int | None]], log_weights: np.ndarray, block: Block, padded: int) -> np.ndarray:
    """What a row's log joint probabilities start from: log weights, and what is neither looked up nor normal."""
    k = len(log_weights)
    base = np.full((block.n if left or block.labels is not None else 1, padded), -np.inf)
    base[:, :k] = log_weights
    for piece, _, _ in left:
        base[:, :k] += piece.family.log_prob_block(piece.params, _part(piece, block))
    if block.labels is not None:
        base[:, :k] = add_labels(base[:, :k].copy(), block.labels)
    return base


def _left_stats(piece: Piece, block: Block, resp: np.ndarray) -> Any:
    return piece.family.stats_block(piece.params, _part(piece, block), np.ascontiguousarray(resp))


def _table(pieces: Sequence[Piece], plan: Plan, owner: Any, padded: int) -> np.ndarray:
    """Log probabilities of the distinct values under each component: made once for each hypothesis.

    Two threads may both make it, which does no harm; a lock would wait for whatever a family's own code does.
    """
    families = [piece.family for piece in pieces]
    layout, of_families, kept = owner.kept.get("table", (None, [], None))
    if layout is plan.layout and list(map(id, of_families)) == list(map(id, families)):
        return np.asarray(kept)
    tables = {}
    for (i, at), j in plan.coded.items():
        piece = pieces[i].alone(at)
        tables[j] = np.asarray(piece.family.log_prob(piece.params, plan.layout.values[j][:, None]), dtype=np.float64)
    table = plan.layout.spread(tables, padded)
    owner.kept["table"] = (plan.layout, families, table)
    return table


def _alone(piece: Piece, at: int, values: np.ndarray, counts: np.ndarray) -> Any:
    one = piece.alone(at)
    return one.family.stats_of_values(one.params, [values], [counts])


class _Normals:
    """The normal columns of all pieces, as the kernel takes them, with room for their moments."""

    def __init__(self, pieces: Sequence[Piece], plan: Plan, padded: int):
        self.places: dict[int, slice] = {}
        columns: list[int] = []
        means: list[np.ndarray] = []
        variances: list[np.ndarray] = []
        for i in plan.normal:
            piece = pieces[i]
            found = piece.family.normal_columns(piece.params)
            assert found is not None
            self.places[i] = slice(len(columns), len(columns) + len(piece.columns))
            columns.extend(piece.columns)
            means.extend(found[0].T)
            variances.extend(found[1].T)
        self.columns = np.array(columns, dtype=np.int64)
        self.means, self.halves, self.log_norm = (np.zeros((len(columns), padded)) for _ in range(3))
        if columns:
            k = len(means[0])
            self.means[:, :k], variance = np.array(means), np.array(variances)
            self.halves[:, :k], self.log_norm[:, :k] = 0.5 / variance, -0.5 * np.log(2.0 * np.pi * variance)
        self.moments = np.zeros((3, len(columns), padded))

    def stats(self, i: int, piece: Piece, tallies: np.ndarray, k: int) -> Any:
        mass, first, second = (np.ascontiguousarray(moment[self.places[i], :k].T) for moment in self.moments)
        return piece.family.normal_stats(piece.params, tallies.copy(), mass, first, second)


def looked_up(family: Family, params: Any, block: Block, out: np.ndarray | None) -> np.ndarray | None:
    """``log_prob_block`` of a family of independent columns, by distinct values; None where rows are few or values many."""
    columns = _few_values(block)
    if columns is None:
        return None
    total: np.ndarray | None = None
    for j, coded in enumerate(columns):
        one = Piece(family, params, tuple(range(len(columns)))).alone(j)
        table = np.asarray(family.log_prob(one.params, coded.values[:, None]), dtype=np.float64)
        if total is None:
            total = np.take(table, coded.codes, axis=0, out=out, mode="clip")
        else:
            total += np.take(table, coded.codes, axis=0)
    return total


def tallied(family: Family, params: Any, block: Block, resp: np.ndarray) -> Any:
    """``stats_block``, likewise."""
    columns = _few_values(block)
    if columns is None:
        return None
    counts = [
        np.stack([np.bincount(coded.codes, weights=r, minlength=len(coded.values)) for r in np.asarray(resp).T], axis=1)
        for coded in columns
    ]
    return family.stats_of_values(params, [coded.values for coded in columns], counts)


def _few_values(block: Block) -> list[Coded] | None:
    """Every column coded, cut to the block's rows; None if some has more distinct values than a quarter of these."""
    if block.n < _FEW_ROWS:
        return None
    key = "few values"
    if key not in block.kept:
        coder, span = coder_of(block)
        found = [coder.column(j) for j in range(block.x.shape[1])]
        good = all(one is not None and 4 * len(one.values) <= block.n for one in found)
        block.kept[key] = [Coded(one.values, one.codes[span]) for one in found if one is not None] if good else None
    columns: list[Coded] | None = block.kept[key]
    return columns


class CodedPasses(Family):
    """Mixin of families whose columns are independent: their mixtures take the compiled pass where it is worth it."""

    def joint_pass(
        self, params: Any, log_weights: np.ndarray, block: Block, *, rows: bool = False, responsibilities: bool = False
    ) -> Pass:
        """By distinct values, where that is worth compiled code."""
        pieces = [Piece(self, params, tuple(range(block.x.shape[1])))]
        if not worth_it(pieces, len(log_weights), block):
            return self.plain_pass(params, log_weights, block, rows=rows, responsibilities=responsibilities)
        found, stats = coded_joint(pieces, params, log_weights, block, rows, responsibilities)
        found.stats = stats[0] if stats else None
        return found

    def log_prob_block(self, params: Any, block: Block, out: np.ndarray | None = None) -> np.ndarray:
        """By distinct values, where these are few: what an HMM's states emit."""
        found = looked_up(self, params, block, out)
        return super().log_prob_block(params, block, out) if found is None else found
