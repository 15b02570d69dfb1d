"""A model file and the data to use it on, opened together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emkit.cli.choosing import columns_aside, numbers, rows_for
from emkit.cli.estimators import for_new_data, open_model
from emkit.cli.reading import DataFile, find_columns
from emkit.cli.streams import is_streamed, refuse_beside
from emkit.cli.supervised import refuse_labels, target_cells
from emkit.cli.talk import Talk


@dataclass(frozen=True)
class Opened:
    """A fitted model, and a table whose columns it knows.

    Attributes
    ----------
    fitted : estimator
    table : pyarrow.Table
        All of the file.
    rows
        Of the table, the columns that the model was fitted to, in its order.
    """

    fitted: Any
    table: Any
    rows: Any


def open_both(model: Path, file: DataFile, talk: Talk, gaps: str | None, unseen: str | None, sequence: str | None = None) -> Opened:
    """The model, told what ``--gaps``, ``--unseen`` and ``--sequence`` say of new data, and the rows of the file."""
    fitted, table = _open(model, file, talk, gaps, unseen, sequence)
    return Opened(fitted, table, rows_for(fitted, table, file, model))


@dataclass(frozen=True)
class OpenedFit:
    """A fitted model, and the data of its fit with all that ``fit`` was told of them.

    Attributes
    ----------
    fitted : estimator
    rows
        The columns that the model was fitted to, in its order.
    weights, labels : array of shape (n,), or None
    target : pyarrow.Table or None
        Of one column.
    """

    fitted: Any
    rows: Any
    weights: Any
    labels: Any
    target: Any

    @property
    def aside(self) -> dict[str, Any]:
        """What there is beside the rows, in the estimator's words."""
        found = {"sample_weight": self.weights, self.fitted.labels_word: self.labels, "y": self.target}
        return {name: values for name, values in found.items() if values is not None}


def open_fit(model: Path, file: DataFile, talk: Talk, unseen: str | None, *, weights: str | None, labels: str | None) -> OpenedFit:
    """The model and the data that it was fitted to; ``weights`` and ``labels`` name columns of the file.

    Rows that stay in files are their path, and their weights a column's name: the estimator reads both.
    """
    if is_streamed(file.path):
        fitted, _ = open_model(model)
        for_new_data(fitted, None, unseen)
        given = {"labels": labels, "target": fitted.target_column(), "separator": file.separator, "decimal": file.decimal}
        refuse_beside(given, file.path)
        return OpenedFit(fitted, str(file.path), weights, None, None)
    fitted, table = _open(model, file, talk, None, unseen)
    target = fitted.target_column()
    if target is not None:
        refuse_labels(f"a {type(fitted).__name__}", labels)
    aside, _ = columns_aside(fitted, table, file, weights=weights, labels=labels)
    row_weights, known = (numbers(table, aside[name], file) if name in aside else None for name in ("weights", "labels"))
    rows, cells = rows_for(fitted, table, file, model), None
    if target is not None:
        cells = target_cells(table, find_columns(table.column_names, [target], file.path)[0], file.path)
    return OpenedFit(fitted, rows, row_weights, known, cells)


def _open(
    model: Path, file: DataFile, talk: Talk, gaps: str | None, unseen: str | None, sequence: str | None = None
) -> tuple[Any, Any]:
    fitted, _ = open_model(model)
    for_new_data(fitted, gaps, unseen, sequence)
    return fitted, file.read(say=talk.say)
