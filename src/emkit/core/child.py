"""The parts that a declaration is made of: families within models and within families."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Child:
    """A part with parameters of its own.

    Attributes
    ----------
    field : str
        Of the owner's Params and Stats, in which the part's stands; "parts.2" is entry 2 of the tuple ``parts``.
    name : str
        The owner's field that holds the part.
    count : callable
        From the owner's number of components to the part's.
    order : callable
        From an order of the owner's components to that of the part's. Raises ParameterError if they cannot be relabelled.
    """

    field: str
    name: str
    count: Callable[[int], int] = _same
    order: Callable[[np.ndarray], np.ndarray] = _same

    def of(self, record: Any) -> Any:
        """The part's own in a record of the owner: Params or Stats."""
        for step in self.field.split("."):
            record = record[int(step)] if step.isdigit() else getattr(record, step)
        return record
