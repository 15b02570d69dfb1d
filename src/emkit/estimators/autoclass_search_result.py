"""What ``AutoClass`` keeps of a fit: the search, the score, and what sets each class apart."""

from dataclasses import dataclass

import numpy as np

from emkit.selection.autoclass.influence import Influence, influence
from emkit.selection.autoclass.prepare import Prepared
from emkit.selection.autoclass.score import score
from emkit.selection.autoclass.search import Found

_LEAST = 1e-5  # of a row's largest membership: below, the program has none


@dataclass(frozen=True)
class SearchResult:
    """What a search found, and what the program says of the memberships (n, K) that EM made of the best.

    ``of_columns`` (K, d): influences by column.
    """

    found: Found
    memberships: np.ndarray
    log_marginal: float
    influence: Influence
    of_columns: np.ndarray


def search_result_of(found: Found, prepared: Prepared, memberships: np.ndarray, n_features: int) -> SearchResult:
    """From memberships (n, K), those that the program has none of set to 0.

    A class that is left without rows keeps its place, so that classes here are those of the model; the program, which knows no such
    classes, scores the others.
    """
    memberships = np.where(memberships < _LEAST * memberships.max(axis=1, keepdims=True), 0.0, memberships)
    memberships /= memberships.sum(axis=1, keepdims=True)
    there = np.asarray(memberships.any(axis=0))
    own = np.ascontiguousarray(memberships[:, there])
    found_out = influence(prepared, own)
    terms, strength, cross_entropy = (
        _spread_out(part, there, empty)
        for part, empty in ((found_out.terms, 0.0), (found_out.strength, np.nan), (found_out.cross_entropy, 0.0))
    )
    of_columns = np.zeros((len(there), n_features))
    for t, term in enumerate(prepared.model.terms):
        of_columns[:, term.columns[0]] = terms[:, t]
    whole = Influence(terms, found_out.overall, strength, cross_entropy)
    return SearchResult(found, memberships, score(prepared, own).log_marginal, whole, of_columns)


def _spread_out(part: np.ndarray, there: np.ndarray, empty: float) -> np.ndarray:
    """Values of the classes that are there, among all of them."""
    out = np.full((len(there), *part.shape[1:]), empty)
    out[there] = part
    return out
