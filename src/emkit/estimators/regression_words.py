"""Mixtures of regressions in words, for summaries: the line of each class, and what class weights depend on."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emkit.core.result import Result
from emkit.models.concomitant import ConcomitantMixture


def classes_in_words(face: Any, result: Result) -> list[str]:
    """A table of weights and coefficients, and one of the coefficients of log class weights, if these depend on columns."""
    model: Any = result.model
    params: Any = result.params
    concomitant = isinstance(model, ConcomitantMixture)
    family, lines = model.family, params.components
    shown = model.known[0].family if concomitant else tuple(range(len(face.columns_)))
    names = ["intercept", *(face.columns_[shown[j]].name for j in family.known[0].on)]
    cells = np.column_stack([lines.intercepts, lines.coefficients])
    if family.kind.has_variance:
        names, cells = [*names, "sigma"], np.column_stack([cells, face.sigma_])
    out = _table(["class   weight", *names], [f"{k:>5}   {weight:.4f}" for k, weight in enumerate(face.weights_)], cells)
    if concomitant and model.concomitant:
        names = ["intercept", *(face.columns_[j].name for j in model.known[0].concomitant)]
        cells = np.column_stack([params.class_intercepts, params.class_coefficients])
        out += ["", *_table(["class", *names], [f"{k:>5}" for k in range(len(cells))], cells)]
        out.append("  log class weights, up to a constant; weights above are those at averages of these columns")
    return out


def _table(names: Sequence[str], rows: Sequence[str], cells: np.ndarray) -> list[str]:
    """A line of names, the first of them over what rows are called, and a line for each row."""
    head = "   ".join([names[0], *(f"{name[:12]:>12}" for name in names[1:])])
    return [f"  {head}", *("  " + "   ".join([row, *(f"{c:>12.4g}" for c in own)]) for row, own in zip(rows, cells, strict=True))]
