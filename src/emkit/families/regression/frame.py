"""What a regression takes from the data before it begins: units of the covariates, and what all rows with a response tell."""

from dataclasses import dataclass, replace

import numpy as np

from emkit.core.block import Source
from emkit.core.summary import ColumnSummary, summarise
from emkit.families.regression.columns import Places
from emkit.families.regression.responses import Response
from emkit.families.regression.units import StandardUnits, standard_units


@dataclass(frozen=True)
class Frame(StandardUnits):
    """Units and totals of the rows whose response is observed: others say nothing, so they must not set units either.

    Attributes
    ----------
    mean : float
        Of the response.
    variance : float
        Of the response; of a normal one less its offset, which is no spread that a regression could tell of.
    start : float
        The linear predictor that has this mean.
    unit : float
        Information of a row at the mean: see ``Response.unit``.
    offset, trials : float
        Means of these columns; 0 and 1 without them.
    pooled : float
        Residual variance of one regression of all rows, of a normal response.
    rows : float
        Total weight of the rows whose response is observed.
    """

    mean: float = 0.0
    variance: float = 1.0
    start: float = 0.0
    unit: float = 1.0
    offset: float = 0.0
    trials: float = 1.0
    pooled: float = 1.0
    rows: float = 0.0

    @classmethod
    def of(cls, source: Source, places: Places, response: Response) -> "Frame":
        """From the rows whose response is observed; ``pooled`` is the variance as yet."""
        summary, q = told_rows(source, places), len(places.on)
        if summary is None:  # no row says anything
            return replace(cls.empty(q), variance=0.0, start=response.link(0.0, 1.0), unit=response.unit(0.0, 1.0), pooled=0.0)
        y, offset, trials, left = (float(value) for value in np.nan_to_num(summary.mean[q:]))
        start = left if response.has_variance else response.link(y, trials) - offset
        spread = float(np.nan_to_num(summary.variance[q + 3 if response.has_variance else q]))
        unit, rows = response.unit(y, trials), float(summary.weight[q])
        return cls(*standard_units(summary, q), y, spread, start, unit, offset, trials, spread, rows)

    @classmethod
    def of_classes(cls, source: Source, places: Places) -> "Frame":
        """From the rows whose response, a class, is observed: units of the covariates, and how many rows there are."""
        summary, q = told_rows(source, places), len(places.on)
        if summary is None:
            return cls.empty(q)
        centre, scale, low, high = standard_units(summary, q)
        return cls(centre, scale, low, high, rows=float(summary.weight[q]))

    def pulled(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives in intercepts and coefficients from those in standardised ones."""
        return slope[:, 0], slope[:, 1:] * self.scale + slope[:, :1] * self.centre

    def pulled_information(self, bends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Diagonal of the information about intercepts and coefficients from that about standardised ones, (K, p, p)."""
        own = np.einsum("kjj->kj", bends)
        of_slopes = own[:, 1:] * self.scale**2 + 2.0 * self.scale * self.centre * bends[:, 0, 1:] + own[:, :1] * self.centre**2
        return own[:, 0], of_slopes


@dataclass(frozen=True)
class Cells:
    """Rows as a regression sees them: z (n, 1 + q), and (n, 1) each of y, offset, trials and whether the row says anything.

    A row whose response is missing says nothing; of one with a missing covariate all is set to zero too (``check`` refuses it).
    """

    z: np.ndarray
    y: np.ndarray
    offset: np.ndarray
    trials: np.ndarray
    told: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, places: Places, frame: Frame) -> "Cells":
        """From rows (n, d)."""
        x = np.asarray(x, dtype=np.float64)
        told = ~np.isnan(x[:, [places.target, *places.given]]).any(axis=1)
        if not told.all():
            x = np.where(told[:, None], x, 0.0)
        z = np.empty((len(x), 1 + len(places.on)))
        z[:, 0] = 1.0
        z[:, 1:] = (x[:, list(places.on)] - frame.centre) / frame.scale
        none = np.zeros((len(x), 1))
        offset = none if places.offset is None else x[:, [places.offset]]
        trials = none + 1.0 if places.trials is None else x[:, [places.trials]]
        return cls(z, x[:, [places.target]], offset, trials, told)


def told_rows(source: Source, places: Places) -> ColumnSummary | None:
    """Of covariates, response, offset, trials and response less offset, over rows with a response and a weight; None if none has.

    Without an offset it is 0, without trials they are 1.
    """
    found = None
    for block in source:
        x, weights = np.asarray(block.x), block.row_weights
        told = ~np.isnan(x[:, places.target])
        if weights is not None:
            told &= weights > 0
        if not told.any():
            continue
        if not told.all():
            x, weights = x[told], None if weights is None else weights[told]
        cells = np.zeros((len(x), len(places.on) + 4))
        cells[:, :-4] = x[:, list(places.on)]
        cells[:, -4] = x[:, places.target]
        cells[:, -3] = 0.0 if places.offset is None else x[:, places.offset]
        cells[:, -2] = 1.0 if places.trials is None else x[:, places.trials]
        cells[:, -1] = cells[:, -4] - cells[:, -3]
        here = summarise(cells, weights)
        found = here if found is None else found + here
    return found
