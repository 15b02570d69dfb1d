"""Covariances in which volume, shape or orientation is common: S_k = volume_k D_k A_k D_k^T, |A_k| = 1.

Celeux and Govaert (1995), Pattern Recognition 28, 781-793, give the models and their M-steps; the letters of their names, for
volume, shape and orientation, are mclust's: E equal, V varying, I for axes along the columns. Where there is no closed form, an
M-step makes one pass of an alternation, each half of which is exact: it never lowers the expected log posterior.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from emkit.core.errors import ParameterError
from emkit.families.gaussian.frames import Frame, Rotated, Triangular, Upright, common_axes
from emkit.families.gaussian.shapes import Covariance, Shape

_NOTHING = 1e-13  # of all rows: a component with fewer keeps its covariance as far as the others let it
_FEW = 1e-12  # of all rows, that it then counts as
_SAME = 1e-4  # how far, in units of the covariance, a given one may be from the shape it should have


@dataclass(frozen=True)
class Decomposed(Shape, ABC):
    """A covariance structure with something in common.

    You implement ``best``, and say what is common. Arrays are those of S mixtures side by side: scatter matrices or their diagonals
    ``w``, covariances ``old``, both (S, K, d, d) or (S, K, d); rows ``n`` (S, K).

    Attributes
    ----------
    group : int
        K, where arrays may hold the components of several mixtures, those of the first one first; 0: they are all of one.
    """

    shared: bool = False
    pooled: bool = False
    matrix: bool = True
    group: int = 0

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

    def of(self, k: int) -> "Decomposed":
        """The same for mixtures of ``k`` components."""
        return replace(self, group=k)

    def mixtures(self, n: int) -> int:
        """How many mixtures ``n`` components are."""
        return n // self.group if self.group and n % self.group == 0 else min(n, 1)

    def estimate(self, scatter: np.ndarray, counts: np.ndarray, old: np.ndarray) -> np.ndarray:
        """The M-step: closed, or one pass from ``old``.

        A component that nothing belongs to counts as a vanishing part of a row spread as its covariance says; where nothing belongs
        to any, ``old`` stays.
        """
        s = self.mixtures(len(old))
        n, w, now = counts.reshape(s, -1), scatter.reshape(s, -1, *old.shape[1:]), old.reshape(s, -1, *old.shape[1:])
        total = n.sum(axis=1, keepdims=True)
        empty = n <= _NOTHING * total
        if empty.any():
            few = np.where(empty, np.where(total > 0, _FEW * total, 1.0), n)
            w, n = np.where(_beside(empty, w), _beside(few, w) * now, w), few
        with np.errstate(all="ignore"):  # what is not finite is a collapse, which the family reports
            try:
                new = self.best(w, n, now)
            except np.linalg.LinAlgError:
                new = np.full_like(now, np.nan)
        if empty.any():
            new = np.where(_beside(total > 0, new), new, now)
        new = new.reshape(old.shape)
        return np.asarray(0.5 * (new + np.swapaxes(new, 1, 2)) if new.ndim == 3 else new)


def _beside(per_component: np.ndarray, like: np.ndarray) -> np.ndarray:
    """With axes of length 1 for the columns of ``like``."""
    return per_component.reshape(per_component.shape + (1,) * (like.ndim - per_component.ndim))


def _size(values: np.ndarray) -> np.ndarray:
    """Geometric means along the last axis."""
    return np.asarray(np.exp(np.log(values).mean(axis=-1)))


def _unit(values: np.ndarray) -> np.ndarray:
    """The same with product 1 along the last axis."""
    return values / _size(values)[..., None]


def _volume(matrices: np.ndarray) -> np.ndarray:
    """|S|^(1/d) of matrices (..., d, d)."""
    return np.asarray(np.exp(np.linalg.slogdet(matrices)[1] / matrices.shape[-1]))


def _to_one_volume(sizes: np.ndarray, n: np.ndarray) -> np.ndarray:
    """By what each scatter of ``sizes`` (S, K) is multiplied to have the best common volume, sum of sizes over rows."""
    return np.asarray((sizes.sum(axis=1) / n.sum(axis=1))[:, None] / sizes)


def _axes(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of matrices, ascending, and their axes."""
    values, axes = np.linalg.eigh(w)
    return np.maximum(values, 0.0), axes


def _along(axes: np.ndarray, variances: np.ndarray) -> np.ndarray:
    """D diag(variances) D^T."""
    return np.asarray((axes * variances[..., None, :]) @ np.swapaxes(axes, -1, -2))


