"""Sums over all rows in blocks, for data of any size: Gram matrices, noise around each unit, predictions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.evidence import Gram, Readout, gram
from emkit.models.rbf.features import Array, Units, design, exponents, shares_of
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.noise import local_noise
from emkit.models.rbf.scaling import Scaling

BLOCK = 4096  # rows at a time


@dataclass(frozen=True)
class Rows:
    """Standardised rows that are made block by block from the user's."""

    x: Array
    """(n, all columns)."""
    y: Array
    """(n, p), the user's outputs that vary."""
    weights: Array | None
    scaling: Scaling
    y_mean: Array
    y_sd: Array
    inputs: Inputs | None = None
    """The distribution of the kept columns, where cells may be missing."""

    def with_holes(self, x: Array, inputs: Inputs | None) -> "Rows":
        """The same rows with their inputs as they are, NaN where a cell is missing."""
        return self if inputs is None else replace(self, x=x, inputs=inputs)

    def pieces(self, units: Units) -> Iterator[tuple["Piece", Array, Array | None]]:
        """Expected features, targets and weights of some rows after the others."""
        for x, y, weights in self._parts():
            yield piece_of(x, self.scaling, units, self.inputs), y, weights

    def blocks(self) -> Iterator[tuple[Array, Array, Array | None]]:
        """Standardised inputs, targets and weights of some rows after the others."""
        for x, y, weights in self._parts():
            yield self.scaling.apply(x), y, weights

    def _parts(self) -> Iterator[tuple[Array, Array, Array | None]]:
        for i in range(0, len(self.x), BLOCK):
            part = slice(i, i + BLOCK)
            yield self.x[part], (self.y[part] - self.y_mean) / self.y_sd, None if self.weights is None else self.weights[part]


def features(x: Array, units: Units) -> tuple[Array, Array, Array]:
    """The matrix [1, phi, x], (n, M), the units' shares, (n, K), and the log of the sum of their plain values, (n,)."""
    if units.count == 0:
        return design(np.empty((len(x), 0)), x), np.empty((len(x), 0)), np.zeros(len(x))
    exponent = exponents(x, units)
    shares, activity = shares_of(exponent)
    return design(shares if units.normalised else np.exp(-exponent), x), shares, activity


@dataclass(frozen=True)
class Piece:
    """Features of some rows, expected ones where inputs are missing.

    ``psi`` (n, M) is [1, phi, x], ``shares`` (n, K) are the units', ``activity`` (n,) the log of the sum of their plain values.
    ``holes`` are the numbers of the rows with missing inputs, ``cloud`` (holes, points, M) the features at the points of each.
    """

    psi: Array
    shares: Array
    activity: Array
    holes: npt.NDArray[np.intp] | None = None
    cloud: Array | None = None

    def spread(self, mean: Array) -> Array:
        """Variance of the prediction that missing inputs leave open, (n, p), at weights ``mean`` (M, p)."""
        out = np.zeros((len(self.psi), mean.shape[1]))
        if self.cloud is not None:
            out[self.holes] = (self.cloud @ mean).var(axis=1)
        return out


def piece_of(x: Array, scaling: Scaling, units: Units, inputs: Inputs | None) -> Piece:
    """Features of rows in the user's units (n, all columns): expected ones where cells are missing, if ``inputs`` are known."""
    if inputs is None:
        return Piece(*features(scaling.apply(x), units))
    kept = x[:, scaling.kept]
    holes = np.flatnonzero(np.isnan(kept).any(axis=1))
    psi, shares, activity = features(scaling.apply(np.nan_to_num(x)), units)
    if not len(holes):
        return Piece(psi, shares, activity)
    points = (inputs.points(kept[holes]) - scaling.mean[scaling.kept]) / scaling.sd[scaling.kept]
    one = features(points.reshape(-1, kept.shape[1]), units)
    cloud = one[0].reshape(*points.shape[:2], -1)
    psi[holes], shares[holes] = cloud.mean(axis=1), one[1].reshape(*points.shape[:2], units.count).mean(axis=1)
    activity[holes] = one[2].reshape(points.shape[:2]).max(axis=1)
    return Piece(psi, shares, activity, holes, cloud)


