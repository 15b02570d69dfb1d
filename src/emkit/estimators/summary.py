"""Summaries of fits as text."""

from typing import Any

import numpy as np


def mixture_summary(face: Any) -> str:
    """What a statistician reads first: the fit, its criteria, the prior, the components."""
    result = face.result_
    k, d = face.means_.shape
    names = [str(n) for n in getattr(face, "feature_names_in_", [f"x{j}" for j in range(d)])]
    prior = result.model.family.prior
    fixed = sorted({*result.model.fixed, *result.model.family.fixed})
    lines = [
        f"Gaussian mixture: {k} component{'s' * (k > 1)}, {face.covariance_type} covariance, {d} column{'s' * (d > 1)}, "
        f"{result.n_rows} rows" + (f" (weight {result.total_weight:g})" if result.total_weight != result.n_rows else ""),
        f"  {result.reason.value}; {result.n_iter} iterations",
        f"  {result.starts_summary()}",
        f"  log-likelihood {result.log_likelihood:.4f}   free parameters {result.n_free}   "
        f"AIC {face.aic():.2f}   BIC {face.bic():.2f}   (lower is better)",
        f"  prior: {_prior_in_words(prior, result.log_prior, fixed)}",
    ]
    if fixed:
        lines.append(f"  fixed: {', '.join(fixed)}")
    shown = names[:8]
    lines.append("")
    lines.append("  component   weight   " + "   ".join(f"{n[:14]:>14}" for n in shown) + ("   ..." if d > 8 else ""))
    variances = _variances(face.result_.params.components.covariances, k, d)
    for j in range(k):
        cells = [f"{m:.4g} ({s:.3g})" for m, s in zip(face.means_[j][:8], np.sqrt(variances[j][:8]), strict=True)]
        lines.append(f"  {j:>9}   {face.weights_[j]:.4f}   " + "   ".join(f"{c:>14}" for c in cells))
    lines.append("  means, standard deviations in brackets")
    return "\n".join(lines)


def _prior_in_words(prior: Any, log_prior: float, fixed: list[str]) -> str:
    if prior is None:
        return "none (maximum likelihood)"
    if "covariances" in fixed and (prior.mean_mass == 0 or "means" in fixed):
        return "of no effect here: what it is about is fixed"
    return f"{prior.name}, {prior.mass:.3g} pseudo-observations; its log density {log_prior:.4g} (up to a constant)"


def _variances(covariances: np.ndarray, k: int, d: int) -> np.ndarray:
    """Variances of each column under each component, (K, d), from internal form."""
    flat = np.diagonal(covariances, axis1=1, axis2=2) if covariances.ndim == 3 else covariances
    return np.broadcast_to(flat, (k, d))


def hmm_summary(face: Any) -> str:
    """The fit, the chain, and where each state sits."""
    from emkit.core.errors import ParameterError
    from emkit.families.location import mean_and_variance

    result = face.result_
    params = result.params
    k = len(params.startprob)
    lines = [
        f"Hidden Markov model: {k} state{'s' * (k > 1)}, {_emission_name(face)} emissions, {result.n_rows} steps",
        f"  {result.reason.value}; {result.n_iter} iterations",
        f"  {result.starts_summary()}",
        f"  log-likelihood {result.log_likelihood:.4f}   free parameters {result.n_free}   "
        f"AIC {face.aic():.2f}   BIC {face.bic():.2f}   (lower is better)",
        f"  log prior {result.log_prior:.4g} (up to a constant)",
        "",
    ]
    try:
        mean, variance = mean_and_variance(result.model.family, params.emissions)
    except ParameterError:
        mean = variance = np.zeros((k, 0))
    names = [str(n) for n in getattr(face, "feature_names_in_", [f"x{j}" for j in range(mean.shape[1])])][:8]
    chain = [f"to {j}" for j in range(k)][:12] + (["to end"] if params.endprob is not None else [])
    lines.append("  state    start   " + "  ".join(f"{c:>6}" for c in chain) + "   " + "   ".join(f"{n[:16]:>16}" for n in names))
    for i in range(k):
        row = [f"{p:6.4f}" for p in params.transmat[i][:12]] + ([f"{params.endprob[i]:6.4f}"] if params.endprob is not None else [])
        cells = [f"{m:.4g} ({s:.3g})" for m, s in zip(mean[i][:8], np.sqrt(variance[i][:8]), strict=True)]
        lines.append(f"  {i:>5}   {params.startprob[i]:.4f}   " + "  ".join(row) + "   " + "   ".join(f"{c:>16}" for c in cells))
    lines.append("  means of what states emit, standard deviations in brackets")
    return "\n".join(lines)


def _emission_name(face: Any) -> str:
    emission = face.emission if isinstance(face.emission, str) else type(face.emission).__name__
    if emission == "gaussian":
        emission = f"{face.covariance_type} Gaussian"
    return f"mixtures of {face.n_mix} {emission}" if face.n_mix > 1 else emission
