"""Which of the two ways through the code data of some size take: NumPy or compiled."""

import numpy as np

from emkit import Block, Gaussian
from emkit.families.gaussian.family import _worth


def worth_compiling(n, k, d):
    """Whether complete Gaussian data of n rows and d columns, under k components, go through compiled code."""
    return _worth(Gaussian().null(k, d), Block(np.empty((n, d))))