@dataclass(frozen=True)
class VEI(Decomposed):
    """Diagonal, own volumes: volume_k A."""

    matrix: bool = False
    name, one_volume, one_shape, one_frame, frame = "VEI", False, True, True, Upright()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Shape given the old volumes, then volumes."""
        shape = _unit((w / _size(old)[..., None]).sum(axis=1))[:, None]
        return np.asarray(((w / shape).mean(axis=2) / n)[..., None] * shape)


@dataclass(frozen=True)
class EVI(Decomposed):
    """Diagonal, equal volumes: volume A_k. Closed."""

    matrix: bool = False
    name, one_volume, one_shape, one_frame, frame = "EVI", True, False, True, Upright()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        return w * _to_one_volume(_size(w), n)[..., None]


class VEE(Decomposed):
    """One matrix but for the volumes: volume_k C."""

    name, one_volume, one_shape, one_frame, frame = "VEE", False, True, True, Triangular()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """C given the old volumes, then volumes."""
        c = (w / _volume(old)[..., None, None]).sum(axis=1, keepdims=True)
        c = c / _volume(c)[..., None, None]
        volumes = np.sum(w * np.linalg.inv(c), axis=(2, 3)) / (n * w.shape[-1])
        return np.asarray(volumes[..., None, None] * c)


class EVV(Decomposed):
    """Own matrices of equal volume: volume C_k. Closed."""

    name, one_volume, one_shape, one_frame, frame = "EVV", True, False, False, Triangular()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        return w * _to_one_volume(_volume(w), n)[..., None, None]


class EEV(Decomposed):
    """One ellipsoid, turned: volume D_k A D_k^T. Closed."""

    name, one_volume, one_shape, one_frame, frame = "EEV", True, True, False, Rotated()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter's own axes; their variances, in the same order, are pooled."""
        values, axes = _axes(w)
        return _along(axes, (values.sum(axis=1) / n.sum(axis=1, keepdims=True))[:, None])


class VEV(Decomposed):
    """One ellipsoid, scaled and turned: volume_k D_k A D_k^T."""

    name, one_volume, one_shape, one_frame, frame = "VEV", False, True, False, Rotated()

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """Each scatter's own axes; shape given the old volumes, then volumes."""
        values, axes = _axes(w)
        shape = _unit((values / _volume(old)[..., None]).sum(axis=1))[:, None]
        return _along(axes, ((values / shape).mean(axis=2) / n)[..., None] * shape)


class _OneOrientation(Decomposed):
    """Axes in common: D diag(a_k) D^T.

    An M-step is: variances along the old axes; axes turned in the plane of each two, once; variances along these. Given the
    variances, tr(w_k S_k^-1) summed over k changes in the plane of axes j and l as u^T M u does, M = sum_k (1/a_kj - 1/a_kl) w_k,
    where u is the new axis j: the best is the eigenvector of the smaller eigenvalue of a symmetric 2 x 2 matrix. Such sweeps have
    no step size and end in fewer EM iterations than the majorisation of Browne and McNicholas (2014), Advances in Data Analysis and
    Classification 8, 217-226. Rotations in planes are those of Flury and Gautschi (1986), SIAM J. Scientific and Statistical
    Computing 7, 169-184.
    """

    one_shape, one_frame, frame = False, True, Rotated()

    @abstractmethod
    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """The best ones (S, K, d) for scatter ``along`` (S, K, d) the axes."""

    def best(self, w: np.ndarray, n: np.ndarray, old: np.ndarray) -> np.ndarray:
        """One sweep."""
        axes = common_axes(old)[0]
        turned = np.swapaxes(axes, 1, 2)[:, None] @ w @ axes[:, None]
        inverse = 1.0 / self.variances(np.diagonal(turned, axis1=2, axis2=3), n)
        d = w.shape[-1]
        for j in range(d - 1):
            for other in range(j + 1, d):
                _turn(axes, turned, inverse[..., j] - inverse[..., other], [j, other])
        return _along(axes[:, None], self.variances(np.diagonal(turned, axis1=2, axis2=3), n))


def _turn(axes: np.ndarray, turned: np.ndarray, g: np.ndarray, pair: list[int]) -> None:
    """Turn a pair of axes in their plane to where sum_k g_k (turned_k)_jj is smallest for the first; both arrays are changed."""
    j, other = pair
    across = np.sum(g * turned[..., j, other], axis=1)
    apart = np.sum(g * (turned[..., other, other] - turned[..., j, j]), axis=1)
    angle = 0.5 * np.arctan2(-2.0 * across, apart)
    rotation = np.empty((len(angle), 2, 2))
    rotation[:, 0, 0] = rotation[:, 1, 1] = np.cos(angle)
    rotation[:, 1, 0] = np.sin(angle)
    rotation[:, 0, 1] = -rotation[:, 1, 0]
    axes[:, :, pair] = axes[:, :, pair] @ rotation
    turned[..., pair] = turned[..., pair] @ rotation[:, None]
    turned[..., pair, :] = np.swapaxes(rotation, 1, 2)[:, None] @ turned[..., pair, :]


