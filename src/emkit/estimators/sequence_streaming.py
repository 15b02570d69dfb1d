"""Streams of sequences as estimators see them."""

from collections.abc import Iterator
from typing import Any

from emkit.core.block import Source
from emkit.core.columns import Columns
from emkit.core.errors import DataError, ParameterError
from emkit.data.sequence_stream import refuse_order, sequence_stream
from emkit.data.stream import Stream, is_stream
from emkit.estimators.streaming import told_by


def is_sequence_stream(X: Any) -> bool:
    """Whether sequences are read block by block; an iterator yields sequences, each of which is in memory."""
    return is_stream(X) and not isinstance(X, Iterator)


def read_sequence_stream(
    face: Any, X: Any, sample_weight: Any = None, like: Columns | None = None, *, lengths: Any = None, states: Any = None
) -> Source:
    """A Source of sequences that stay where they are; in memory after all if they are few, in a fit.

    Parameters
    ----------
    face : HMM
        Its ``sequence`` names the column that says which sequence a row belongs to; its ``n_jobs`` threads make the first pass.
    X : path, dataset, LazyFrame, memory-mapped array or Source
    sample_weight : str, optional
        The column of the weights, the same in all rows of a sequence.
    like : Columns, optional
        Those of the fit, for new sequences.
    lengths, states : None
        What goes with arrays only.

    Raises
    ------
    DataError, ParameterError
        Naming what cannot be used.
    """
    for name, value in (("lengths", lengths), ("states", states)):
        if value is not None:
            raise ParameterError(f"{name} beside a stream: give the sequences as arrays or data frames", parameter=name)
    if sample_weight is not None and (not isinstance(sample_weight, str) or isinstance(X, Source)):
        where = "a stream has the weights of its rows" if isinstance(X, Source) else "give the name of the column that holds them"
        raise ParameterError(f"sample_weight beside a stream: {where}", parameter="sample_weight")
    refuse_order(face.order)
    if isinstance(X, Source) and not isinstance(X, Stream):
        if next(iter(X)).lengths is None:
            raise DataError("these are rows without sequences; give a SequenceSource, or a stream with a sequence column")
        return X
    source = sequence_stream(X, face.sequence, sample_weight, like, face.unseen)
    if like is not None:
        return source
    source.rows.scan(face._executor().n_jobs, told_by(face))
    if not source.n_rows:
        raise DataError("found no sequence (0 rows)")
    source.rows.check_observed()
    return source.held()
