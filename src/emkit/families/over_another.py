"""Families that are built over another one, of the same columns."""

from dataclasses import dataclass, replace
from typing import Any, Self

from emkit.core.block import Source
from emkit.core.family import Family
from emkit.core.support import Support
from emkit.families.bernoulli import BetaPrior
from emkit.families.coded import CodedPasses


class OverAnother(Family):
    """Base of families with a field ``family`` whose cells are those of that one."""

    family: Any
    made_of_others = True

    @property
    def support(self) -> Support:  # type: ignore[override]
        """As the family has it."""
        found: Support = self.family.support
        return found

    def check(self, source: Source) -> None:
        """As the family has it."""
        self.family.check(source)


@dataclass(frozen=True)
class ShareBeside(OverAnother, CodedPasses):
    """Base of families in which each cell escapes from ``family`` with a probability of its component's and column's own.

    ``prior`` is that of these probabilities.
    """

    family: Family
    prior: BetaPrior | None = None

    def ready(self, source: Source, k: int) -> Self:
        """Resolves the family. Checks that the prior is about these columns."""
        prior = None if self.prior is None else self.prior.check(source.n_features)
        return replace(self, family=self.family.resolve(source, k), prior=prior)

    def compile(self, source: Source, k: int) -> None:
        """As the family has it."""
        self.family.compile(source, k)
