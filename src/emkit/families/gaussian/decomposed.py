"""Covariances in which volume, shape or orientation is common: S_k = volume_k D_k A_k D_k^T, |A_k| = 1.

Celeux and Govaert (1995), Pattern Recognition 28, 781-793, give the models and their M-steps; the letters of their names, for
volume, shape and orientation, are mclust's: E equal, V varying, I for axes along the columns. Where there is no closed form, an
M-step makes one pass of an alternation, each half of which is exact: it never lowers the expected log posterior.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from emkit.core.errors import ParameterError
from emkit.families.gaussian.frames import Frame, Rotated, Triangular, Upright, common_axes
from emkit.families.gaussian.shapes import Covariance, Shape

_NOTHING = 1e-13  # of all rows: a component with fewer keeps its covariance as far as the others let it
_SAME = 1e-4  # how far, in units of the covariance, a given one may be from the shape it should have


@dataclass(frozen=True)
class Decomposed(Shape, ABC):
    """A covariance structure with something in common.

    You implement ``best``, and say what is common. Arrays: scatter matrices or their diagonals ``w``, covariances ``old``, both
    (K, d, d) or (K, d); rows ``n`` (K,).
    """

    shared: bool = False
    pooled: bool = False
    matrix: bool = True

    apart: ClassVar[bool] = False
    name: ClassVar[str]
    one_volume: ClassVar[bool]
    one_shape: ClassVar[bool]
    one_frame: ClassVar[bool]
    frame: ClassVar[Frame]

    @abstractmethod
    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Covariances of this shape at which sum_k n_k log|S_k| + tr(w_k S_k^-1) is not above its value at ``old``."""

    @property
    def domain(self) -> "DecomposedCovariance":
        """Checks and coordinates."""
        return DecomposedCovariance(self)

    def estimate(self, scatter: np.ndarray, counts: np.ndarray, old: np.ndarray) -> np.ndarray:
        """The M-step: closed, or one pass from ``old``.

        A component that nothing belongs to counts as a vanishing part of a row spread as its covariance says.
        """
        n = counts.reshape(len(counts))
        if not n.any():
            return old
        empty = n <= _NOTHING * n.sum()
        if empty.any():
            few = np.where(empty, 1e-12 * n.sum(), 0.0)
            n, scatter = np.where(empty, few, n), np.where(_beside(empty, old), _beside(few, old) * old, scatter)
        with np.errstate(all="ignore"):  # what is not finite is a collapse, which the family reports
            try:
                new = self.best(scatter, n, old)
            except np.linalg.LinAlgError:
                new = np.full_like(old, np.nan)
        return np.asarray(0.5 * (new + np.swapaxes(new, 1, 2)) if new.ndim == 3 else new)


def _beside(per_component: np.ndarray, like: np.ndarray) -> np.ndarray:
    return per_component.reshape((-1,) + (1,) * (like.ndim - 1))


def _size(values: np.ndarray) -> np.ndarray:
    """Geometric means along the last axis."""
    return np.asarray(np.exp(np.log(values).mean(axis=-1)))


def _unit(values: np.ndarray) -> np.ndarray:
    """The same with product 1 along the last axis."""
    return values / _size(values)[..., None]


def _volume(matrices: np.ndarray) -> np.ndarray:
    """|S|^(1/d) of matrices (..., d, d)."""
    return np.asarray(np.exp(np.linalg.slogdet(matrices)[1] / matrices.shape[-1]))


