"""Inputs that are missing: their distribution given the observed ones, as points that stand for it.

The inputs are a mixture of Gaussians. Units are no polynomials, and where they are divided by their sum their expectation has no
closed form; so a row with holes is a small cloud of points, the same normal scores for every row, and what is expected of a
feature is its mean over them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from emkit.families.gaussian.conditional import given
from emkit.families.gaussian.missing import patterns
from emkit.families.gaussian.params import GaussianParams
from emkit.models.rbf.features import Array

POINTS = 64  # of a row with holes: an expectation is then good to about a hundredth of a standard deviation


@dataclass(frozen=True)
class Inputs:
    """A mixture of K Gaussians over d columns, in the user's units.

    ``weights`` (K,), ``means`` (K, d), ``covariances`` (K, d, d).
    """

    weights: Array
    means: Array
    covariances: Array

    def some(self, columns: npt.NDArray[np.intp]) -> Self:
        """The distribution of these columns alone."""
        places = np.asarray(columns, dtype=np.intp)
        return type(self)(self.weights, self.means[:, places], self.covariances[:, places[:, None], places])

    def fill(self, x: Array) -> Array:
        """Rows (n, d) with expected values in their holes."""
        return self._clouds(x)[0]

    def points(self, x: Array) -> Array:
        """Rows with holes (n, d) as points (n, POINTS, d): the observed cells as they are, the others drawn given them."""
        return self._clouds(x, True)[1]

    def _clouds(self, x: Array, wanted: bool = False) -> tuple[Array, Array]:
        params = GaussianParams(self.means, self.covariances)
        filled, clouds = np.array(x, dtype=float), np.empty((len(x) if wanted else 0, POINTS, x.shape[1]))
        if wanted:
            clouds[:] = filled[:, None]
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights)
        for observed, rows in patterns(~np.isnan(x)):
            missing = np.setdiff1d(np.arange(x.shape[1]), observed)
            if not len(missing):
                continue
            for found in given(params, log_weights, x[rows], missing.tolist()):
                here = rows[found.rows]
                filled[here[:, None], missing] = np.einsum("mk,kmq->mq", found.weights, found.means)
                if not wanted:
                    continue
                scores = normal_scores(len(missing))
                label = (np.cumsum(found.weights, axis=1)[:, None, :] <= scores[:, 0, None]).sum(axis=2)
                label = np.minimum(label, found.weights.shape[1] - 1)
                roots = _roots(found.covariances)
                cloud = np.take_along_axis(found.means.transpose(1, 0, 2), label[:, :, None], axis=1)
                cloud = cloud + np.einsum("mcqr,cr->mcq", roots[np.minimum(label, len(roots) - 1)], scores[:, 1:])
                clouds[here[:, None, None], np.arange(POINTS)[None, :, None], missing] = cloud
        return filled, clouds


@lru_cache(maxsize=64)
def normal_scores(q: int) -> Array:
    """A uniform number and q standard normal ones for each point, (POINTS, 1 + q): scrambled Sobol, mean 0 and variance 1."""
    uniform = qmc.Sobol(1 + q, scramble=True, rng=np.random.default_rng(5)).random(POINTS)
    normal = ndtri(np.clip(uniform[:, 1:], 1e-6, 1.0 - 1e-6))
    normal = (normal - normal.mean(axis=0)) / normal.std(axis=0)
    return np.column_stack([uniform[:, 0], normal])


def _roots(covariances: Array) -> Array:
    """Roots R of covariances RR', which may be singular to the last digit: symmetric ones of the correlations, in any units."""
    sds = np.sqrt(np.maximum(np.diagonal(covariances, axis1=1, axis2=2), 0.0))
    unit = np.where(sds > 0, sds, 1.0)
    values, vectors = np.linalg.eigh(covariances / (unit[:, :, None] * unit[:, None]))
    roots = np.einsum("kqr,kr,ksr->kqs", vectors, np.sqrt(np.maximum(values, 0.0)), vectors)
    return np.asarray(unit[:, :, None] * roots)
