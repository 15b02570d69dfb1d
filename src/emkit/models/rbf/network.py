"""A radial basis function network, fitted and asked.

y = b + sum_k w_k phi_k(x) + v x + noise. The target decides the widths, by the evidence; the centres are clusters of
the inputs in that metric; number and kind of units are those of the largest evidence. Widths are found on at most
4,000 distinct rows; all rows then pass twice, once for the weights and once for the noise around each unit.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from emkit.models.rbf.evidence import Readout, maximise
from emkit.models.rbf.features import Array, Units, exponents
from emkit.models.rbf.first_metric import first_metric
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.metric import Sample
from emkit.models.rbf.passes import (
    BLOCK,
    Piece,
    Rows,
    features,
    least_activity,
    noise_at,
    piece_of,
    relevance,
    spread_of_mean,
    unit_noise,
    whole_gram,
)
from emkit.models.rbf.prepared import Prepared, different, no_units, prepare
from emkit.models.rbf.readouts import experts, ridge
from emkit.models.rbf.sampling import distinct_sample
from emkit.models.rbf.scaling import Scaling
from emkit.models.rbf.search import STOPPED, Tried, Wanted, planned, search

_AGAIN = 3  # fits of the weights where inputs are missing, each with what the one before says of the rows


@dataclass(frozen=True)
class Params:
    """A fitted network, in standardised columns; ``described`` tells it in the user's units."""

    scaling: Scaling
    outputs: npt.NDArray[np.intp]
    """Which outputs vary: the p that the readout is about."""
    y_mean: Array
    """(all outputs,)."""
    y_sd: Array
    """(all outputs,); 1 where constant."""
    units: Units
    readout: Readout
    unit_noise: Array | None
    """(K, p) noise variances around the units, between which the logarithm is averaged; None: the same everywhere."""
    left: float
    """Rows that the weights and widths leave over to tell the noise by: its degrees of freedom."""
    widened: float
    """By how much the noise variance is larger than it looks, since the widths were chosen to make it small."""
    least_activity: float
    """Least logarithm of the units' summed values in the data; below it a row is far from all units."""
    relevance: Array
    """(all columns,) shares."""
    log_evidence: float
    """Of all rows, in the target's units."""
    table: tuple[Tried, ...]
    inputs: Inputs | None
    """The distribution of the kept columns, where cells may be missing."""
    notes: tuple[str, ...]
    """What a user should know: few rows, a constant target, more units than a quarter of the rows, a search stopped."""


def _constant(of: Prepared, note: str) -> Params:
    """No output varies: their values, without noise."""
    d, m = len(of.scaling.mean), 1 + len(of.scaling.kept)
    readout = Readout(np.zeros((m, 0)), np.zeros((m, m)), np.zeros(2), np.empty(0), float("nan"), of.total)
    return Params(
        of.scaling, of.outputs, of.y_mean, of.y_sd, no_units(m - 1), readout, None, of.total, 1.0, 0.0, np.zeros(d),
        float("nan"), (), None, (note,),
    )  # fmt: skip


def _find_units(of: Prepared, sample: Sample, wanted: Wanted) -> tuple[Units, list[Tried], list[str]]:
    """The units, the table of what was tried, and what to say about it."""
    sizes, wanted, notes = planned(of, wanted)
    if not sizes:
        return no_units(len(of.scaling.kept)), [], notes
    shift = -float(np.log(of.rows.y_sd).sum()) * float(sample.mass.sum())
    best, table, done = search(sample, first_metric(sample, wanted.seed), sizes, wanted, shift)
    if not done:
        notes.append(STOPPED)
    return best.units, table, notes


def fit_network(
    X: Array,
    y: Array,
    weights: Array | None,
    wanted: Wanted,
    *,
    readout: str = "evidence",
    noise: str = "local",
    inputs: Inputs | None = None,
) -> Params:
    """Fit a network to finite rows.

    Parameters
    ----------
    X : (n, d) array
    y : (n,) or (n, p) array
        Outputs share centres, widths and precisions, and have noise of their own.
    weights : (n,) array or None
        A weight of 2 is the row twice.
    wanted : Wanted
        Which units.
    readout : {"evidence", "ridge", "em"}
    noise : {"local", "constant"}
    inputs : Inputs, optional
        The distribution of the columns; without it no cell of X may be missing.
    """
    mass = None if weights is None else np.asarray(weights, float)
    x, y, mass = different(np.asarray(X, float), np.asarray(y, float).reshape(len(X), -1), mass)
    of = prepare(x if inputs is None else inputs.fill(x), y, mass)
    constant = len(of.outputs) < len(of.y_mean)
    notes = ["a constant target is predicted as it is, with standard deviation 0"] if constant else []
    if not len(of.outputs):
        return _constant(of, notes[0])
    sample = distinct_sample(of.rows, wanted.seed)
    if readout == "em" and wanted.units == "auto":
        wanted = replace(wanted, units="normalised")
    found, table, said = _find_units(of, sample, wanted)
    inputs = None if inputs is None else inputs.some(of.scaling.kept)
    rows = of.rows.with_holes(x, inputs)
    final = _read(rows, sample, found, readout)
    around = _noise_around(rows, sample, found, final) if noise == "local" and found.count > 0 else None
    shares = np.zeros(len(of.scaling.mean))
    shares[of.scaling.kept] = relevance(sample.x, sample.mass, found, final)
    left, widened = _left(of.total, found, final)
    return Params(
        of.scaling, of.outputs, of.y_mean, of.y_sd, found, final,
        around, left, widened, least_activity(rows, found), shares,
        final.log_evidence - float(np.log(of.rows.y_sd).sum()) * of.total, tuple(table), inputs, (*notes, *said),
    )  # fmt: skip


