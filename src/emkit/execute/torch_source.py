"""Rows of a torch tensor as a Source: they stay on its device, and what is asked of them is worked out there, tile by tile."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from emkit.core.block import Block, Load, Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError
from emkit.core.summary import ColumnSummary, most_rows, rows_by_hash
from emkit.data.rows import ArraySource, as_columns
from emkit.data.validate import check_matrix, check_weights

_ROWS = 2**18  # of a block: its statistics come back to host memory once
_CELLS = 2**23  # of a tile, where columns are summarised


class TensorSource(Source):
    """Complete rows in a tensor, on whatever device.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        float32 and float64 stay as they are, without a copy; half precision becomes float32, anything else float64.
    weights : array or tensor of shape (n,), optional
        Nonnegative; weight 2 means the row twice.
    columns : Columns, or sequence of str, optional
    executor : TorchExecutor, optional
        Where E-steps run unless another one is asked for.

    Raises
    ------
    DataError
        Naming column and row of a cell that is missing or infinite; for devices without float64, in which sums are taken.
    """

    def __init__(self, x: Any, weights: Any = None, columns: Columns | Sequence[str] | None = None, executor: Any = None):
        import torch

        if x.ndim != 2 or not len(x) or x.is_complex() or x.is_sparse:  # refused in the usual words
            check_matrix(x.detach().cpu().to_dense().numpy())
        if x.device.type == "mps":
            raise DataError(f"{x.device} has no float64, in which sums are taken: give X.cpu()")
        kept = (torch.float32, torch.float64)
        half = x.dtype in (torch.float16, torch.bfloat16)
        self.x = x.detach() if x.dtype in kept else x.detach().to(torch.float32 if half else torch.float64)
        self.n_rows, self.columns, self._executor = len(x), as_columns(columns, x.shape[1]), executor
        self.weights, self.total_weight = None, float(self.n_rows)
        if weights is not None:
            given = weights.detach().cpu().numpy() if isinstance(weights, torch.Tensor) else weights
            found = np.asarray(check_weights(given, self.n_rows), dtype=np.float64)
            self.weights, self.total_weight = torch.as_tensor(found, device=x.device), float(found.sum())
        self._refuse_holes()
        bounds = np.linspace(0, self.n_rows, -(-self.n_rows // _ROWS) + 1).astype(np.int64).tolist()
        self._blocks = tuple(self._block(a, b) for a, b in pairwise(bounds))

    @property
    def usual_executor(self) -> Any:
        """Where the rows are."""
        return self._executor

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's float32 or float64."""
        return np.dtype(np.float32 if self.x.element_size() == 4 else np.float64)

    @property
    def width(self) -> Any:
        """As a type."""
        return self.dtype.type

    def parts(self) -> Sequence[Block]:
        """Blocks on the device."""
        return self._blocks

    def joined(self) -> Block:
        """Everything as one block, without a copy."""
        return self._block(0, self.n_rows)

    def loads(self, rows: int, seed: tuple[int, ...]) -> Sequence[Load]:
        """As of any rows in memory: each load is a sample of all of them."""
        many = max(1, min(round(self.n_rows / rows), self.n_rows))
        return [Load([self.joined()], (*seed, g), (g, many), seed) for g in range(many)]

    def sample(self, n: int, rng: np.random.Generator) -> Source:
        """At most ``n`` rows of positive weight, in host memory: those that would be drawn of a NumPy array."""
        weights = None if self.weights is None else self.weights.cpu().numpy()
        usable = np.arange(self.n_rows) if weights is None else np.flatnonzero(weights)
        if n < len(usable):
            usable = usable[np.sort(rng.choice(len(usable), n, replace=False))]
        return ArraySource(self._taken(usable), None if weights is None else weights[usable], self.columns, checked=True)

    @cached_property
    def summary(self) -> ColumnSummary:
        """Moments and ranges are taken on the device; some rows come here for quartiles."""
        import torch

        weight, mean = torch.full_like(self.x[0], self.total_weight, dtype=torch.float64), self.x[0].to(torch.float64)
        scatter = torch.zeros_like(mean)
        for _ in range(2):  # a second time about the mean itself: the first row may be an outlier
            pivot, first = mean, torch.zeros_like(mean)
            scatter = torch.zeros_like(mean)
            for x, w in self._tiles():
                centred = x.to(torch.float64) - pivot
                weighted = centred if w is None else centred * w[:, None]
                first, scatter = first + weighted.sum(0), scatter + (weighted * centred).sum(0)
            mean = pivot + first / weight
        scatter = scatter - first * first / weight
        ranges = [(*x.aminmax(dim=0), (x == x.floor()).all(0)) for x, _ in self._tiles()]
        low, high, whole = (torch.stack(each) for each in zip(*ranges, strict=True))
        rows, hashes = rows_by_hash(self.n_rows, most_rows(len(self.columns)))
        weights = None if self.weights is None else self.weights.cpu().numpy()[rows]
        moments = [a.cpu().numpy() for a in (weight, mean, scatter, low.amin(0).double(), high.amax(0).double(), whole.all(0))]
        return ColumnSummary(*moments, self._taken(rows), hashes, weights)  # type: ignore[call-arg]

    def _block(self, a: int, b: int) -> Block:
        weights = None if self.weights is None else self.weights[a:b]
        return Block(self.x[a:b], weights, start=a, source_rows=self.n_rows, columns=self.columns)

    def _taken(self, rows: np.ndarray) -> np.ndarray:
        """Some rows in host memory."""
        import torch

        found: np.ndarray = self.x.index_select(0, torch.from_numpy(rows).to(self.x.device)).cpu().numpy()
        return found

    def _tiles(self) -> Iterator[tuple[Any, Any]]:
        step = max(_CELLS // self.x.shape[1], 1)
        for a in range(0, self.n_rows, step):
            yield self.x[a : a + step], None if self.weights is None else self.weights[a : a + step]

    def _refuse_holes(self) -> None:
        """Raise DataError for the first cell that is infinite or missing."""
        row = 0
        for x, _ in self._tiles():
            if not bool(x.isfinite().all()):
                i, j = (~x.isfinite()).nonzero()[0].tolist()
                value, name = float(x[i, j]), self.columns.called(j)
                if np.isinf(value):
                    raise DataError(f"{name} row {row + i} is {value}; drop the row", column=self.columns[j].name, row=row + i)
                raise DataError(
                    f"{name} row {row + i} is missing (NaN), and rows on a device ({x.device}) must be complete: give X.cpu(), "
                    "which is fitted in host memory, or drop the row",
                    column=self.columns[j].name,
                    row=row + i,
                )
            row += len(x)
