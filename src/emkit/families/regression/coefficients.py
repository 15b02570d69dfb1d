"""Coefficients of several components, some of which are the same in all of them: one free number each."""

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.parameters import Real


class Coefficients(Real):
    """Any numbers, (K,) or (K, q); of columns that are ``shared`` (q,) all K entries are equal.

    Coordinates: the free entries that are a component's own, row by row, then each free shared one, once.
    """

    def __init__(self, shared: tuple[bool, ...] = ()):
        self.shared = np.array(shared, dtype=bool)

    def _free(self, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Own entries that are free, (K, q), and shared columns that are, (q,)."""
        free = np.isnan(held if held.ndim > 1 else held[:, None])
        shared = self.shared if len(self.shared) else np.zeros(free.shape[1], dtype=bool)
        return free & ~shared, shared & free.any(axis=0)

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Given values of a shared coefficient agree, and are all components'."""
        out = np.array(value if value.ndim > 1 else value[:, None])
        for j in np.flatnonzero(self.shared):
            given = out[~np.isnan(out[:, j]), j]
            if len(given):
                if (given != given[0]).any():
                    raise ParameterError(f"{name} holds different values of a shared coefficient", parameter=parameter)
                out[:, j] = given[0]
        return out.reshape(value.shape)

    def n_free(self, held: np.ndarray) -> int:
        """A shared coefficient counts once."""
        own, shared = self._free(held)
        return int(own.sum()) + int(shared.sum())

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Own entries, then shared ones."""
        own, shared = self._free(held)
        table = np.asarray(value, dtype=np.float64).reshape(own.shape)
        return np.concatenate([table[own], table[0, shared]])

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``."""
        own, shared = self._free(held)
        out, n, m = np.array(held, dtype=np.float64).reshape(own.shape), int(own.sum()), int(shared.sum())
        out[own] = vector[:n]
        out[:, shared] = vector[n : n + m]
        return out.reshape(held.shape), n + m

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """A shared coefficient moves all components'."""
        own, shared = self._free(held)
        table = np.asarray(gradient).reshape(own.shape)
        return np.concatenate([table[own], table[:, shared].sum(axis=0)])

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """A shared coefficient is told of by all components."""
        return self.pull(information, value, held)
