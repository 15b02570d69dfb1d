"""Rows of AutoClass's own files, as estimators have rows."""

from collections.abc import Collection
from typing import Any

import numpy as np

from emkit.core.columns import Column, Columns
from emkit.core.errors import DataError
from emkit.data.rows import ArraySource
from emkit.selection.autoclass.files import AutoClassData


def rows_of_files(data: AutoClassData, like: Columns | None, unseen: str) -> ArraySource:
    """The cells of AutoClass's files, categories as numbers of the levels that they had in the fit.

    Raises DataError naming column and row for a level that is new, unless ``unseen`` is "missing".
    """
    x, items = np.full((len(data.columns[0]), len(data.columns)), np.nan), []
    known = {} if like is None else {column.name: column for column in like.items}
    for j, (name, cells, attribute) in enumerate(zip(data.names, data.columns, data.model.attributes, strict=True)):
        if attribute.kind != "discrete":
            x[:, j] = [np.nan if cell is None else cell for cell in cells]
            items.append(Column(name))
            continue
        former = known.get(name)
        levels = former.levels if former is not None and former.levels else tuple(sorted({c for c in cells if c is not None}))
        number = {level: i for i, level in enumerate(levels)}
        for row, cell in enumerate(cells):
            if cell is not None and cell in number:
                x[row, j] = number[cell]
            elif cell is not None and unseen != "missing":
                raise DataError(
                    f"column {name!r} row {row} is {cell!r}, a level that was not there in the fit; correct the cell, or say "
                    "unseen='missing'",
                    column=name, row=row, parameter="unseen",
                )  # fmt: skip
        items.append(Column(name, "category", levels))
    return ArraySource(x, columns=Columns(tuple(items)), checked=True)


def settings_of(settings: dict[str, Any], columns: Collection[str]) -> dict[str, Any]:
    """What files say of columns, of these columns alone; one that is left of several correlated ones stands for itself."""
    types: dict[Any, str] = {}
    for key, word in settings["types"].items():
        left = tuple(name for name in (key if isinstance(key, tuple) else (key,)) if name in columns)
        if len(left) > 1 or (left and not isinstance(key, tuple)):
            types[left if isinstance(key, tuple) else key] = word
        elif left:
            types[left[0]] = "log" if word.endswith("log") else "normal"
    others = {name: value for name, value in settings.items() if name != "types"}
    return {"types": types, **{name: {c: v for c, v in value.items() if c in columns} for name, value in others.items()}}
