"""Summaries of fits as text."""

from typing import Any

import numpy as np

from emkit.core.prior import Prior


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
        "  prior: "
        + ("none (maximum likelihood)" if prior is None else f"{prior.name}, {prior.mass:.3g} pseudo-observations")
        + (f"; its log density {result.log_prior:.4g} (up to a constant)" if isinstance(prior, Prior) else ""),
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


def _variances(covariances: np.ndarray, k: int, d: int) -> np.ndarray:
    """Variances of each column under each component, (K, d), from internal form."""
    flat = np.diagonal(covariances, axis1=1, axis2=2) if covariances.ndim == 3 else covariances
    return np.broadcast_to(flat, (k, d))
