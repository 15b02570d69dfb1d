"""Sums over all rows in blocks, for data of any size: Gram matrices, noise around each unit, predictions."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emkit.models.rbf.evidence import Gram, Readout, gram
from emkit.models.rbf.features import Array, Units, design, exponents, shares_of
from emkit.models.rbf.noise import local_noise

BLOCK = 4096  # rows at a time


@dataclass(frozen=True)
class Rows:
    """Standardised rows that are made block by block from the user's."""

    x: Array
    """(n, d), the kept columns of the user's."""
    y: Array
    """(n, p), the user's outputs that vary."""
    weights: Array | None
    x_mean: Array
    x_sd: Array
    y_mean: Array
    y_sd: Array

    def blocks(self) -> Iterator[tuple[Array, Array, Array | None]]:
        """Standardised inputs, targets and weights of some rows after the others."""
        for i in range(0, len(self.x), BLOCK):
            part = slice(i, i + BLOCK)
            weights = None if self.weights is None else self.weights[part]
            yield (self.x[part] - self.x_mean) / self.x_sd, (self.y[part] - self.y_mean) / self.y_sd, weights


def features(x: Array, units: Units) -> tuple[Array, Array, Array]:
    """The matrix [1, phi, x], (n, M), the units' shares, (n, K), and the log of the sum of their plain values, (n,)."""
    if units.count == 0:
        return design(np.empty((len(x), 0)), x), np.empty((len(x), 0)), np.zeros(len(x))
    exponent = exponents(x, units)
    shares, activity = shares_of(exponent)
    return design(shares if units.normalised else np.exp(-exponent), x), shares, activity


def whole_gram(rows: Rows, units: Units) -> Gram:
    """The Gram matrix of all rows."""
    total: Gram | None = None
    for x, y, weights in rows.blocks():
        part = gram(features(x, units)[0], y, weights)
        total = part if total is None else total + part
    assert total is not None
    return total


def spread_of_mean(psi: Array, readout: Readout) -> Array:
    """Psi' S psi for every row: variance of the mean over the noise variance, (n,)."""
    return np.maximum(np.einsum("nm,nm->n", psi @ readout.inverse, psi), 0.0)


def least_activity(rows: Rows, units: Units) -> float:
    """The least log activity of a row of positive weight: beyond it a row is far from all units."""
    least = np.inf
    for x, _, weights in rows.blocks():
        activity = features(x, units)[2]
        least = min(least, float((activity if weights is None else activity[weights > 0]).min(initial=np.inf)))
    return least


def unit_noise(x: Array, y: Array, weights: Array, units: Units, readout: Readout) -> Array:
    """Noise variance around each unit, (K, p): see ``local_noise``.

    Squared residuals are expected over the weights' posterior: e^2 + s2 psi' S psi, with s2 at first the same everywhere.
    """
    psi, shares, _ = features(x, units)
    squared, leverage = (y - psi @ readout.mean) ** 2, spread_of_mean(psi, readout)[:, None]
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
    k, d = units.count, x.shape[1]
    linear = readout.mean[1 + k :]
    if k == 0:
        size = (linear**2).sum(1)
        return np.asarray(size / size.sum()) if size.sum() > 0 else np.zeros(d)
    psi = features(x, units)[0]
    phi = psi[:, 1 : 1 + k]
    size = np.zeros(d)
    for o in range(readout.mean.shape[1]):
        pull = phi * readout.mean[1 : 1 + k, o]
        if units.normalised:
            pull -= phi * pull.sum(1, keepdims=True)
        pull *= np.exp(units.log_factor)
        slope = linear[:, o] - np.exp(units.log_omega) * (x * pull.sum(1)[:, None] - pull @ units.centers)
        size += weights @ (slope * slope)
    return np.asarray(size / size.sum()) if size.sum() > 0 else size