def whole_gram(rows: Rows, units: Units, known: Readout | None = None) -> Gram:
    """The Gram matrix of all rows.

    Where inputs are missing, a row deviates by what they leave open besides the noise; by the weights of a readout that is
    ``known`` already, such rows count less, as in weighted least squares.
    """
    total: Gram | None = None
    for piece, y, weights in rows.pieces(units):
        psi = piece.psi
        if known is not None and piece.cloud is not None:
            root = np.sqrt(trust(piece, known))[:, None]
            psi, y = psi * root, y * root
        part = gram(psi, y, weights)
        total = part if total is None else total + part
    assert total is not None
    return total


def trust(piece: Piece, known: Readout) -> Array:
    """Noise variance over that of noise and missing inputs together, (n,), in the mean of the outputs."""
    return np.asarray(1.0 / (1.0 + (piece.spread(known.mean) / known.noise).mean(axis=1)))


def spread_of_mean(psi: Array, readout: Readout) -> Array:
    """Psi' S psi for every row: variance of the mean over the noise variance, (n,)."""
    return np.maximum(np.einsum("nm,nm->n", psi @ readout.inverse, psi), 0.0)


def least_activity(rows: Rows, units: Units) -> float:
    """The least log activity of a row of positive weight: beyond it a row is far from all units."""
    least = np.inf
    for piece, _, weights in rows.pieces(units):
        activity = piece.activity
        least = min(least, float((activity if weights is None else activity[weights > 0]).min(initial=np.inf)))
    return least


def unit_noise(piece: Piece, y: Array, weights: Array, units: Units, readout: Readout) -> Array:
    """Noise variance around each unit, (K, p): see ``local_noise``.

    Squared residuals are expected over the weights' posterior: e^2 + s2 psi' S psi, with s2 at first the same everywhere.
    """
    psi, shares = piece.psi, piece.shares
    squared, leverage = (y - psi @ readout.mean) ** 2, spread_of_mean(psi, readout)[:, None]
    if piece.cloud is not None:  # without what the missing inputs explain
        squared = squared * trust(piece, readout)[:, None]
    here, log_noise = readout.noise, np.zeros((units.count, y.shape[1]))
    for _ in range(2):
        expected = squared + leverage * here
        log_noise = np.column_stack([local_noise(shares, of_output, weights) for of_output in expected.T])
        here = noise_at(shares, np.exp(log_noise))
    return np.exp(log_noise)


def noise_at(shares: Array, noise: Array) -> Array:
    """Noise variance (n, p) where units with ``noise`` (K, p) have ``shares`` (n, K): its logarithm is their mean."""
    return np.asarray(np.exp(shares @ np.log(np.maximum(noise, np.finfo(float).tiny))))


def relevance(x: Array, weights: Array, units: Units, readout: Readout) -> Array:
    """Share of each column in the mean squared slopes of the mean prediction: (d,), sum 1 or all 0."""
    size = np.zeros(x.shape[1])
    for slope in slopes_of(x, units, readout.mean):
        size += weights @ (slope * slope)
    return np.asarray(size / size.sum()) if size.sum() > 0 else size


def slopes_of(x: Array, units: Units, mean: Array) -> Iterator[Array]:
    """Derivatives of each output with respect to the columns, (n, d), one after the other."""
    k = units.count
    linear = mean[1 + k :]
    phi = features(x, units)[0][:, 1 : 1 + k]
    for o in range(mean.shape[1]):
        if not k:
            yield np.broadcast_to(linear[:, o], x.shape)
            continue
        pull = phi * mean[1 : 1 + k, o]
        if units.normalised:
            pull -= phi * pull.sum(1, keepdims=True)
        pull *= np.exp(units.log_factor)
        yield linear[:, o] - np.exp(units.log_omega) * (x * pull.sum(1)[:, None] - pull @ units.centers)
