"""A radial basis function network: fitted by the evidence on a sample of rows, then to all of them in two passes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emkit.models.rbf.evidence import Gram, Readout, gram, maximise
from emkit.models.rbf.features import Array, Units, design, exponents, shares_of, values
from emkit.models.rbf.metric import Sample
from emkit.models.rbf.noise import local_noise
from emkit.models.rbf.scaling import Scaling, distinct_sample, moments, scaling_of
from emkit.models.rbf.search import KINDS, Found, Tried, first_metric, search, sizes_for

MOST_SAMPLED = 4_000  # distinct rows that widths and number of units are chosen by
FEWEST_ROWS = 8  # below which the network is linear
_BLOCK = 4_096  # rows at a time
_MODERATE = 20_000  # rows that are sorted
_CONSTANT = 1e-13  # sd of a target, in its largest size, that is rounding


@dataclass(frozen=True)
class Network:
    """y = b + w' phi(x) + v' x + noise, its weights known by their posterior.

    Attributes
    ----------
    scaling : Scaling
        Of the columns of x.
    shift, scale : arrays (p,)
        Of the outputs, which are standardised too.
    units : Units
        K of them over the standardised columns.
    readout : Readout
        The posterior of [b, w, v], in standardised units.
    noise : array (K, p)
        Noise variance about each unit, the same for all where it is constant. Between units its logarithm is their mean.
    constant : bool array (p,)
        Outputs that had one value.
    relevance : array (d,)
        Share of each column in the mean square of the prediction's derivatives along the standardised columns; adds up to 1, or
        is 0 where the prediction does not change. Sobol' and Kucherenko (2009), Math. Comput. Simul. 79, 3009-3017.
    """

    scaling: Scaling
    shift: Array
    scale: Array
    units: Units
    readout: Readout
    noise: Array
    constant: np.ndarray
    relevance: Array

    def features(self, z: Array) -> tuple[Array, Array]:
        """The matrix [1, phi, x] of standardised rows, (n, M), and shares of the units in each row, (n, K)."""
        if not self.units.count:
            return design(np.zeros((len(z), 0)), z), np.zeros((len(z), 0))
        exponent = exponents(z, self.units)
        shares = shares_of(exponent)[0]
        return design(shares if self.units.normalised else values(exponent, False), z), shares

    def predict(self, x: Array) -> Array:
        """Means of the outputs, (n, p)."""
        parts = [self.features(z)[0] @ self.readout.mean for z in self._blocks(x)]
        return self._natural(np.concatenate(parts))

    def predict_with_std(self, x: Array) -> tuple[Array, Array]:
        """Means, and standard deviations of new observations: of noise and of what is not known of the weights; (n, p) each."""
        means, variances = [], []
        for z in self._blocks(x):
            psi, shares = self.features(z)
            means.append(psi @ self.readout.mean)
            unsure = np.einsum("nm,nm->n", psi @ self.readout.inverse, psi)[:, None] * self.readout.noise
            variances.append(unsure + self.noise_at(shares))
        std = np.sqrt(np.maximum(np.concatenate(variances), 0.0)) * self.scale
        return self._natural(np.concatenate(means)), np.where(self.constant, 0.0, std)

    def noise_at(self, shares: Array) -> Array:
        """Noise variance, (n, p), where the units have ``shares`` (n, K)."""
        if not self.units.count:
            return np.broadcast_to(self.readout.noise, (len(shares), len(self.readout.noise)))
        return np.asarray(np.exp(shares @ np.log(np.maximum(self.noise, np.finfo(float).tiny))))

    def _natural(self, y: Array) -> Array:
        out: Array = self.shift + self.scale * y
        return np.where(self.constant, self.shift, out)

    def _blocks(self, x: Array) -> Iterator[Array]:
        for first in range(0, len(x), _BLOCK):
            yield self.scaling.apply(x[first : first + _BLOCK])

    @property
    def widths(self) -> Array:
        """Standard deviations of a unit along the kept columns, in their units: (kept,), or (K, kept) with factors of its own."""
        alone: Array = self.scaling.sd[self.scaling.kept] * np.exp(-0.5 * self.units.log_omega)
        return alone if not self.units.log_factor.any() else np.exp(-0.5 * self.units.log_factor)[:, None] * alone

    def slopes(self, z: Array) -> Array:
        """Derivatives of the outputs along the standardised columns at standardised rows, (n, kept, p)."""
        k, mean = self.units.count, self.readout.mean
        out = np.repeat(mean[None, 1 + k :], len(z), axis=0)
        if not k:
            return out
        exponent = exponents(z, self.units)
        phi = values(exponent, self.units.normalised)
        omega, factor = np.exp(self.units.log_omega), np.exp(self.units.log_factor)
        for output, weights in enumerate(mean[1 : 1 + k].T):
            pull = phi * weights
            if self.units.normalised:
                pull -= phi * pull.sum(axis=1, keepdims=True)
            pull *= factor
            out[:, :, output] -= omega * (z * pull.sum(axis=1, keepdims=True) - pull @ self.units.centers)
        return out


def fit_network(
    x: Array,
    y: Array,
    weights: Array | None = None,
    *,
    n_units: int | Sequence[int] | None = None,
    kinds: Sequence[str] = KINDS,
    widths: str = "columns",
    centers: str | Array = "metric",
    noise_by_place: bool = True,
    seed: int = 0,
    halted: Callable[[], bool] = lambda: False,
    report: Callable[[Tried], None] | None = None,
) -> tuple[Network, list[Tried]]:
    """The network with the largest evidence, and all that were tried.

    Parameters
    ----------
    x : array (n, d)
    y : array (n, p)
    weights : array (n,), optional
        Nonnegative; 2 means the row twice.
    n_units : int or sequence of int, optional
        Numbers of units to try; by default 4, 10, 25, 60, up to a quarter of the rows.
    kinds : sequence of {"plain", "normalised"}
    widths : {"columns", "units"}
    centers : {"metric", "input", "joint"} or array (K, d)
        In the columns' units.
    noise_by_place : bool
        Whether each unit has a noise variance of its own.
    seed : int
    halted, report : callables
        Whether to stop, keeping the best; told of each that was tried.
    """
    x, y, weights = _different(x, y, weights)
    scaling = scaling_of(x, weights)
    shift, scale = moments(y, weights)
    constant = np.asarray(scale <= _CONSTANT * np.abs(y).max(axis=0)) | (y.max(axis=0) == y.min(axis=0))
    scale = np.where(constant, 1.0, scale)
    total = float(len(x)) if weights is None else float(weights.sum())
    sample = _sample(x, y, weights, scaling, shift, scale, seed)
    if not isinstance(centers, str):
        centers = scaling.apply(np.asarray(centers, np.float64))
        n_units = len(centers)
    sizes = sizes_for(total) if n_units is None else [n_units] if isinstance(n_units, int) else list(n_units)
    table: list[Tried] = []
    log_scale = -float(sample.mass.sum()) * float(np.log(scale).sum())
    if constant.all() or len(sample.x) < FEWEST_ROWS or not len(scaling.kept):
        found = _linear(sample)
        table.append(Tried(0, "linear", found.readout.log_evidence + log_scale, 0.0))
    else:
        start = first_metric(sample, seed)
        found, table = search(
            sample, start, sizes, kinds, log_scale, widths=widths, centers=centers, seed=seed, halted=halted, report=report
        )
    network = Network(scaling, shift, scale, found.units, found.readout, np.zeros((0, y.shape[1])), constant, np.zeros(x.shape[1]))
    if len(x) > len(sample.x):
        network = replace(network, readout=_all_rows(network, x, y, weights))
    noise = _noise(network, sample, noise_by_place)
    return replace(network, noise=noise, relevance=_relevance(network, sample)), table


def _different(x: Array, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
    """Rows that count; in tables of moderate size each different one once, in an order of their own.

    Sums over them then are the same to the last bit whether a row stands there twice or has weight 2, and wherever it stands.
    """
    if weights is not None and not weights.all():
        x, y, weights = x[weights > 0], y[weights > 0], weights[weights > 0]
    if len(x) > _MODERATE:
        return x, y, weights
    rows, which = np.unique(np.column_stack([x, y]), axis=0, return_inverse=True)
    mass = np.bincount(np.ravel(which), weights, len(rows)).astype(np.float64)
    return np.ascontiguousarray(rows[:, : x.shape[1]]), np.ascontiguousarray(rows[:, x.shape[1] :]), mass


def _sample(x: Array, y: Array, weights: Array | None, scaling: Scaling, shift: Array, scale: Array, seed: int) -> Sample:
    """Standardised distinct rows."""
    z = scaling.apply(x)
    return Sample(*distinct_sample(z, (y - shift) / scale, weights, MOST_SAMPLED, seed))


def _relevance(network: Network, sample: Sample) -> Array:
    """See ``Network``."""
    found = np.zeros(len(network.scaling.mean))
    squares = np.where(network.constant, 0.0, network.slopes(sample.x) ** 2).sum(axis=2)
    found[network.scaling.kept] = sample.mass @ squares
    total = found.sum()
    return found / total if total > 0 else found


def _linear(sample: Sample) -> Found:
    """A network without units."""
    units = Units(np.zeros((0, sample.x.shape[1])), np.zeros(sample.x.shape[1]), np.zeros(0), False)
    readout = maximise(gram(design(np.zeros((len(sample.x), 0)), sample.x), sample.y, sample.weights), 0)
    return Found(units, readout, readout.log_evidence)


def _parts(network: Network, x: Array, y: Array, weights: Array | None) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Features, shares, standardised outputs and weights of blocks of rows."""
    for first in range(0, len(x), _BLOCK):
        part = slice(first, first + _BLOCK)
        z = network.scaling.apply(x[part])
        mass = np.ones(len(z)) if weights is None else weights[part]
        yield (*network.features(z), (y[part] - network.shift) / network.scale, mass)


