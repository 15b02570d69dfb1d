"""Which number of units and which kind: every pair is fitted on the sample, the largest log evidence wins."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from emkit.models.rbf.centers import cluster
from emkit.models.rbf.evidence import Readout
from emkit.models.rbf.features import Array, Units
from emkit.models.rbf.metric import Sample, evidence_and_slope, improve, worth
from emkit.models.rbf.prepared import Prepared
from emkit.models.rbf.sampling import on_grid

FEWEST = 8  # rows below which there is a linear part only
SIZES = (4, 10, 25, 60)
KINDS = ("normalised", "plain")
STOPPED = "the search over the number of units was stopped"
_FIRST, _THEN = 20, 40  # evaluations of the evidence before and after the centres are put by the new metric
_DRAWS, _POLISH = 8, 15  # most further draws of the centres of the winner, evaluations for each
_DRAWN = 3000  # rows in all of those draws: few rows need them more, and many make them dear


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
class Wanted:
    """Which units are wanted, and who is asked and told during the search."""

    n_units: int | str = "auto"
    """"auto": the best of 4, 10, 25 and 60, up to a quarter of the rows."""
    units: str = "auto"
    """"auto", "plain" or "normalised"."""
    widths: str = "columns"
    """"columns": one width per column; "units": times a factor of each unit."""
    centers: str | Array = "metric"
    """Clusters of the inputs in the metric found ("metric"), of the standardised inputs ("input"), or of inputs in that metric and
    target ("joint"); or (K, d) of all columns, in the user's units."""
    seed: int = 0
    halted: Callable[[], bool] = lambda: False
    """Asked between evaluations whether to stop; the best so far is then returned."""
    report: Callable[[Tried], None] | None = None
    """Told each pair of number and kind when it has been fitted."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of units to try."""
        return KINDS if self.units == "auto" else (self.units,)

    @property
    def draws(self) -> bool:
        """Whether centres depend on the metric, so that they are drawn again in a better one."""
        return isinstance(self.centers, str) and self.centers != "input"

    def tell(self, tried: Tried) -> None:
        """Report a pair."""
        if self.report is not None:
            self.report(tried)


@dataclass(frozen=True)
class Found:
    """Units and readout on the sample."""

    units: Units
    readout: Readout
    value: float
    """Log evidence plus the logarithm of the prior of the widths."""


def place(sample: Sample, log_omega: Array, k: int, wanted: Wanted, again: int = 0) -> Array:
    """Centres (k, d): clusters of the inputs scaled by the square roots of omega, or as is wanted; ``again``: a further draw."""
    if not isinstance(wanted.centers, str):
        return wanted.centers
    rng = np.random.default_rng([wanted.seed + again, k])
    if wanted.centers == "input":
        return cluster(sample.x, sample.mass, k, rng)
    root = np.exp(0.5 * log_omega)
    scaled = sample.x * root
    if wanted.centers == "joint":  # the target counts as much as the inputs together
        size = np.sqrt((sample.mass @ (scaled * scaled)).sum() / (sample.mass @ (sample.y * sample.y)).sum())
        return cluster(np.column_stack([scaled, size * sample.y]), sample.mass, k, rng)[:, : len(root)] / root
    return cluster(scaled, sample.mass, k, rng) / root


def fit_one(sample: Sample, start: Array, k: int, kind: str, wanted: Wanted, begins: Sequence[Array] = ()) -> Found:
    """Units of one kind and number: widths, then centres in that metric, then widths again.

    ``start`` (d,) centres the prior of log omega; the search begins there or at one of ``begins``, where the
    evidence is largest: with many columns all units may vanish at the start, and no slope leads away from it.
    """
    factors, normalised, halted = np.zeros(k), kind == "normalised", wanted.halted
    places = [Units(place(sample, at, k, wanted), at, factors, normalised) for at in (start, *begins)]
    units = max(places, key=lambda at: worth(sample, at, start)) if begins else places[0]
    units, value, warm = improve(sample, units, start, _FIRST, halted=halted)
    if wanted.draws:
        moved = replace(units, centers=place(sample, units.log_omega, k, wanted))
        again, then, warm_again = improve(sample, moved, start, _THEN, halted=halted)
        if then > value:
            units, value, warm = again, then, warm_again
    if wanted.widths == "units":
        units, value, warm = improve(sample, units, start, _THEN, own_factors=True, halted=halted)
    return Found(units, evidence_and_slope(sample, units, warm)[0], value)


