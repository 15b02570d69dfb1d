"""Priors of conditional probability tables."""

from dataclasses import dataclass

import numpy as np

from emkit.core.checks import number
from emkit.core.errors import ParameterError
from emkit.core.prior import Dirichlet


@dataclass(frozen=True)
class BDeu:
    """The same prior for equivalent graphs: ``sample_size`` pseudo-rows, spread evenly over the entries of every table.

    A table with q rows of r states gets sample_size / (q r) pseudo-counts in each entry, added to the counts as they are: with
    complete data the estimates are the posterior means that Heckerman, Geiger and Chickering (1995, Machine Learning 20, 197-243)
    have, and pgmpy and bnlearn report.

    Parameters
    ----------
    sample_size : float
        Above 0.
    """

    sample_size: float = 1.0

    def __post_init__(self) -> None:
        if not number(self.sample_size, "sample_size", "a number of pseudo-rows") > 0:
            raise ParameterError(f"BDeu(sample_size={self.sample_size!r}): give a number above 0", parameter="sample_size")

    def of_table(self, shape: tuple[int, ...]) -> Dirichlet:
        """The prior of a table of this shape."""
        return Dirichlet(np.full(shape, 1.0 + self.sample_size / float(np.prod(shape))))
