"""Summaries of fits as text: what a statistician reads first."""

from typing import Any

import numpy as np

from emkit.core.result import Result, StopReason

_COLUMNS, _STATES = 8, 12  # as many as fit on a line


def summary(face: Any, result: Result) -> str:
    """How the fit ended, its criteria and priors, and where each component or state sits."""
    model, params = result.model, result.params
    lines = [f"{face._in_words(result)}, {_data(face, result)}", f"  {result.reason.value}; {result.n_iter} iterations"]
    if result.reason is StopReason.SET_BY_HAND:
        lines[1] = f"  {result.reason.value}; {model.n_free(params)} free parameters"
    elif result.reason is StopReason.STREAM:
        lines[1] = f"  {result.reason.value}; {result.n_iter} updates"
        lines += [
            f"  log-likelihood of a row, before it was learnt from: {result.log_likelihood / result.total_weight:.4f} on average",
            f"  free parameters {result.n_free}   prior: {_priors(model.priors_in_words(), result.log_prior)}",
        ]
    else:
        lines += [
            f"  {result.starts_summary()}",
            *face._value_in_words(result),
        ]
    left_out = face.__dict__.get("_left_out")
    lines += [f"  note: {left_out}"] if left_out else []
    lines += [f"  a sliver: {sliver}" for sliver in result.slivers]
    lines += [f"  note: {remark}" for remark in model.remarks(params)]
    held = model.held_names()
    if held:
        lines.append(f"  fixed: {', '.join(held)}")
    lines.append("")
    lines += face._labels_in_words(result)
    lines += face._more_in_words(result)
    return "\n".join(lines)


def criteria(face: Any, result: Result) -> list[str]:
    """What the fit is worth, by maximum likelihood, and its priors."""
    return [
        f"  log-likelihood {result.log_likelihood:.4f}   free parameters {result.n_free}   "
        f"AIC {face.aic():.2f}   BIC {face.bic():.2f}   (lower is better)",
        f"  prior: {_priors(result.model.priors_in_words(), result.log_prior)}",
    ]


def _priors(words: list[str], log_prior: float) -> str:
    if not words:
        return "none (maximum likelihood)"
    text = "; ".join(words)
    return text if text.startswith("of no effect") else f"{text}; its log density {log_prior:.4g} (up to a constant)"


def _data(face: Any, result: Result) -> str:
    d = face._n_columns()
    weight = f" (weight {result.total_weight:g})" if result.total_weight != result.n_rows else ""
    return f"{d} column{'s' * (d != 1)}, {result.n_rows} rows{weight}"


def labels(face: Any, model: Any, params: Any) -> list[str]:
    """A line for each label: its own parameters, and the mean and standard deviation of each column."""
    head, rows = model.label_table(params)
    moments = model.moments(params)
    columns = face.columns_.items
    shown = [] if moments is None else [j for j in face._columns_by_moments() if not np.isnan(moments[0][:, j]).all()]
    names = [columns[j].name for j in shown][:_COLUMNS]
    mean, variance = (np.zeros((len(rows), 0)),) * 2 if moments is None else (moment[:, shown] for moment in moments)
    more = "   ..." if mean.shape[1] > _COLUMNS else ""
    lines = ["  " + "   ".join([head, *(f"{name[:16]:>16}" for name in names)]) + more]
    for row, m, v in zip(rows, mean, variance, strict=True):
        cells = [f"{a:.4g} ({s:.3g})" for a, s in zip(m[:_COLUMNS], np.sqrt(v[:_COLUMNS]), strict=True)]
        lines.append("  " + "   ".join([row, *(f"{cell:>16}" for cell in cells)]))
    return [*lines, "  means, standard deviations in brackets"] if names else lines