def _axes(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of matrices, ascending, and their axes."""
    values, axes = np.linalg.eigh(w)
    return np.maximum(values, 0.0), axes


def _along(axes: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """D diag(variances) D^T."""
    return np.asarray((axes * variances[:, None, :]) @ np.swapaxes(axes, -1, -2))


class VEI(Decomposed):
    """Diagonal, own volumes: volume_k A."""

    name, one_volume, one_shape, one_frame, frame = "VEI", False, True, True, Upright()

    def __init__(self) -> None:
        super().__init__(matrix=False)

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Shape given the old volumes, then volumes."""
        shape = _unit((w / _size(old)[:, None]).sum(axis=0))
        return np.asarray(((w / shape).mean(axis=1) / n)[:, None] * shape)


class EVI(Decomposed):
    """Diagonal, equal volumes: volume A_k. Closed."""

    name, one_volume, one_shape, one_frame, frame = "EVI", True, False, True, Upright()

    def __init__(self) -> None:
        super().__init__(matrix=False)

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        sizes = _size(w)
        return np.asarray(w / sizes[:, None] * (sizes.sum() / n.sum()))


class VEE(Decomposed):
    """One matrix but for the volumes: volume_k C."""

    name, one_volume, one_shape, one_frame, frame = "VEE", False, True, True, Triangular()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """C given the old volumes, then volumes."""
        c = (w / _volume(old)[:, None, None]).sum(axis=0)
        c = c / _volume(c)
        volumes = np.sum(w * np.linalg.inv(c), axis=(1, 2)) / (n * w.shape[-1])
        return np.asarray(volumes[:, None, None] * c)


class EVV(Decomposed):
    """Own matrices of equal volume: volume C_k. Closed."""

    name, one_volume, one_shape, one_frame, frame = "EVV", True, False, False, Triangular()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        sizes = _volume(w)
        return np.asarray(w * (sizes.sum() / n.sum() / sizes)[:, None, None])


class EEV(Decomposed):
    """One ellipsoid, turned: volume D_k A D_k^T. Closed."""

    name, one_volume, one_shape, one_frame, frame = "EEV", True, True, False, Rotated()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter's own axes; their variances, in the same order, are pooled."""
        values, axes = _axes(w)
        return _along(axes, (values.sum(axis=0) / n.sum())[None])


class VEV(Decomposed):
    """One ellipsoid, scaled and turned: volume_k D_k A D_k^T."""

    name, one_volume, one_shape, one_frame, frame = "VEV", False, True, False, Rotated()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter's own axes; shape given the old volumes, then volumes."""
        values, axes = _axes(w)
        shape = _unit((values / _volume(old)[:, None]).sum(axis=0))
        return _along(axes, ((values / shape).mean(axis=1) / n)[:, None] * shape)


class _OneOrientation(Decomposed):
    """Axes in common: D diag(a_k) D^T.

    An M-step is: variances along the old axes; axes turned in the plane of each two, once; variances along these. Given the
    variances, tr(w_k S_k^-1) summed over k changes in the plane of axes j and l as u^T M u does, M = sum_k (1/a_kj - 1/a_kl) w_k,
    where u is the new axis j: the best is the eigenvector of the smaller eigenvalue of a symmetric 2 x 2 matrix. Such sweeps have no
    step size and end in fewer EM iterations than the majorisation of Browne and McNicholas (2014), Advances in Data Analysis and
    Classification 8, 217-226. Rotations in planes are those of Flury and Gautschi (1986), SIAM J. Scientific and Statistical
    Computing 7, 169-184.
    """

    one_shape, one_frame, frame = False, True, Rotated()

    @abstractmethod
    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The best ones (K, d) for scatter ``along`` (K, d) the axes."""

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """One sweep."""
        axes = common_axes(old)[0]
        turned = axes.T @ w @ axes
        inverse = 1.0 / self.variances(np.diagonal(turned, axis1=1, axis2=2), n)
        d = w.shape[-1]
        for j in range(d - 1):
            for other in range(j + 1, d):
                _turn(axes, turned, inverse[:, j] - inverse[:, other], j, other)
        return _along(axes[None], self.variances(np.diagonal(turned, axis1=1, axis2=2), n))


def _turn(axes: np.ndarray, turned: np.ndarray, g: np.ndarray, j: int, other: int) -> None:
    """Turn axes ``j`` and ``other`` in their plane to where sum_k g_k (turned_k)_jj is smallest; both arrays are changed."""
    across = float(g @ turned[:, j, other])
    apart = float(g @ (turned[:, other, other] - turned[:, j, j]))
    angle = 0.5 * np.arctan2(-2.0 * across, apart)
    if not angle:
        return
    c, s = float(np.cos(angle)), float(np.sin(angle))
    pair, rotation = [j, other], np.array([[c, -s], [s, c]])
    axes[:, pair] = axes[:, pair] @ rotation
    turned[:, :, pair] = turned[:, :, pair] @ rotation
    turned[:, pair] = rotation.T @ turned[:, pair]


class EVE(_OneOrientation):
    """Equal volumes, axes in common: volume D A_k D^T."""

    name, one_volume = "EVE", True

    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        sizes = _size(along)
        return np.asarray(along * (sizes.sum() / n.sum() / sizes)[:, None])


class VVE(_OneOrientation):
    """Axes in common: volume_k D A_k D^T."""

    name, one_volume = "VVE", False

    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Scatter over rows."""
        return along / n[:, None]


class DecomposedCovariance(Covariance):
    """Covariances of a decomposed shape: all held or all free.

    Coordinates: logarithms of volumes; those of the first d - 1 entries of each A, or of the triangular factor's diagonal; entries of
    the triangular factor or angles of the axes (see ``emkit.families.gaussian.frames``). What is common comes once, so that there
    are as many as Celeux and Govaert count. Information is given as the scatter behind a covariance, prior included.
    """

    shape: Decomposed

    def check(self, value: np.ndarray, name: str, parameter: str) -> np.ndarray:
        """Positive definite, all given or none, and of the shape."""
        missing = np.isnan(value)
        if missing.all():
            return value
        if missing.any():
            raise ParameterError(
                f"{name}: covariances of the type {self.shape.name} have parts in common, so they are held all together or not "
                "at all: give every entry",
                parameter=parameter,
            )
        super().check(value, name, parameter)
        near = self.shape.estimate(value, np.ones((len(value),) + (1,) * (value.ndim - 1)), value)
        spread = np.sqrt(value if value.ndim == 2 else np.diagonal(value, axis1=1, axis2=2))
        unit = spread**2 if value.ndim == 2 else spread[:, :, None] * spread[:, None, :]
        off = np.abs(near - value) / unit
        if not off.max() <= _SAME:
            raise ParameterError(
                f"{name}: these covariances are not of the type {self.shape.name} ({(self.shape.__doc__ or '').splitlines()[0]}): "
                f"the nearest ones that are differ by {off.max():.2g} of the variances",
                parameter=parameter,
            )
        return value

    def _forms(self, held: np.ndarray) -> tuple[int, int, int, int]:
        """How many volumes, shapes and frames are free, and coordinates of a frame."""
        k = len(held) if np.isnan(held).any() else 0
        ones = (min(k, 1) if one else k for one in (self.shape.one_volume, self.shape.one_shape, self.shape.one_frame))
        volumes, shapes, frames = ones
        return volumes, shapes, frames, self.shape.frame.size(held.shape[-1])

    def n_free(self, held: np.ndarray) -> int:
        """As Celeux and Govaert (1995, table 1) count them."""
        volumes, shapes, frames, size = self._forms(held)
        return volumes + shapes * (held.shape[-1] - 1) + frames * size

    def pack(self, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """Volumes, shapes, frames."""
        if not np.isnan(held).any():
            return np.zeros(0)
        logs, frames = self.shape.frame.split(value, self.shape.one_frame)
        volumes = logs.mean(axis=1, keepdims=True)
        shapes = logs - volumes
        volumes = volumes.mean(keepdims=True) if self.shape.one_volume else volumes
        shapes = shapes.mean(axis=0, keepdims=True) if self.shape.one_shape else shapes
        return np.concatenate([volumes.ravel(), shapes[:, :-1].ravel(), frames.ravel()])

    def _parts(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms (K, d) and frames' coordinates (F, m) from coordinates."""
        volumes, shapes, frames, size = self._forms(held)
        k, d = len(held), held.shape[-1]
        first, rest = vector[:volumes].reshape(-1, 1), vector[volumes : volumes + shapes * (d - 1)].reshape(shapes, d - 1)
        begin = volumes + shapes * (d - 1)
        inner = np.concatenate([rest, -rest.sum(axis=1, keepdims=True)], axis=1)
        return np.broadcast_to(first + inner, (k, d)), vector[begin : begin + frames * size].reshape(frames, size)

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``."""
        if not np.isnan(held).any():
            return np.array(held, dtype=np.float64), 0
        logs, frames = self._parts(np.asarray(vector), held)
        return self.shape.frame.build(logs, frames), self.n_free(held)

    def _gathered(self, of_logs: np.ndarray, of_frames: np.ndarray, sign: float) -> np.ndarray:
        """What is said of each component's logarithms (K, d) and frame (K, m), as of the coordinates: what is common adds up."""
        volumes, shapes = of_logs.sum(axis=1), of_logs[:, :-1] + sign * of_logs[:, -1:]
        parts = ((volumes, self.shape.one_volume), (shapes, self.shape.one_shape), (of_frames, self.shape.one_frame))
        return np.concatenate([(part.sum(axis=0) if one else part).ravel() for part, one in parts])

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """By the chain rule; see ``emkit.families.gaussian.frames``."""
        if not np.isnan(held).any():
            return np.zeros(0)
        logs, frames = self._parts(self.pack(value, held), held)
        return self._gathered(*self.shape.frame.pull(gradient, logs, frames), -1.0)

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """``information`` is the scatter behind each covariance."""
        if not np.isnan(held).any():
            return np.zeros(0)
        logs, frames = self._parts(self.pack(value, held), held)
        return self._gathered(*self.shape.frame.information(information, logs, frames), 1.0)
