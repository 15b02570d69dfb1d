"""Numbers of which only differences between components matter."""

import numpy as np

from emkit.core.errors import ParameterError
from emkit.core.parameters import Real


class Contrasts(Real):
    """Any numbers, (K,) or (K, c), whose sum over the components is 0; a column is held whole or free.

    What is given is centred. Coordinates: each free column's differences from the last component.
    """

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Each column is given whole, or not at all."""
        missing = np.isnan(value)
        if (missing.any(axis=0) & ~missing.all(axis=0)).any():
            raise ParameterError(f"{name}: the values of all components are held together, or none", parameter=parameter)
        middle = value.mean(axis=0)
        exact = np.abs(middle) <= 1e-15 * np.abs(value).max(axis=0)  # reading twice changes nothing
        return np.asarray(value - np.where(exact, 0.0, middle))

    def _free(self, held: np.ndarray) -> np.ndarray:
        return np.isnan(held if held.ndim > 1 else held[:, None]).all(axis=0)

    def n_free(self, held: np.ndarray) -> int:
        """One less than there are components, for each free column."""
        return (len(held) - 1) * int(self._free(held).sum())

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Differences from the last component, row by row."""
        table = np.asarray(value, dtype=np.float64).reshape(len(held), -1)[:, self._free(held)]
        return np.asarray((table[:-1] - table[-1]).ravel())

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``."""
        free, used = self._free(held), self.n_free(held)
        out = np.array(held, dtype=np.float64).reshape(len(held), -1)
        table = np.zeros((len(held), int(free.sum())))
        table[:-1] = np.asarray(vector[:used]).reshape(len(held) - 1, -1) if used else 0.0
        out[:, free] = table - table.mean(axis=0)
        return out.reshape(held.shape), used

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """A difference moves its component up, and all of them down to the mean."""
        table = np.asarray(gradient).reshape(len(held), -1)[:, self._free(held)]
        return np.asarray((table - table.mean(axis=0))[:-1].ravel())

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """As of the entries: what is added to all components alike changes no probability."""
        table = np.asarray(information).reshape(len(held), -1)[:, self._free(held)]
        return np.asarray(table[:-1].ravel())
