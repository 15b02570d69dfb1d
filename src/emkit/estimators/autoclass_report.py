"""AutoClass's reports as text: how strong classes are, and which columns set each of them apart."""

from typing import Any

import numpy as np


def report(face: Any, n_columns: int) -> str:
    """Classes, then columns overall, then the columns of each class by influence."""
    names, influence = face.columns_.names, face.influence_
    weights = face.result_.params.weights
    sizes = np.bincount(face.labels_, minlength=len(influence))
    strongest = float(np.nanmax(face.class_strength_))
    lines = [
        f"AutoClass: {len(influence)} classes of {len(face.labels_)} rows; log marginal {face.log_marginal_:.3f}",
        f"{face.tries_} tries; {face.search_ended_}",
        "",
        "class   weight   rows   relative strength   cross entropy with the whole",
    ]
    for k, size in enumerate(sizes):
        strength = float(np.exp(face.class_strength_[k] - strongest))
        lines.append(f"{k:5d}   {weights[k]:6.4f}  {size:5d}   {strength:17.3g}   {face.cross_entropy_[k]:28.3f}")
    overall = face.overall_influence_
    lines += ["", "influence of columns on all classes, the largest set to 1"]
    lines += [f"  {overall[j]:6.3f}  {names[j]}" for j in np.argsort(-overall, kind="stable") if overall[j] > 0]
    for k in range(len(influence)):
        best = [j for j in np.argsort(-influence[k], kind="stable")[:n_columns] if influence[k, j] > 0]
        lines += ["", f"class {k}: influence in nats"]
        lines += [f"  {influence[k, j]:7.3f}  {names[j]}{_where(face, k, int(j))}" for j in best]
    return "\n".join(lines)


def for_programs(face: Any) -> dict[str, Any]:
    """Classes and influences, nats, as lists and numbers; the strength of a class without rows is NaN."""
    names, influence = face.columns_.names, face.influence_
    sizes = np.bincount(face.labels_, minlength=len(influence))
    weights = face.result_.params.weights
    classes = [
        {
            "class": k,
            "weight": float(weights[k]),
            "rows": int(sizes[k]),
            "log_strength": float(face.class_strength_[k]),
            "cross_entropy": float(face.cross_entropy_[k]),
            "influence": {name: float(value) for name, value in zip(names, influence[k], strict=True)},
        }
        for k in range(len(influence))
    ]
    overall = {name: float(value) for name, value in zip(names, face.overall_influence_, strict=True)}
    search = {"tries": face.tries_, "ended": face.search_ended_}
    return {"classes": classes, "overall_influence": overall, "search": search}


def _where(face: Any, k: int, j: int) -> str:
    """Where a class lies in a column: its mean and standard deviation, or its most frequent level."""
    column, rows = face.columns_[j], face.labels_ == k
    words = _levels(face, k, j) if column.levels is not None else None
    if words is not None:
        return f": {words}"
    name = f"{column.name if face.columns_.named else j}"
    shown = face.parameters()
    means, variances = shown.get(f"{name}_means"), shown.get(f"{name}_variances")
    if means is None or variances is None or not rows.any():
        return ""
    return f": {float(np.ravel(means)[k]):.4g} +- {float(np.sqrt(np.ravel(variances)[k])):.3g}"


def _levels(face: Any, k: int, j: int) -> str | None:
    probs = face.parameters().get(f"{face.columns_[j].name}_probs")
    if probs is None:
        return None
    own = np.asarray(probs)[k].ravel()[: len(face.columns_[j].levels)]
    best = np.argsort(-own, kind="stable")[:2]
    return ", ".join(f"{face.columns_[j].levels[i]} {own[i]:.2f}" for i in best if own[i] >= 0.05)