def _noise_around(rows: Rows, sample: Sample, units: Units, readout: Readout) -> Array:
    """Noise variances around the units, (K, p): from the sample, or where there are holes from rows all through the data."""
    if rows.inputs is None:
        return unit_noise(Piece(*features(sample.x, units)), sample.y, sample.mass, units, readout)
    at = np.unique(np.linspace(0, len(rows.x) - 1, BLOCK).astype(np.intp))  # the first ones may be alike
    few = replace(rows, x=rows.x[at], y=rows.y[at], weights=None if rows.weights is None else rows.weights[at])
    piece, y, weights = next(few.pieces(units))
    return unit_noise(piece, y, np.ones(len(y)) if weights is None else weights, units, readout)


def _left(total: float, units: Units, readout: Readout) -> tuple[float, float]:
    """Degrees of freedom of the noise, and the factor by which the chosen widths make it look too small.

    The evidence allows for the weights: gamma of them are determined (MacKay 1992). Widths are at their most probable values, one
    for each column, and take as many rows of what there is to tell the noise by.
    """
    widths = len(units.log_omega) if units.count else 0
    left = total - 1.0 - readout.determined(units.count) - widths  # the intercept is always determined
    return max(left, 0.0), total / max(total - widths, total / 3.0)


def _read(rows: Rows, sample: Sample, units: Units, readout: str) -> Readout:
    """The weights of all rows, by the means that ``readout`` names."""
    if readout == "em" and units.count:
        found = experts(exponents(sample.x, units), sample.y, sample.mass)
        d = sample.x.shape[1]
        inverse = np.zeros((1 + units.count + d,) * 2)
        inverse[: 1 + units.count, : 1 + units.count] = found.inverse
        mean = np.concatenate([found.mean, np.zeros((d, found.mean.shape[1]))])
        # Each expert's own noise is less than what rows deviate from the mean of them all.
        apart = sample.y - features(sample.x, units)[0] @ mean
        noise = np.maximum(sample.mass @ apart**2 / sample.mass.sum(), 1e-12)
        return replace(found, mean=mean, inverse=inverse, noise=noise)
    known: Readout | None = None
    for _ in range(1 if rows.inputs is None else _AGAIN):
        sums = whole_gram(rows, units, known)
        known = ridge(sums, units.count) if readout == "ridge" else maximise(sums, units.count)
    assert known is not None
    return known


def predict(params: Params, X: Array, *, return_std: bool = False) -> tuple[Array, Array | None]:
    """Mean (n, all outputs) and, if asked, standard deviation of a new observation, of the same shape.

    The variance is that of the noise, local or not, plus psi' S psi for the weights, both widened for the widths. Where the units'
    values sum to less than anywhere in the data, the prior variance of one unit's weight comes in as they vanish: the posterior
    knows of weights at the units only, and would be surer there than close by (Rasmussen & Quinonero-Candela 2005).
    """
    X = np.asarray(X, float)
    mean = np.tile(params.y_mean, (len(X), 1))
    std = np.zeros_like(mean) if return_std else None
    units, readout = params.units, params.readout
    out, sd = params.outputs, params.y_sd[params.outputs]
    for i in range(0, len(X) if len(out) else 0, BLOCK):
        part = slice(i, i + BLOCK)
        piece = piece_of(X[part], params.scaling, units, params.inputs)
        mean[part, out] += (piece.psi @ readout.mean) * sd
        if std is None:
            continue
        local = readout.noise if params.unit_noise is None else noise_at(piece.shares, params.unit_noise)
        far = -np.expm1(np.minimum(piece.activity - params.least_activity, 0.0)) if units.count else np.zeros(len(piece.psi))
        known = spread_of_mean(piece.psi, readout) + far * np.exp(-readout.log_lambda[0])
        noise = local * params.widened + np.exp(-params.left)  # of no row to tell it by, the target's own variance
        std[part, out] = np.sqrt(noise + known[:, None] * readout.noise * params.widened + piece.spread(readout.mean)) * sd
    return mean, std
