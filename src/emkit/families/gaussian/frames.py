"""Frames that a decomposed covariance S = B diag(e^l) B^T may have, and the coordinates that say them.

A frame is the identity; unit lower triangular, as in the factorisation L D L^T; or a rotation, whose columns are the covariance's
axes, given by the angles of rotations in the planes of two columns (Golub and Van Loan 2013, Matrix Computations, section 5.1.8).
"""

from abc import ABC, abstractmethod

import numpy as np

from emkit.families.gaussian.shapes import factor


class Frame(ABC):
    """A kind of frames; F of them at a time: one for each of N covariances, or one for every N / F of them."""

    @abstractmethod
    def split(self, value: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Covariances (N, ...) as logarithms l (N, d) and coordinates of F = ``frames`` frames, (F, m)."""

    @abstractmethod
    def build(self, logs: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Inverse of ``split``."""

    @abstractmethod
    def size(self, d: int) -> int:
        """Coordinates of one frame, m."""

    @abstractmethod
    def pull(self, gradient: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A gradient with respect to the covariances as those with respect to ``logs`` (N, d) and to each one's frame (N, m)."""

    @abstractmethod
    def information(self, scatter: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Minus the second derivatives of -(log|S| + tr(scatter S^-1)) / 2 by ``logs`` (N, d) and by each one's frame (N, m).

        Those by ``logs`` are w_j e^-l_j / 2, w being the scatter about the axes of the frame.
        """


class Upright(Frame):
    """The identity: columns without correlation; covariances are variances (N, d)."""

    def split(self, value: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of variances."""
        return np.log(value), np.zeros((frames, 0))

    def build(self, logs: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """Variances."""
        return np.asarray(np.exp(logs))

    def size(self, d: int) -> int:
        """None."""
        return 0

    def pull(self, gradient: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Times the variances."""
        return gradient * np.exp(logs), np.zeros((len(logs), 0))

    def information(self, scatter: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of variances alone."""
        return 0.5 * scatter * np.exp(-logs), np.zeros((len(logs), 0))


class Triangular(Frame):
    """Unit lower triangles U, their entries row by row. dS = dU e^l U^T + U e^l dU^T, and S^-1 = U^-T e^-l U^-1."""

    def split(self, value: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """From Cholesky factors, of columns brought to unit variance first, so that their units do not matter."""
        lower = factor(value)
        diagonal = np.diagonal(lower, axis1=1, axis2=2)
        i, j = np.tril_indices(value.shape[-1], -1)
        return 2.0 * np.log(diagonal), (lower / diagonal[:, None, :])[:: len(value) // frames, i, j]

    def _frames(self, logs: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        n, d = logs.shape
        out = np.broadcast_to(np.eye(d), (len(coordinates), d, d)).copy()
        i, j = np.tril_indices(d, -1)
        out[:, i, j] = coordinates
        return _each(out, n)

    def build(self, logs: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """U e^l U^T."""
        return _around(self._frames(logs, coordinates), logs)

    def size(self, d: int) -> int:
        """Entries below the diagonal."""
        return d * (d - 1) // 2

    def pull(self, gradient: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(U^T G U)_jj e^l_j, and 2 (G U)_ij e^l_j."""
        frames = self._frames(logs, coordinates)
        product = gradient @ frames * np.exp(logs)[:, None, :]
        i, j = np.tril_indices(logs.shape[1], -1)
        return np.sum(frames * product, axis=1), 2.0 * product[:, i, j]

    def information(self, scatter: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(S^-1)_ii w_j about U_ij, with w the diagonal of U^-1 scatter U^-T."""
        inverse = np.linalg.inv(self._frames(logs, coordinates))
        w = np.sum((inverse @ scatter) * inverse, axis=2)
        precision = np.sum(inverse**2 * np.exp(-logs)[:, :, None], axis=1)
        i, j = np.tril_indices(logs.shape[1], -1)
        return 0.5 * w * np.exp(-logs), precision[:, i] * w[:, j]


class Rotated(Frame):
    """Rotations D, whose columns are axes: sorted by variance, the largest first, or where they are common by its mean logarithm.

    With dD = D X for a skew matrix X, dS = D (X e^l - e^l X) D^T. Signs of axes do not matter, so angles lie within pi/2.
    """

    def split(self, value: np.ndarray, frames: int) -> tuple[np.ndarray, np.ndarray]:
        """Axes, by ``numpy.linalg.eigh``."""
        if frames < len(value):
            axes, variances = common_axes(value.reshape(frames, -1, *value.shape[1:]))
            return np.log(variances).reshape(len(value), -1), _angles(axes)
        values, axes = np.linalg.eigh(value)
        return np.log(values[:, ::-1]), _angles(axes[:, :, ::-1])

    def build(self, logs: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """D e^l D^T."""
        return _around(_each(_rotations(coordinates, logs.shape[1])[0], len(logs)), logs)

    def size(self, d: int) -> int:
        """An angle for each pair of columns."""
        return d * (d - 1) // 2

    def pull(self, gradient: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """M_jj e^l_j with M = D^T G D, and the sum over j < l of 2 M_jl X_jl (e^l_l - e^l_j)."""
        axes, turns = (_each(part, len(logs)) for part in _rotations(coordinates, logs.shape[1]))
        turned, a = np.swapaxes(axes, 1, 2) @ gradient @ axes, np.exp(logs)
        j, other = np.triu_indices(logs.shape[1], 1)
        each = 2.0 * turned[:, j, other] * (a[:, other] - a[:, j])
        of_angles = np.matmul(turns[:, :, j, other], each[:, :, None])[:, :, 0]
        return np.diagonal(turned, axis1=1, axis2=2) * a, of_angles

    def information(self, scatter: np.ndarray, logs: np.ndarray, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sum over j < l of X_jl^2 (w_j - w_l)(e^-l_l - e^-l_j), with w the diagonal of D^T scatter D.

        Where that is not positive, axes are not yet where an M-step puts them; a hundredth of what it were with w = e^l stands in.
        """
        axes, turns = (_each(part, len(logs)) for part in _rotations(coordinates, logs.shape[1]))
        w = np.sum(axes * (scatter @ axes), axis=1)
        j, other = np.triu_indices(logs.shape[1], 1)
        inverse = np.exp(-logs)
        each = (w[:, j] - w[:, other]) * (inverse[:, other] - inverse[:, j])
        usual = 4.0 * np.sinh(0.5 * (logs[:, j] - logs[:, other])) ** 2 * np.mean(w * inverse, axis=1, keepdims=True)
        each = np.maximum(each, 0.01 * usual)
        return 0.5 * w * inverse, np.matmul(turns[:, :, j, other] ** 2, each[:, :, None])[:, :, 0]


def _around(frames: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """B e^l B^T, symmetric to the last digit."""
    half = frames * np.exp(0.5 * logs)[:, None, :]
    return np.asarray(half @ np.swapaxes(half, 1, 2))


def _each(frames: np.ndarray, n: int) -> np.ndarray:
    """Frames (F, ...) repeated for each of ``n`` covariances."""
    return frames if len(frames) == n else np.repeat(frames, n // len(frames), axis=0)


def common_axes(value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Axes (S, d, d) that covariances (S, K, d, d) have in common, and variances along them (S, K, d), by falling mean logarithm.

    They are those of a weighted sum, too. Its weights are arbitrary, so that axes along which the covariances differ are not
    confused because the differences happen to cancel.
    """
    k = value.shape[1]
    weights = (1.0 + np.modf(np.arange(1, k + 1) * 0.6180339887498949)[0]) / np.trace(value, axis1=2, axis2=3)
    axes = np.linalg.eigh(np.einsum("sk,skij->sij", weights, value))[1]
    variances = np.sum(axes[:, None] * (value @ axes[:, None]), axis=2)
    order = np.argsort(-np.log(variances).mean(axis=1), axis=1, kind="stable")
    return np.take_along_axis(axes, order[:, None, :], axis=2), np.take_along_axis(variances, order[:, None, :], axis=2)


def _angles(axes: np.ndarray) -> np.ndarray:
    """Angles (F, m) of the rotations in planes (j, i), j < i, whose product is ``axes`` up to signs of its columns."""
    left, d, out = axes.copy(), axes.shape[-1], []
    for j in range(d - 1):
        left[:, :, j] *= np.where(left[:, j, j] < 0, -1.0, 1.0)[:, None]
        for i in range(j + 1, d):
            angle = np.arctan2(left[:, i, j], left[:, j, j])
            c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
            left[:, j], left[:, i] = c * left[:, j] + s * left[:, i], c * left[:, i] - s * left[:, j]
            out.append(angle)
    return np.stack(out, axis=1) if out else np.zeros((len(axes), 0))


def _rotations(angles: np.ndarray, d: int) -> tuple[np.ndarray, np.ndarray]:
    """The product D (F, d, d) of rotations by ``angles``, and X (F, m, d, d) with dD / d angle_m = D X_m."""
    planes = [(j, i) for j in range(d - 1) for i in range(j + 1, d)]
    out = np.broadcast_to(np.eye(d), (len(angles), d, d)).copy()
    turns = np.zeros((len(angles), len(planes), d, d))
    for m in reversed(range(len(planes))):
        j, i = planes[m]
        outer = out[:, i, :, None] * out[:, j, None, :]
        turns[:, m] = outer - np.swapaxes(outer, 1, 2)
        c, s = np.cos(angles[:, m])[:, None], np.sin(angles[:, m])[:, None]
        out[:, j], out[:, i] = c * out[:, j] - s * out[:, i], c * out[:, i] + s * out[:, j]
    return out, turns
