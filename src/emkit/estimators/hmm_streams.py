"""What an HMM says of sequences that stay in files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.model import Infer, Model
from emkit.estimators.sequence_streaming import is_sequence_stream
from emkit.estimators.sequences_written import predict_sequences_to


class InFiles:
    """Methods of an ``HMM`` whose sequences are read block by block."""

    def predict_to(self: Any, X: Any, out: Any, *, prefix: str = "", on_error: str = "stop") -> int:
        """Write the rows with what ``table`` adds to them, as Parquet files in a folder, whatever the size of the data.

        Sequences are decoded as wholes, also where they go on from one file or row group to the next. The rows are read once;
        those of some sequences at a time are in memory, at least those of the longest one.

        Parameters
        ----------
        X : path, dataset, LazyFrame, memory-mapped array or stream
            As for ``fit``: the column ``sequence`` says which rows belong together. All its columns are written.
        out : path
            The folder, made if it is not there. Each part of the data becomes a file there with the same rows, called as the file
            it is of.
        prefix : str
            Put before the names of the added columns.
        on_error : {"stop", "skip"}
            What to do about a file or row group that cannot be read: raise, or leave it out, count its rows and warn, as if the
            rows were not there: what is left of a sequence is decoded as it is. It takes a further pass over the data.

        Returns
        -------
        int
            Rows written.

        Raises
        ------
        DataError, ParameterError
            Naming the sequence, or the file and row, of what the model cannot describe; for a sequence in two places; for a
            name that the data have already.
        """
        current = self._current()
        return predict_sequences_to(self, X, out, prefix, on_error, _Added(current.model, current.params))

    def table(self: Any, X: Any, lengths: Any = None) -> dict[str, np.ndarray]:
        """Columns that a prediction adds: ``state`` on the most probable path, and smoothed probabilities ``p0``, ``p1``, ..."""
        # Read once for both.
        found = self._again(X, lengths=lengths) if is_sequence_stream(X) else self._new(X, lengths)
        return columns_of(self.predict(found), self.predict_proba(found))


def over_blocks(
    source: Source, fill: Callable[[Block, np.ndarray], Any], shape: tuple[int, ...], dtype: Any, executor: Any
) -> tuple[np.ndarray, list[Any]]:
    """What ``fill`` writes for each block as one array (n, *shape), in the order of the rows; and what it returns."""
    out = np.empty((source.n_rows, *shape), dtype)

    def one(block: Block) -> tuple[np.ndarray, Any]:
        here = np.empty((block.n, *shape), dtype)
        return here, fill(block, here)

    at, values = 0, []
    for here, value in executor.map(one, source):
        out[at : at + len(here)] = here
        at += len(here)
        values.append(value)
    return out, values


def columns_of(states: np.ndarray, smoothed: np.ndarray) -> dict[str, np.ndarray]:
    """What a prediction adds: ``state``, (n,), and smoothed probabilities, (n, K), as ``p0``, ``p1``, ..."""
    return {"state": states, **{f"p{k}": p for k, p in enumerate(smoothed.T)}}


@dataclass(frozen=True)
class _Added:
    """The columns that a prediction adds to a block's rows."""

    model: Model
    params: Any

    def __call__(self, block: Block) -> dict[str, np.ndarray]:
        smoothed = Infer(self.model, self.params, "marginals")(block).marginals
        states = Infer(self.model, self.params, "mode")(block).mode
        assert smoothed is not None and states is not None
        return columns_of(states, smoothed.astype(np.asarray(block.x).dtype, copy=False))
