"""The approximation of a log marginal likelihood by Cheeseman and Stutz: what AutoClass compares classifications by."""

import math
from dataclasses import dataclass

from emkit.core.block import Source
from emkit.core.executor import Executor
from emkit.core.model import EStep
from emkit.core.result import Result


@dataclass(frozen=True)
class Marginal:
    """``value``: the approximate log marginal likelihood, nats, higher is better; NaN if there is none, and ``reason`` says why."""

    value: float
    reason: str = ""


def cheeseman_stutz(result: Result, source: Source, executor: Executor) -> Marginal:
    """Log p(D') + log p(D | theta) - log p(D' | theta) + log K!, from one E-step at the fitted parameters theta.

    D' are the data with their labels: fractions of rows, as expected at theta. Their marginal probability has a closed form, and
    the second and third term repair what completing the data has added. K! are the ways to number K labels, each of which is an
    optimum of its own; without it, models with more labels would be charged for their names. With one label it is exact; with
    several, and without K!, it is never above the log marginal likelihood (Beal and Ghahramani 2006, Bayesian Analysis 1, 793-832),
    close to it where labels are sure, and well below where they are not.

    Priors are the model's own where they are conjugate and proper. Otherwise: Jeffreys' for all probabilities, weights included;
    exponential with the column's mean for rates; of unit information for means and covariances, see
    ``emkit.families.gaussian.marginal``.

    References
    ----------
    Cheeseman and Stutz (1996), in Advances in Knowledge Discovery and Data Mining, 153-180. Chickering and Heckerman (1997),
    Machine Learning 29, 181-212, compare it with other approximations, and recommend it.
    """
    model, params = result.model, result.params
    if model.is_posterior:
        return Marginal(math.nan, "a variational fit has a lower bound of its log marginal likelihood already")
    stats, log_likelihood = executor.map_reduce(EStep(model, params), source)
    gain = model.complete_marginal(stats, params)
    if gain is None:
        return Marginal(
            math.nan,
            "the marginal probability of complete data has no closed form: its families are Categorical, Bernoulli, Multinomial, "
            "Poisson, and Gaussian of the shapes full, tied, diag, spherical, tied-diag and tied-spherical, with nothing fixed",
        )
    return Marginal(float(log_likelihood) + gain + math.lgamma((model.n_hidden or 1) + 1.0))
