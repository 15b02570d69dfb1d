"""What ``emkit fit`` reads for an estimator: the rows of a file or of a stream, and what goes with them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emkit.cli.choosing import choose, columns_aside, families_of, numbers, split_names, with_keys
from emkit.cli.exits import Refusal
from emkit.cli.reading import DataFile
from emkit.cli.supervised import target_cells
from emkit.cli.talk import Talk


@dataclass(frozen=True)
class ToFit:
    """Rows, and what is known of them.

    Attributes
    ----------
    rows : pyarrow.Table or stream
    weights, labels : array of shape (n,), or None
    target : pyarrow.Table or None
        Of one column.
    """

    rows: Any
    weights: Any = None
    labels: Any = None
    target: Any = None


@dataclass(frozen=True)
class RowsToFit:
    """Where rows are and what their columns are for, as the options say; read once an estimator's settings are known.

    Parameters
    ----------
    file : DataFile
    columns : str, optional
        Names of those to fit, with commas between them.
    target, weights, labels : str, optional
        Names of columns with another purpose.
    cache : Path, optional
    on_error : str, optional
        Of streams.
    talk : Talk
    """

    file: DataFile
    columns: str | None
    target: str | None
    weights: str | None
    labels: str | None
    cache: Path | None
    on_error: str | None
    talk: Talk

    def read(self, estimator: Any, settings: dict[str, Any], types: dict[str, str] | None) -> ToFit:
        """The rows, and the estimator told of their columns' names and ``types``; ``settings``: those that the user gave."""
        from emkit.cli.streams import is_streamed

        wanted = None if self.columns is None else split_names(self.columns)
        if is_streamed(self.file.path, self.cache):
            return self._stream(estimator, wanted, types)
        return self._table(estimator, wanted, settings, types)

    def _stream(self, estimator: Any, wanted: list[str] | None, types: dict[str, str] | None) -> ToFit:
        from emkit.cli.streams import open_stream, refuse_beside

        file = self.file
        given = {"labels": self.labels, "target": self.target, "separator": file.separator, "decimal": file.decimal}
        refuse_beside(given, file.path)
        keys = [name for name in estimator.key_columns().values() if wanted is not None and name not in wanted]
        names = None if wanted is None else [*wanted, *keys]
        found = open_stream(file.path, names, self.weights, self.cache, self.on_error, self.talk)
        self._type(estimator, types, list(found.declared.columns.names))
        return ToFit(found)

    def _table(self, estimator: Any, wanted: list[str] | None, settings: dict[str, Any], types: dict[str, str] | None) -> ToFit:
        if self.on_error is not None:
            raise Refusal("--on-error is for streams: a folder, a pattern of files, or --cache")
        file = self.file
        table = file.read(say=self.talk.say)
        asked = {"weights": self.weights, "labels": self.labels, "target": self.target}
        aside, keys = columns_aside(estimator, table, file, **asked)
        estimator.set_params(**keys)
        weights, known = (numbers(table, aside[name], file) if name in aside else None for name in ("weights", "labels"))
        chosen = choose(table, wanted, aside, file, self.talk, estimator.takes_texts())
        of_file = estimator.settings_of_file(file.path, chosen)
        estimator.set_params(**{name: value for name, value in of_file.items() if name not in settings})
        self._type(estimator, types, chosen)
        target = None if self.target is None else target_cells(table, aside["target"], file.path)
        return ToFit(with_keys(table, chosen, keys, file), weights, known, target)

    def _type(self, estimator: Any, types: dict[str, str] | None, chosen: list[str]) -> None:
        """Give the estimator the families of columns that were asked for."""
        if types is not None:
            where, words = estimator.type_words()
            given = estimator.get_params(deep=False)[where] or {}
            estimator.set_params(**{where: {**given, **families_of(types, chosen, self.file, words)}})
