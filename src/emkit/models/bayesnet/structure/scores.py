"""Scores of graphs that are sums over families: BIC, AIC, BDeu, BDe with a prior network, K2."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log, prod
from typing import Any

import numpy as np

from emkit.core.checks import number
from emkit.core.errors import ParameterError
from emkit.models.bayesnet.priors import BDeu
from emkit.models.bayesnet.structure.counts import Rows


class Score(ABC):
    """What a family is worth, in nats: higher is better."""

    @abstractmethod
    def value(self, counts: np.ndarray, members: tuple[int, ...], child: int, cards: np.ndarray) -> float:
        """Of a family: counts of its members, ascending, by their states; flat, the last varying fastest."""

    def bound(self, child: int, parents: Sequence[int], cards: np.ndarray) -> float:
        """No data can make the family worth more."""
        return np.inf


@dataclass(frozen=True)
class Penalized(Score):
    """Log-likelihood minus ``price`` for every free entry of a table: log(n) / 2 is BIC, 1 AIC."""

    price: float

    def value(self, counts: np.ndarray, members: tuple[int, ...], child: int, cards: np.ndarray) -> float:
        """See ``Score``."""
        from emkit.kernels.bayesnet_families import log_likelihood

        card = int(cards[child])
        free = len(counts) // card * (card - 1)
        return log_likelihood(counts, card, _inner(members, child, cards)) - self.price * free

    def bound(self, child: int, parents: Sequence[int], cards: np.ndarray) -> float:
        """A log-likelihood is not above 0: de Campos and Ji (2011), JMLR 12, 663-689."""
        return -self.price * float(prod(int(cards[p]) for p in parents) * (int(cards[child]) - 1))


@dataclass(frozen=True)
class BayesianDirichlet(Score):
    """Log probability of the data when each row of a table has a Dirichlet prior.

    Heckerman, Geiger and Chickering (1995), Machine Learning 20, 197-243; Cooper and Herskovits (1992), Machine Learning 9,
    309-347.

    Attributes
    ----------
    pseudo : callable
        From members, child and cards to the prior's counts: one number for all entries, or one for each, as the counts are.
    """

    pseudo: Callable[[tuple[int, ...], int, np.ndarray], np.ndarray]

    def value(self, counts: np.ndarray, members: tuple[int, ...], child: int, cards: np.ndarray) -> float:
        """See ``Score``."""
        from emkit.kernels.bayesnet_families import log_marginal

        return log_marginal(counts, self.pseudo(members, child, cards), int(cards[child]), _inner(members, child, cards))


@dataclass(frozen=True)
class BDe:
    """The prior that a network says: ``sample_size`` pseudo-rows, distributed as the network has them.

    Parameters
    ----------
    network : BayesianNetwork
        Fitted, or from tables, over the same columns, without hidden nodes. No table may hold a zero, which rules data out.
    sample_size : float
        Above 0.
    """

    network: Any
    sample_size: float = 10.0

    def __post_init__(self) -> None:
        if not number(self.sample_size, "sample_size", "a number of pseudo-rows") > 0:
            raise ParameterError(f"BDe(sample_size={self.sample_size!r}): give a number above 0", parameter="sample_size")


def score_of(given: Any, total_weight: float) -> Score:
    """From what a user gave: "bic", "aic", "k2", "bdeu", "loglik", or ``BDeu(sample_size)``. Raises ParameterError."""
    name = given if isinstance(given, str) else ""
    if name == "bic":
        return Penalized(0.5 * log(max(total_weight, 1.0)))
    if name == "aic":
        return Penalized(1.0)
    if name == "loglik":
        return Penalized(0.0)
    if name == "k2":
        return BayesianDirichlet(lambda members, child, cards: np.ones(1))
    if name == "bdeu":
        given = BDeu(10.0)
    if isinstance(given, BDeu):
        rows = given.sample_size
        return BayesianDirichlet(lambda members, child, cards: np.array([rows / prod(int(cards[m]) for m in members)]))
    raise ParameterError(
        f"score={given!r}: give 'bic', 'aic', 'bdeu', 'k2', 'loglik', BDeu(sample_size) or BDe(network)", parameter="score"
    )


class Families(ABC):
    """Scores of families, each found once."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, tuple[int, ...]], float] = {}

    @abstractmethod
    def value(self, child: int, parents: tuple[int, ...]) -> float:
        """Of a family; ``parents`` ascending."""

    def bound(self, child: int, parents: Sequence[int]) -> float:
        """A family's score is not above this."""
        return np.inf

    def __call__(self, child: int, parents: tuple[int, ...]) -> float:
        """Of a family, found before or now; ``parents`` ascending."""
        key = (child, parents)
        found = self._values.get(key)
        if found is None:
            found = self._values[key] = self.value(child, parents)
        return found

    def total(self, parents: Sequence[Sequence[int]]) -> float:
        """Of a graph, by the parents of each node."""
        return float(sum(self(child, tuple(sorted(of))) for child, of in enumerate(parents)))


class CountedFamilies(Families):
    """Of columns of states.

    Parameters
    ----------
    rows : Rows
    score : Score
    counts : callable, optional
        From members, ascending, to their counts: expected ones where rows have holes. By default rows that lack a member are left
        out of its families.
    """

    def __init__(self, rows: Rows, score: Score, counts: Callable[[tuple[int, ...]], np.ndarray] | None = None):
        super().__init__()
        self.rows, self.score, self.cards = rows, score, rows.cards
        self._counts = rows.observed if counts is None else counts
        self._tables: dict[tuple[int, ...], np.ndarray] = {}
        self._size = 0

    def counts(self, members: tuple[int, ...]) -> np.ndarray:
        """Of columns, ascending: kept, for the families that have the same members."""
        found = self._tables.get(members)
        if found is None:
            found = self._counts(members)
            if self._size + len(found) > _MOST_KEPT:
                self._tables, self._size = {}, 0
            self._tables[members] = found
            self._size += len(found)
        return found

    def value(self, child: int, parents: tuple[int, ...]) -> float:
        """See ``Families``."""
        members = tuple(sorted((*parents, child)))
        return self.score.value(self.counts(members), members, child, self.cards)

    def bound(self, child: int, parents: Sequence[int]) -> float:
        """See ``Score.bound``."""
        return self.score.bound(child, parents, self.cards)

    def ordered(self, child: int, parents: Sequence[int]) -> np.ndarray:
        """Counts of a family as its table has them: an axis for each parent, the child last; flat."""
        members = tuple(sorted((*parents, child)))
        table = self.counts(members).reshape([int(self.cards[m]) for m in members])
        return np.moveaxis(table, members.index(child), -1).ravel()


_MOST_KEPT = 1 << 24  # cells, 128 MiB


def _inner(members: tuple[int, ...], child: int, cards: np.ndarray) -> int:
    return prod(int(cards[m]) for m in members[members.index(child) + 1 :])
