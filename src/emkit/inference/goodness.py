"""How well a latent class model reproduces the table of all patterns of answers: L2 and X2."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from emkit.core.notebook import Printed
from emkit.inference.answers import Answers, Measurement

_THIN = 5.0  # expected rows of a cell below which the distributions of L2 and X2 are no longer near chi-squared


@dataclass(frozen=True)
class FitStatistics(Printed):
    """L2 and X2 of a latent class model against the saturated model of the table of patterns.

    Attributes
    ----------
    L2 : float
        Likelihood-ratio statistic 2 sum n log(n / m) over observed patterns; also called G2, or the deviance. n is the weight of a
        pattern's rows, m what the model expects.
    X2 : float
        Pearson's sum (n - m)^2 / m over all cells, those that nobody is in among them.
    df : int
        Cells - 1 - free parameters. Where it is not positive, the model has no fewer parameters than the table has cells, and there
        is nothing to test.
    p_L2, p_X2 : float
        From the chi-squared distribution with ``df`` degrees of freedom; NaN without degrees of freedom.
    dissimilarity : float
        Share of the rows that would have to be in other cells for a perfect fit.
    n_cells, n_patterns : int
        Cells of the table, and those that rows are in.
    weight, left_out : float
        Weight of the rows that count, those with every answer; and of those with a missing one, which do not.
    p_L2_bootstrap, p_X2_bootstrap : float or None
        From data drawn from the model and fitted again, ``n_bootstrap`` times.
    """

    L2: float
    X2: float
    df: int
    p_L2: float
    p_X2: float
    dissimilarity: float
    n_cells: int
    n_patterns: int
    weight: float
    left_out: float
    p_L2_bootstrap: float | None = None
    p_X2_bootstrap: float | None = None
    n_bootstrap: int = 0

    @property
    def is_sparse(self) -> bool:
        """Whether cells expect fewer than five rows on average, so that only bootstrap p values are to be trusted."""
        return self.weight / _THIN < self.n_cells  # as a whole number it may be beyond floating point

    def __str__(self) -> str:
        wide, far = (max(12, len(f"{max(self.L2, self.X2):.4f}") + 2), max(8, len(str(self.df)) + 2))
        lines = [f"{'':3}{'value':>{wide}}{'df':>{far}}{'p':>10}"]
        lines[0] += "" if self.p_L2_bootstrap is None else f"{'p, bootstrap':>15}"
        for name, value, p, drawn in (
            ("L2", self.L2, self.p_L2, self.p_L2_bootstrap),
            ("X2", self.X2, self.p_X2, self.p_X2_bootstrap),
        ):
            lines.append(f"{name:3}{value:{wide}.4f}{self.df:{far}d}{p:10.4f}" + ("" if drawn is None else f"{drawn:15.4f}"))
        lines.append(f"{self.n_patterns} of {self.n_cells} cells are observed; weight {self.weight:g}")
        if self.left_out:
            lines.append(f"rows with a missing answer do not count here: weight {self.left_out:g}")
        if self.df <= 0:
            lines.append("no degrees of freedom: at least as many parameters as cells, so the model cannot be tested")
        elif self.is_sparse and self.p_L2_bootstrap is None:
            lines.append("fewer than 5 rows a cell: p from chi-squared is unreliable; ask for n_bootstrap=200")
        return "\n".join(lines)


def fit_statistics(measurement: Measurement, answers: Answers) -> FitStatistics:
    """L2 and X2 (Goodman 1974, Biometrika 61, 215-231) over the rows with every answer.

    Where answers are missing the table of complete patterns says nothing of the other rows; as R's poLCA does, these are left out
    here (the fit itself used them), and what the model expects is scaled to the rows that are left. That is a test only if answers
    are missing completely at random. NaN where no row is complete.
    """
    whole = answers.take(answers.complete).patterns
    whole = whole.take(whole.weights > 0)
    df = measurement.n_cells - 1 - measurement.n_free
    left_out = answers.total - whole.total
    if not whole.n:
        nan = float("nan")
        return FitStatistics(nan, nan, df, nan, nan, nan, measurement.n_cells, 0, 0.0, left_out)
    n, share = whole.weights, np.exp(measurement.log_prob(whole))
    m = whole.total * share
    empty = whole.total * max(1.0 - float(share.sum()), 0.0) if whole.n < measurement.n_cells else 0.0  # in cells of nobody
    with np.errstate(divide="ignore"):
        l2 = 2.0 * float(n @ np.log(n / m))
        x2 = float(((n - m) ** 2 / m).sum()) + empty
    p = [float(chi2.sf(value, _number(df))) if df > 0 else float("nan") for value in (l2, x2)]
    apart = 0.5 * (float(np.abs(n - m).sum()) + empty) / whole.total
    return FitStatistics(l2, x2, df, p[0], p[1], apart, measurement.n_cells, whole.n, whole.total, left_out)


def _number(count: int) -> float:
    """A count of cells, which may be beyond floating point, as a number."""
    try:
        return float(count)
    except OverflowError:
        return float("inf")
