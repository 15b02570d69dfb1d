"""Rows of AutoClass's own files, as estimators have rows."""

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
