"""A latent class model in words: its table of item probabilities, and how many of its classes are really there."""

from typing import Any

import numpy as np

EQUAL = 0.01
"""Classes all of whose probabilities differ by no more than this are one."""
_HALF = 0.5  # rows that a class must stand for
_CLASSES, _LEVELS = 8, 20  # as many as a table shows


def distinct(weights: np.ndarray, probs: np.ndarray, rows: float) -> tuple[list[list[int]], list[int]]:
    """Classes in sets of equal ones, and those that are empty.

    Parameters
    ----------
    weights : array of shape (K,)
    probs : array of shape (K, ...)
        All probabilities of each class.
    rows : float
        Rows, or their weight if that is larger.
    """
    flat = probs.reshape(len(probs), -1)
    empty = [k for k in range(len(weights)) if weights[k] * rows < _HALF]
    sets: list[list[int]] = []
    for k in range(len(weights)):
        if k in empty:
            continue
        same = next((found for found in sets if np.abs(flat[found[0]] - flat[k]).max(initial=0.0) <= EQUAL), None)
        if same is None:
            sets.append([k])
        else:
            same.append(k)
    return sets, empty


def distinct_in_words(face: Any) -> str:
    """As "4 classes asked, 3 distinct: 1 and 2 are equal"; nothing if all are."""
    sets, empty = face.distinct_classes()
    k = sum(map(len, sets)) + len(empty)
    if len(sets) == k or k == 1:
        return ""
    reasons = [f"{' and '.join(map(str, found))} are equal" for found in sets if len(found) > 1]
    if empty:
        reasons.append(f"{' and '.join(map(str, empty))} {'are' if len(empty) > 1 else 'is'} empty")
    return f"{k} classes asked, {len(sets)} distinct: {'; '.join(reasons)}"


def unidentified_in_words(face: Any) -> str:
    """That there are more parameters than the table of patterns can tell of; nothing if there are not."""
    found = face._measurement()
    if found.n_free <= found.n_cells - 1:
        return ""
    return f"not identified: {found.n_free} free parameters, {found.n_cells - 1} that a table of {found.n_cells} cells can tell of"


def items_in_words(face: Any) -> list[str]:
    """Class sizes, and a line for each level of each item with its probability in each class."""
    table = face.item_probabilities()
    k = min(face.result_.model.n_hidden if "result_" in face.__dict__ else len(face.weights_), _CLASSES)
    names = [f"{entry['item']}" + ("" if entry["group"] is None else f" ({entry['group']})") for entry in table]
    first = max([len("class size"), *(len(name) for name in names)])
    second = max([5, *(len(str(entry["level"])) for entry in table)])
    more = "   ..." if len(face.weights_) > k else ""
    lines = ["  " + f"{'':{first}}  {'level':{second}}" + "".join(f"{f'class {i}':>10}" for i in range(k)) + more]
    lines.append("  " + f"{'class size':{first}}  {'':{second}}" + "".join(f"{w:10.4f}" for w in face.weights_[:k]))
    if face.columns_.role("group"):
        for name, row in zip(face.group_names(), face.group_weights_, strict=True):
            lines.append("  " + f"{f'  in {name}':{first}}  {'':{second}}" + "".join(f"{w:10.4f}" for w in row[:k]))
    shown: dict[str, int] = {}
    for name, entry in zip(names, table, strict=True):
        shown[name] = shown.get(name, 0) + 1
        if shown[name] > _LEVELS:
            if shown[name] == _LEVELS + 1:
                lines.append("  " + f"{'':{first}}  ... and further levels")
            continue
        label = name if shown[name] == 1 else ""
        cells = "".join(f"{p:10.4f}" for p in entry["probabilities"][:k])
        lines.append("  " + f"{label:{first}}  {entry['level']!s:{second}}" + cells)
    return lines
