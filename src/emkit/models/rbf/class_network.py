"""A radial basis function network whose output is a class.

The metric and the units are those of a regression on the classes' indicators, whose evidence has a closed form; which number and
kind of units, and the weights, are those of the largest Laplace evidence of the logits (``logits``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emkit.models.rbf.features import Array, Units
from emkit.models.rbf.first_metric import first_metric
from emkit.models.rbf.inputs import Inputs
from emkit.models.rbf.logits import Blocks, Logits, believe, maximise, moderated, probabilities
from emkit.models.rbf.metric import Sample
from emkit.models.rbf.passes import BLOCK, Rows, features, least_activity, piece_of, slopes_of
from emkit.models.rbf.prepared import Prepared, different, no_units, prepare
from emkit.models.rbf.sampling import distinct_sample
from emkit.models.rbf.scaling import Scaling
from emkit.models.rbf.search import STOPPED, Tried, Wanted, each_pair, planned


@dataclass(frozen=True)
class ClassParams:
    """A fitted network, in standardised columns.

    ``relevance`` (all columns,): shares in the mean squared slopes of the logits. The other fields are as those of a regression.
    """

    scaling: Scaling
    units: Units
    readout: Logits
    least_activity: float
    relevance: Array
    log_evidence: float
    table: tuple[Tried, ...]
    inputs: Inputs | None
    notes: tuple[str, ...]


def fit_classes(
    X: Array,
    codes: Array,
    n_classes: int,
    weights: Array | None,
    wanted: Wanted,
    *,
    inputs: Inputs | None = None,
) -> ClassParams:
    """Fit a network to rows.

    Parameters
    ----------
    X : (n, d) array
    codes : (n,) array
        Numbers of the classes, from 0.
    n_classes : int
        At least 2, each of which has a row that counts.
    weights, wanted, inputs
        As in ``network.fit_network``.
    """
    indicators = np.eye(n_classes)[np.asarray(codes, dtype=np.intp)]
    y = indicators[:, 1:] if n_classes == 2 else indicators
    mass = None if weights is None else np.asarray(weights, float)
    x, y, mass = different(np.asarray(X, float), y, mass)
    of = prepare(x if inputs is None else inputs.fill(x), y, mass)
    inputs = None if inputs is None else inputs.some(of.scaling.kept)
    sample = distinct_sample(of.rows, wanted.seed)
    chosen, table, notes = _choose(of, sample, wanted)
    rows = of.rows.with_holes(x, inputs)
    blocks = _of_rows(rows, chosen)
    readout = believe(blocks, chosen.count, maximise(blocks, chosen.count))
    shares = np.zeros(len(of.scaling.mean))
    shares[of.scaling.kept] = relevance(sample, chosen, readout)
    return ClassParams(
        of.scaling, chosen, readout, least_activity(rows, chosen), shares, readout.log_evidence, tuple(table), inputs, tuple(notes)
    )


def _choose(of: Prepared, sample: Sample, wanted: Wanted) -> tuple[Units, list[Tried], list[str]]:
    """The units with the largest Laplace evidence on the sample, the table of what was tried, and what to say about it.

    A plane is among what is tried where the number is to be found. Units cost more than their weights there: d widths were found
    with the classes in view, and each is charged half the logarithm of the rows, as the BIC does.
    """
    d = len(of.scaling.kept)
    to_be_found = isinstance(wanted.n_units, str) and isinstance(wanted.centers, str)
    sizes, wanted, notes = planned(of, wanted)
    if not sizes:
        return no_units(d), [], notes
    best: tuple[float, Units] | None = None
    table: list[Tried] = []
    cost = 0.5 * float(np.log(of.total)) * d
    start = first_metric(sample, wanted.seed)
    if to_be_found:
        readout = maximise(_of_sample(of, sample, no_units(d)), 0)
        best = readout.log_evidence + cost, no_units(d)
        table.append(Tried(0, "linear", readout.log_evidence, readout.determined))
    try:
        for k, kind, found in each_pair(sample, start, sizes, wanted, to_be_found):
            readout = maximise(_of_sample(of, sample, found.units), k)
            table.append(Tried(k, kind, readout.log_evidence, readout.determined))
            if best is None or readout.log_evidence > best[0]:
                best = readout.log_evidence, found.units
            wanted.tell(table[-1])
    except KeyboardInterrupt:
        if best is None:
            raise
    assert best is not None
    if sum(one.n_units > 0 for one in table) < len(sizes) * len(wanted.kinds):
        notes.append(STOPPED)
    return best[1], table, notes


def _indicators(y: Array, mean: Array, sd: Array) -> Array:
    """Standardised indicators as ones and zeros again."""
    return np.asarray(np.rint(y * sd + mean))


def _of_sample(of: Prepared, sample: Sample, units: Units) -> Blocks:
    psi, y = features(sample.x, units)[0], _indicators(sample.y, of.rows.y_mean, of.rows.y_sd)
    return lambda: iter([(psi, y, sample.mass)])


def _of_rows(rows: Rows, units: Units) -> Blocks:
    """All rows, block by block; features of moderate data are kept from one Newton step to the next."""

    def made() -> Iterator[tuple[Array, Array, Array]]:
        for piece, y, weights in rows.pieces(units):
            yield piece.psi, _indicators(y, rows.y_mean, rows.y_sd), np.ones(len(y)) if weights is None else weights

    if len(rows.x) > 20 * BLOCK:
        return made
    kept = list(made())
    return lambda: iter(kept)


def predict_logits(params: ClassParams, X: Array) -> tuple[Array, Array]:
    """Logits (n, L) and their variances: of the weights, of what missing inputs leave open, and far from all units of the prior."""
    X = np.asarray(X, float)
    n_logits = params.readout.mean.shape[1]
    logits, variances = np.empty((len(X), n_logits)), np.empty((len(X), n_logits))
    for i in range(0, len(X), BLOCK):
        part = slice(i, i + BLOCK)
        piece = piece_of(X[part], params.scaling, params.units, params.inputs)
        logits[part] = params.readout.logits(piece.psi)
        known = params.readout.variances(piece.psi) + piece.spread(params.readout.mean)
        if params.units.count:
            far = -np.expm1(np.minimum(piece.activity - params.least_activity, 0.0))
            known += (far * np.exp(-params.readout.log_lambda[0]))[:, None]
        variances[part] = known
    return logits, variances


def predict_proba(params: ClassParams, X: Array) -> Array:
    """Probabilities of the classes (n, C), averaged over what is not known of the logits."""
    return moderated(*predict_logits(params, X))


def relevance(sample: Sample, units: Units, readout: Logits) -> Array:
    """Share of each column in the mean squared slopes of the logits, weighted by how undecided the row is: (d,)."""
    x, size = sample.x, np.zeros(sample.x.shape[1])
    p = probabilities(readout.logits(features(x, units)[0]))
    undecided = sample.mass * (1.0 - (p**2).sum(axis=1))
    for slope in slopes_of(x, units, readout.mean):
        size += undecided @ (slope * slope)
    return np.asarray(size / size.sum()) if size.sum() > 0 else size
