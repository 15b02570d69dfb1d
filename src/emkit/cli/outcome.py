"""What a fit came to, as one JSON object: what ``fit --json`` and ``inspect --json`` print."""

from dataclasses import asdict
from typing import Any

from emkit.cli.estimators import model_name


def outcome(fitted: Any, version: str) -> dict[str, Any]:
    """Settings, columns, outcome, starts and parameters of a fitted estimator."""
    if not fitted.has_result:
        return {**_head(fitted, version), **fitted.more_of_fit(), "parameters": fitted.parameters(), "settings": settings(fitted)}
    result = fitted.result_
    return {
        **_head(fitted, version),
        "n_rows": result.n_rows,
        "total_weight": result.total_weight,
        "converged": result.converged,
        "reason": result.reason.name,
        "message": result.reason.value,
        "n_iter": result.n_iter,
        "log_likelihood": result.log_likelihood,
        "log_prior": result.log_prior,
        "objective": result.objective,
        "gain_to_come": result.remaining,
        "n_free": result.n_free,
        **fitted.criteria(),
        **fitted.more_of_fit(),
        "slivers": [asdict(sliver) for sliver in result.slivers],
        "parameters": fitted.parameters(),
        "starts": [
            {
                "index": start.index,
                "kind": start.kind,
                "short_objective": start.short_objective,
                "objective": start.objective,
                "n_iter": start.n_iter,
                "reason": start.reason.name if start.reason else None,
            }
            for start in result.starts
        ],
        "settings": settings(fitted),
    }


def _head(fitted: Any, version: str) -> dict[str, Any]:
    """What it is, and of which columns."""
    return {
        "model": model_name(type(fitted).__name__),
        "estimator": type(fitted).__name__,
        "emkit_version": version,
        "columns": columns(fitted),
        "target": fitted.target_column(),
        "families": fitted.column_families(),
    }


def columns(fitted: Any) -> list[str] | None:
    """Names of the columns that the model was fitted to; None if they had no names."""
    names = getattr(fitted, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def columns_in(fitted: Any, there: list[str]) -> list[str] | None:
    """``columns``, for a network only those that a table has: what it lacks is not observed. All of them if it has none."""
    names = columns(fitted)
    if names is None or not fitted.answers_queries:
        return names
    stripped = {name.strip() for name in there}
    return [name for name in names if name.strip() in stripped] or names


def settings(fitted: Any) -> dict[str, Any]:
    """The estimator's parameters, without those that belong to one run and not to the model."""
    kept = {
        k: v for k, v in fitted.get_params(deep=False).items() if k not in ("monitors", "checkpoint", "verbose", "verbose_interval")
    }
    return {
        name: value if value is None or isinstance(value, str | int | float | dict | list) else repr(value)
        for name, value in kept.items()
    }