class EVE(_OneOrientation):
    """Equal volumes, axes in common: volume D A_k D^T."""

    name, one_volume = "EVE", True

    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Each scatter brought to the same volume."""
        return along * _to_one_volume(_size(along), n)[..., None]


class VVE(_OneOrientation):
    """Axes in common: volume_k D A_k D^T."""

    name, one_volume = "VVE", False

    def variances(self, along: np.ndarray, n: np.ndarray) -> np.ndarray:
        """Scatter over rows."""
        return along / n[..., None]


class DecomposedCovariance(Covariance):
    """Covariances of a decomposed shape: all held or all free.

    Coordinates: logarithms of volumes; those of the first d - 1 entries of each A, or of the triangular factor's diagonal; entries
    of the triangular factor or angles of the axes (see ``emkit.families.gaussian.frames``). What is common comes once, so that
    there are as many as Celeux and Govaert count. Information is given as the scatter behind a covariance, prior included.
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
        ones = (self.shape.mixtures(k) if one else k for one in (self.shape.one_volume, self.shape.one_shape, self.shape.one_frame))
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
        s, d = self.shape.mixtures(len(value)), value.shape[-1]
        logs, frames = self.shape.frame.split(value, s if self.shape.one_frame else len(value))
        volumes = logs.mean(axis=1).reshape(s, -1)
        shapes = logs.reshape(s, -1, d) - volumes[:, :, None]
        volumes = volumes.mean(axis=1, keepdims=True) if self.shape.one_volume else volumes
        shapes = shapes.mean(axis=1, keepdims=True) if self.shape.one_shape else shapes
        return np.concatenate([volumes, shapes[..., :-1].reshape(s, -1), frames.reshape(s, -1)], axis=1).ravel()

    def _parts(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms (S K, d) and frames' coordinates (F, m) from coordinates."""
        s, d = self.shape.mixtures(len(held)), held.shape[-1]
        *counts, size = self._forms(held)
        volumes, shapes, frames = (count // s for count in counts)
        rows = vector.reshape(s, -1)
        first, rest = rows[:, :volumes, None], rows[:, volumes : volumes + shapes * (d - 1)].reshape(s, shapes, d - 1)
        inner = first + np.concatenate([rest, -rest.sum(axis=2, keepdims=True)], axis=2)
        logs = np.broadcast_to(inner, (s, len(held) // s, d)).reshape(-1, d)
        return logs, rows[:, volumes + shapes * (d - 1) :].reshape(s * frames, size)

    def unpack(self, vector: np.ndarray, held: np.ndarray) -> tuple[np.ndarray, int]:
        """Inverse of ``pack``."""
        if not np.isnan(held).any():
            return np.array(held, dtype=np.float64), 0
        used = self.n_free(held)
        return self.shape.frame.build(*self._parts(np.asarray(vector[:used]), held)), used

    def _gathered(self, of_logs: np.ndarray, of_frames: np.ndarray, sign: float) -> np.ndarray:
        """What is said of each component's logarithms (S K, d) and frame (S K, m), as of coordinates: what is common adds up."""
        s = self.shape.mixtures(len(of_logs))
        volumes, shapes = of_logs.sum(axis=1)[:, None], of_logs[:, :-1] + sign * of_logs[:, -1:]
        parts = ((volumes, self.shape.one_volume), (shapes, self.shape.one_shape), (of_frames, self.shape.one_frame))
        each = [(part.reshape(s, len(part) // s, part.shape[1]), one) for part, one in parts]
        return np.concatenate([(part.sum(axis=1) if one else part).reshape(s, -1) for part, one in each], axis=1).ravel()

    def pull(self, gradient: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """By the chain rule; see ``emkit.families.gaussian.frames``."""
        if not np.isnan(held).any():
            return np.zeros(0)
        return self._gathered(*self.shape.frame.pull(gradient, *self._parts(self.pack(value, held), held)), -1.0)

    def pull_information(self, information: np.ndarray, value: np.ndarray, held: np.ndarray) -> np.ndarray:
        """``information`` is the scatter behind each covariance."""
        if not np.isnan(held).any():
            return np.zeros(0)
        return self._gathered(*self.shape.frame.information(information, *self._parts(self.pack(value, held), held)), 1.0)
