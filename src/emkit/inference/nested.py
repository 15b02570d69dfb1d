"""The likelihood-ratio test between two fits to the same data, of which one is a special case of the other (Wilks 1938)."""

from emkit.core.errors import ParameterError
from emkit.core.result import Result, StopReason
from emkit.core.warn import warn
from emkit.inference.sandwich import ChiSquared

_SAME = 1e-9  # relative: total weights that differ by less are one


class LikelihoodRatio(ChiSquared):
    """Twice what the larger model's log-likelihood is above the smaller's."""

    called = "likelihood ratio"


def nested_test(smaller: Result, larger: Result) -> LikelihoodRatio:
    """Test whether the data refuse what the smaller model holds fixed or equal.

    Raises
    ------
    ParameterError
        Where the statistic has no chi-squared distribution (unlike models, other numbers of components), for fits to other data,
        and where there is no likelihood to compare.

    References
    ----------
    Wilks (1938), Annals of Mathematical Statistics 9, 60-62.
    """
    for result in (smaller, larger):
        if result.reason is StopReason.SET_BY_HAND:
            raise ParameterError(
                "parameters that were set by hand have no likelihood to compare: fit both models", parameter="smaller"
            )
        if result.reason is StopReason.STREAM:
            raise ParameterError(
                "the rows that partial_fit learnt from are gone, and nobody knows their likelihood now: fit both models to them",
                parameter="smaller",
            )
        if result.model.is_posterior:
            raise ParameterError("a variational fit has a lower bound, no likelihood to compare", parameter="smaller")
    _refuse_unlike(smaller, larger)
    df = larger.n_free - smaller.n_free
    if df <= 0:
        raise ParameterError(
            f"the special case has {smaller.n_free} free parameters, and the model that it is compared with {larger.n_free}: "
            "the latter must be the one with more",
            parameter="smaller",
        )
    gain = larger.log_likelihood - smaller.log_likelihood
    if gain < -10.0 * max(larger.tolerance, smaller.tolerance) - abs(larger.log_prior - smaller.log_prior):
        warn(
            f"the larger model's log-likelihood is {-gain:.3g} below the smaller's: it is at a local optimum (try more starts), or "
            "the smaller model is not a special case of it"
        )
    for result, called in ((smaller, "smaller"), (larger, "larger")):
        if not result.converged:
            warn(f"the {called} model has not converged ({result.reason.value}): the test is not to be relied on")
    return LikelihoodRatio(2.0 * max(gain, 0.0), df)


def _refuse_unlike(smaller: Result, larger: Result) -> None:
    """Raise ParameterError if these cannot be nested, or not regularly."""
    kinds = [type(result.model).__name__ for result in (smaller, larger)]
    if kinds[0] != kinds[1]:
        raise ParameterError(f"a {kinds[0]} is no special case of a {kinds[1]}", parameter="smaller")
    if smaller.model.n_hidden != larger.model.n_hidden:
        raise ParameterError(
            f"{smaller.model.n_hidden} and {larger.model.n_hidden} components: under the smaller model parameters of the larger "
            "mean nothing, and the statistic is not chi-squared; emkit.likelihood_ratio_test finds its distribution by bootstrap",
            parameter="smaller",
        )
    a, b = smaller.total_weight, larger.total_weight
    if smaller.n_rows != larger.n_rows or abs(a - b) > _SAME * max(abs(a), abs(b)):
        raise ParameterError(
            f"fits to other data: {smaller.n_rows} rows of total weight {a:g}, and {larger.n_rows} of {b:g}", parameter="smaller"
        )
