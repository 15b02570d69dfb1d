"""Which number of units and which kind: every pair is fitted on the sample, the largest log evidence wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emkit.models.rbf.centers import cluster
from emkit.models.rbf.evidence import Readout
from emkit.models.rbf.features import Array, Units
from emkit.models.rbf.first_metric import gate_variances
from emkit.models.rbf.metric import Sample, evidence_and_slope, improve

SIZES = (4, 10, 25, 60)
KINDS = ("plain", "normalised")
_FIRST, _THEN = 40, 40  # evaluations of the evidence before and after the centres are put by the new metric


class Halted(Exception):
    """The user asked to stop."""


@dataclass(frozen=True)
class Tried:
    """One line of the table: a number and kind of units, and how good it was on the sample."""

    n_units: int
    units: str
    log_evidence: float
    """In the target's units, for the rows of the sample."""
    effective_weights: float
    """Weights that the data determine: sum over parameters of 1 - lambda S_ii."""


@dataclass(frozen=True)
class Found:
    """Units and readout on the sample."""

    units: Units
    readout: Readout
    value: float
    """Log evidence plus the logarithm of the prior of the widths."""


def place(sample: Sample, log_omega: Array, k: int, centers: str | Array, seed: int) -> Array:
    """Centres (k, d): clusters of the inputs scaled by the square roots of omega, or as the name says."""
    if not isinstance(centers, str):
        return centers
    rng = np.random.default_rng([seed, k])
    if centers == "input":
        return cluster(sample.x, sample.mass, k, rng)
    root = np.exp(0.5 * log_omega)
    scaled = sample.x * root
    if centers == "joint":  # the target counts as much as the inputs together
        size = np.sqrt((sample.mass @ (scaled * scaled)).sum() / (sample.mass @ (sample.y * sample.y)).sum())
        return cluster(np.column_stack([scaled, size * sample.y]), sample.mass, k, rng)[:, : len(root)] / root
    return cluster(scaled, sample.mass, k, rng) / root


def fit_one(
    sample: Sample,
    start: Array,
    k: int,
    kind: str,
    *,
    begin: Array | None = None,
    widths: str = "columns",
    centers: str | Array = "metric",
    seed: int = 0,
    halted: Callable[[], bool] = lambda: False,
) -> Found:
    """Units of one kind and number: widths, then centres in that metric, then widths again.

    ``start`` (d,) centres the prior of log omega; ``begin`` (d,) is where the search begins, ``start`` if None.
    """
    log_omega = start if begin is None else begin
    units = Units(place(sample, log_omega, k, centers, seed), log_omega, np.zeros(k), kind == "normalised")
    units, value, warm = improve(sample, units, start, _FIRST, halted=halted)
    if isinstance(centers, str) and centers != "input":
        moved = replace(units, centers=place(sample, units.log_omega, k, centers, seed))
        again, then, warm_again = improve(sample, moved, start, _THEN, halted=halted)
        if then > value:
            units, value, warm = again, then, warm_again
    if widths == "units":
        units, value, warm = improve(sample, units, start, _THEN, own_factors=True, halted=halted)
    return Found(units, evidence_and_slope(sample, units, warm)[0], value)


def first_metric(sample: Sample, seed: int) -> Array:
    """Log omega (d,) to start from: a quarter of the inverse gate variances of a mixture of linear experts."""
    rng = np.random.default_rng([seed, 0])
    return np.asarray(-np.log(4.0 * gate_variances(sample.x, sample.y, sample.mass, rng)))


def sizes_for(rows: float) -> list[int]:
    """Numbers of units to try: 4, 10, 25, 60, up to a quarter of the rows."""
    return [k for k in SIZES if k <= rows / 4] or [1]


def determined(found: Found) -> float:
    """Number of weights that the data determine (MacKay's gamma, summed)."""
    k, lam = found.units.count, np.exp(found.readout.log_lambda)
    diagonal = found.readout.inverse.diagonal()
    return float(k - lam[0] * diagonal[1 : 1 + k].sum() + len(diagonal) - 1 - k - lam[1] * diagonal[1 + k :].sum())


def search(
    sample: Sample,
    start: Array,
    sizes: Sequence[int],
    kinds: Sequence[str],
    shift: float,
    *,
    widths: str = "columns",
    centers: str | Array = "metric",
    seed: int = 0,
    halted: Callable[[], bool] = lambda: False,
    report: Callable[[Tried], None] | None = None,
) -> tuple[Found, list[Tried]]:
    """The best of all pairs and the table; what was found so far where ``halted`` says to stop.

    ``shift`` is added to log evidences: the logarithm of the target's scale, over the rows.
    """
    best: Found | None = None
    table: list[Tried] = []
    for kind in kinds:
        begin: Array | None = None
        for k in sizes:
            if best is not None and halted():
                break
            found = fit_one(sample, start, k, kind, begin=begin, widths=widths, centers=centers, seed=seed, halted=halted)
            begin = found.units.log_omega
            table.append(Tried(k, kind, found.readout.log_evidence + shift, determined(found)))
            if report is not None:
                report(table[-1])
            if best is None or found.readout.log_evidence > best.readout.log_evidence:
                best = found
    assert best is not None
    return best, table
