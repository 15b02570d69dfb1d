"""Linear experts: a target that is normal about a line, also where inputs are missing."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Source
from emkit.core.selected import SelectedColumns
from emkit.families.experts.expert import Completed, Expert
from emkit.families.regression.configuration import RegressionParams
from emkit.families.regression.family import Regression
from emkit.families.regression.frame import Cells
from emkit.families.regression.quadratic import Quadratic

_LOG_2PI = float(np.log(2.0 * np.pi))
CONSTANT = 1e-140
"""The variance of a target that has one value: of a size whose inverse can be squared."""


@dataclass(frozen=True)
class LinearExpert(Regression, Expert):
    """A regression with a normal response as an expert: ``on=()`` is a constant one.

    Parameters as for ``Regression``. In ``Experts`` missing inputs are integrated out; alone, they count as average ones. A
    constant target has experts that are held at it.
    """

    @classmethod
    def examples(cls) -> list[Self]:
        """Linear; with values held; without priors and with one variance."""
        return [cls(), cls(fixed={"coefficients": [[np.nan], [0.5]]}), cls(ridge=0.0, prior=None, shared_variance=True)]

    @property
    def inputs(self) -> tuple[int, ...]:
        """The covariates."""
        return self.known[0].on

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """None."""
        return ()

    def check(self, source: Source) -> None:
        """Of the response alone."""
        self.kind.support.check(SelectedColumns(source, (self._there(source.columns).target,)))

    def ready(self, source: Source, k: int) -> Self:
        """Holds experts at a target that has one value."""
        places = self._there(source.columns)
        summary, y = source.summary, places.target
        if summary.low[y] == summary.high[y] and not self.fixed:
            held = {"intercepts": np.full(k, summary.low[y]), "coefficients": np.zeros((k, len(places.on)))}
            variances = np.full(1 if self.shared_variance else k, CONSTANT)
            return super(LinearExpert, replace(self, fixed={**held, "variances": variances})).ready(source, k)
        return super().ready(source, k)

    def _cells(self, x: Any) -> Cells:
        places, frame = self.known
        x, on = np.array(x, dtype=np.float64), list(places.on)
        x[:, on] = np.where(np.isnan(x[:, on]), frame.centre, x[:, on])
        return Cells.of(x, places, frame)

    def embed(self, x: Any) -> np.ndarray:
        """The standardised target: the inputs are the gate's."""
        return self._embedded_response(np.asarray(x, dtype=np.float64))

    # --- with missing inputs ------------------------------------------------------------------------------------------

    def predicted(self, params: RegressionParams, means: np.ndarray, covariances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the target under each component, (n, K) each: a + b'm, and v + b'C b."""
        b = params.coefficients
        mean = params.intercepts + np.einsum("knq,kq->nk", means, b)
        own = np.broadcast_to(np.asarray(params.variances), params.intercepts.shape)
        own = np.where(own <= CONSTANT, 0.0, own)
        return mean, np.broadcast_to(own + np.einsum("kq,kqr,kr->k", b, covariances, b), mean.shape)

    def integrated(self, params: RegressionParams, y: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
        """Normal."""
        mean, variance = self.predicted(params, means, covariances)
        variance = np.maximum(variance, CONSTANT)
        return np.asarray(-0.5 * (_LOG_2PI + np.log(variance) + (y[:, None] - mean) ** 2 / variance))

    def completed(
        self, params: RegressionParams, y: np.ndarray, means: np.ndarray, covariances: np.ndarray, resp: np.ndarray
    ) -> Completed:
        """The target tells of the missing inputs by one step of a Kalman filter, with gain C b / (v + b'C b)."""
        frame, b = self.known[1], params.coefficients
        mean, variance = self.predicted(params, means, covariances)
        pulled = np.einsum("kqr,kr->kq", covariances, b)
        size = np.maximum(variance[0], CONSTANT)
        shift = ((y[:, None] - mean) / size).T[:, :, None] * pulled[:, None, :]
        left = covariances - pulled[:, :, None] * pulled[:, None, :] / size[:, None, None]
        spread = resp.sum(axis=0)[:, None, None] * left

        pivot, (k, n, q) = self._standard(params), means.shape
        z = np.ones((k, n, 1 + q))
        z[:, :, 1:] = (means + shift - frame.centre) / frame.scale
        about = np.zeros((k, 1 + q, 1 + q))
        about[:, 1:, 1:] = spread / (frame.scale[:, None] * frame.scale)
        weighted, e = resp.T[:, :, None] * z, y - np.einsum("knp,kp->kn", z, pivot)
        bends = np.matmul(np.swapaxes(weighted, 1, 2), z) + about
        tied = np.einsum("kpr,kr->kp", about, pivot)
        slope = np.einsum("knp,kn->kp", weighted, e) - tied
        square = (resp.T * e * e).sum(axis=1) + np.einsum("kp,kp->k", tied, pivot)
        return Completed(Quadratic(resp.sum(axis=0), bends, slope, square, pivot), shift, spread)
