"""Which of the ways through the code data of some size take: NumPy or compiled."""

import numpy as np

from emkit import Block, Gaussian
from emkit.families.gaussian.road import road


def worth_compiling(n, k, d):
    """Whether complete Gaussian data of n rows and d columns, under k components, go through compiled code."""
    return road(Gaussian().null(k, d), Block(np.zeros((5, d)), source_rows=n))[1]
