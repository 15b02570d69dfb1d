"""What an expert must be able to do beside being a family: work with inputs of which only a normal distribution is known."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from emkit.core.family import Family


@dataclass(frozen=True)
class Completed:
    """What rows with missing inputs say, target and all.

    Attributes
    ----------
    stats : Stats
        The expert's.
    shift : array of shape (K, n, q)
        By how much the expected inputs move when the target is known too.
    spread : array of shape (K, q, q)
        Sums over rows of responsibilities times the covariance of the inputs, the target known.
    """

    stats: Any
    shift: np.ndarray
    spread: np.ndarray


class Expert(Family):
    """A distribution of a target given q inputs. Under component k, the inputs of row i are normal with mean ``means[k, i]``
    (K, n, q) and covariance ``covariances[k]`` (K, q, q), which is 0 for what is observed.
    """

    made_of_others = True  # no column's family by a word: it stands beside a gate

    @property
    @abstractmethod
    def inputs(self) -> tuple[int, ...]:
        """Which of the columns that it is shown it is regressed on."""

    @abstractmethod
    def integrated(self, params: Any, y: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Log density, or probability, of each target (n,) with the inputs integrated out, (n, K)."""

    @abstractmethod
    def completed(self, params: Any, y: np.ndarray, means: np.ndarray, covariances: np.ndarray, resp: np.ndarray) -> Completed:
        """What the E-step needs of these rows; ``resp`` (n, K) has the row weights multiplied in."""