def polish(sample: Sample, found: Found, start: Array, wanted: Wanted) -> Found:
    """The same number and kind of units after a few more draws of the clusters in the best metric so far.

    The best is kept. Where the target jumps, it matters which of several clusterings puts its borders near the jump.
    """
    for again in range(1, 1 + min(_DRAWS, max(1, _DRAWN // len(sample.x)))):
        if wanted.halted():
            break
        at = found.units
        moved = replace(at, centers=place(sample, at.log_omega, at.count, wanted, again))
        units, value, warm = improve(sample, moved, start, _POLISH, halted=wanted.halted)
        if value > found.value:
            found = Found(units, evidence_and_slope(sample, units, warm)[0], value)
    return found


def sizes_for(rows: float) -> list[int]:
    """Numbers of units to try: 4, 10, 25, 60, up to a quarter of the rows."""
    return [k for k in SIZES if k <= rows / 4] or [1]


def planned(of: Prepared, wanted: Wanted) -> tuple[list[int], Wanted, list[str]]:
    """Numbers of units to try, none where there is only a linear part; centres standardised; and what to say about it."""
    kept, n_units = of.scaling.kept, wanted.n_units
    if of.total < FEWEST or not len(kept):
        return [], wanted, [f"a linear model: {'fewer than 8 rows' if len(kept) else 'no column varies'}"]
    sizes = sizes_for(of.total) if isinstance(n_units, str) else [n_units]
    if not isinstance(wanted.centers, str):
        centers = on_grid(of.scaling.apply(np.asarray(wanted.centers, float)))
        sizes, wanted = [len(centers)], replace(wanted, centers=centers)
    return sizes, wanted, [f"{sizes[-1]} units are more than a quarter of the rows"] if sizes[-1] > of.total / 4 else []


def each_pair(
    sample: Sample, start: Array, sizes: Sequence[int], wanted: Wanted, begun: bool = False
) -> Iterator[tuple[int, str, Found]]:
    """Every number and kind of units, fitted, until it is halted; the first in any case, unless something is ``begun``.

    Each begins at the best of the start and the widths of its neighbours: the number before it, and the other kind.
    """
    earlier: dict[tuple[str, int], Array] = {}
    for kind in wanted.kinds:
        for i, k in enumerate(sizes):
            if (begun or earlier) and wanted.halted():
                break
            near = [earlier[pair] for pair in ((kind, sizes[i - 1]), (wanted.kinds[0], k)) if pair in earlier]
            found = fit_one(sample, start, k, kind, wanted, near)
            earlier[kind, k] = found.units.log_omega
            yield k, kind, found


def search(sample: Sample, start: Array, sizes: Sequence[int], wanted: Wanted, shift: float) -> tuple[Found, list[Tried], bool]:
    """The best of all pairs, the table, and whether everything was tried.

    Where it is halted, or Ctrl-C is pressed, it is what was found so far; before that KeyboardInterrupt goes through.

    ``shift`` is added to log evidences: the logarithm of the target's scale, over the rows.
    """
    best: Found | None = None
    table: list[Tried] = []
    try:
        for k, kind, found in each_pair(sample, start, sizes, wanted):
            table.append(Tried(k, kind, found.readout.log_evidence + shift, found.readout.determined(k)))
            if best is None or found.readout.log_evidence > best.readout.log_evidence:
                best = found
            wanted.tell(table[-1])
        assert best is not None
        if wanted.widths == "columns" and wanted.draws:
            best = polish(sample, best, start, wanted)
    except KeyboardInterrupt:
        if best is None:
            raise
        return best, table, False
    return best, table, len(table) == len(sizes) * len(wanted.kinds)
