"""From what a user says of the columns of a table to a family."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.estimators.emissions import emissions, word_of
from emkit.families.bernoulli import Bernoulli
from emkit.families.categorical import Categorical
from emkit.families.gaussian.family import Gaussian
from emkit.families.per_column import PerColumn
from emkit.families.poisson import Poisson

_INFERRED: dict[str, Family] = {"real": Gaussian("diag"), "count": Poisson(), "binary": Bernoulli(), "category": Categorical()}


def table_family(asked: Any, columns: Columns | None) -> Family:
    """The family of a table.

    Parameters
    ----------
    asked : Family, str, mapping or None
        For all columns, or for each by its name or number, or a tuple of several that share one; columns that are not named, and
        all of them with None, get a family by their kind: Gaussian, Poisson, Bernoulli or Categorical.
    columns : Columns or None
        The schema, with kinds as ``emkit.data.kinds.refined`` tells them apart; None where there are no data.

    Raises
    ------
    ParameterError
        For a family that there is not.
    """
    if isinstance(asked, Family):
        return asked
    if isinstance(asked, str):
        return _named(asked)
    if asked is not None and not isinstance(asked, Mapping):
        raise ParameterError(
            f"family={asked!r}: give a family, the name of one, or a mapping from columns to families", parameter="family"
        )
    given = {} if asked is None else {key: _of_columns(key, value) for key, value in asked.items()}
    if columns is None:
        return PerColumn(given) if given else _INFERRED["real"]
    taken = {_place(columns, column) for key in given for column in (key if isinstance(key, tuple) else (key,))}
    by_kind: dict[str, list[int]] = {}
    for j, column in enumerate(columns.items):
        if j not in taken:
            by_kind.setdefault(_kind(column), []).append(j)
    if not given and len(by_kind) == 1:
        return _INFERRED[next(iter(by_kind))]
    inferred = {_key(columns, places): _INFERRED[kind] for kind, places in by_kind.items()}
    return PerColumn({**given, **inferred})


def categories(asked: Any, columns: Columns) -> list[int]:
    """Numbers of the columns that are to be categorical, if nothing says how many symbols they have."""
    if isinstance(asked, PerColumn):
        asked = {part.columns: part.family for part in asked.parts}
    if not isinstance(asked, Mapping):
        asked = {tuple(range(len(columns))): asked}
    found = []
    for key, family in asked.items():
        open_ended = isinstance(family, Categorical) and family.n_categories is None and not family.has_values
        if open_ended or (isinstance(family, str) and word_of(family, emissions()) == "categorical"):
            found += [_place(columns, column) for column in (key if isinstance(key, tuple) else (key,))]
    return [j for j in found if 0 <= j < len(columns)]


def _kind(column: Column) -> str:
    return "category" if column.levels is not None else column.kind


def _key(columns: Columns, places: list[int]) -> tuple[Any, ...]:
    return tuple(columns[j].name if columns.named else j for j in places)


def _place(columns: Columns, column: Any) -> int:
    """The column's number; -1 if there is none: the family says so, with the columns that there are."""
    if columns.named and column in columns.names:
        return columns.names.index(column)
    return int(column) if isinstance(column, int | np.integer) else -1


def _of_columns(columns: Any, asked: Any) -> Family:
    """A family, or the one of that name; of a single column that is normal there is nothing to correlate."""
    if isinstance(asked, Family):
        return asked
    found = _named(asked)
    return _INFERRED["real"] if isinstance(found, Gaussian) and not isinstance(columns, tuple) else found


def _named(word: Any) -> Family:
    known = emissions()
    word = word_of(word, known)
    if not isinstance(word, str) or word not in known:
        raise ParameterError(
            f"family {word!r} is unknown: choose one of {', '.join(map(repr, known))}, or give a Family", parameter="family"
        )
    return known[word]()