def _all_rows(network: Network, x: Array, y: Array, weights: Array | None) -> Readout:
    """The readout of all rows, its precisions found anew."""
    total: Gram | None = None
    for psi, _, target, mass in _parts(network, x, y, weights):
        here = gram(psi, target, None if weights is None else mass)
        total = here if total is None else total + here
    assert total is not None
    return maximise(total, network.units.count, network.readout.log_lambda)


def _noise(network: Network, sample: Sample, local: bool) -> Array:
    """The noise variance about each unit, (K, p): see ``local_noise``.

    A row's expected squared deviation is its residual's square and the variance of the prediction.
    """
    k, readout = network.units.count, network.readout
    if not local or not k:
        return np.broadcast_to(readout.noise, (k, len(readout.noise))).copy()
    psi, shares = network.features(sample.x)
    leverage = np.einsum("nm,nm->n", psi @ readout.inverse, psi)[:, None]
    residuals, here, log_noise = (sample.y - psi @ readout.mean) ** 2, readout.noise, np.zeros((k, len(readout.noise)))
    for _ in range(2):  # at first as if the noise were the same everywhere
        squares = residuals + leverage * here
        log_noise = np.column_stack([local_noise(shares, of_output, sample.mass) for of_output in squares.T])
        here = np.exp(shares @ log_noise)
    return np.exp(log_noise)
