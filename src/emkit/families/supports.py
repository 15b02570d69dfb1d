"""What a cell may be where columns have families of their own."""

from collections.abc import Sequence

import numpy as np

from emkit.core.family import Family
from emkit.core.support import Support


class SupportOfParts(Support):
    """Each part's support over its own columns; ``parts`` are the numbers of the columns, and the family of each."""

    def __init__(self, parts: Sequence[tuple[list[int], Family]]):
        self.parts = parts
        each = [family.support for _, family in parts]
        self.words = "; ".join(dict.fromkeys(support.words for support in each))  # type: ignore[misc]
        self.kinds = tuple(dict.fromkeys(kind for support in each for kind in support.kinds))  # type: ignore[misc]
        self.whole = all(support.whole for support in each)  # type: ignore[misc]
        self.signed = any(support.signed for support in each)  # type: ignore[misc]

    def holds(self, x: np.ndarray) -> np.ndarray:
        """As each part has it."""
        out = np.ones(x.shape, dtype=bool)
        for columns, family in self.parts:
            out[:, columns] &= family.support.holds(x[:, columns])
        return out

    def draw(self, rng: np.random.Generator, n: int, d: int) -> np.ndarray:
        """As each part has it."""
        out = np.empty((n, d))
        for columns, family in self.parts:
            out[:, columns] = family.draw(rng, n, len(columns)).x
        return out
