"""Several hypotheses of one model side by side: each E-step is one pass over the data for all of them.

S hypotheses with K labels each are S K components of the family. Everything that a family does with components it does with
all of them at once, so that many starts cost little more than one on small data. What a model adds is how its own part of an E-step
sees K components at a time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.declared import Declared
from emkit.core.errors import CollapseError
from emkit.core.seeding import Seeds, seeds_of_many

MOST_GUESSED = 2**21
"""Responsibilities held for first guesses at once."""


@dataclass(frozen=True)
class SideBySide(ABC):
    """S hypotheses of ``model``, a structure over one family whose components are ``separable``, with nothing held or given.

    Their Params and Stats are the model's, with a first axis S before its own arrays, and the family's record has S K components,
    those of the first hypothesis first. The first array of a single one's has one axis: a number for each label.

    You implement ``init``, ``e_step`` and ``own_log_prior``; the model's ``m_step``, ``gradient``, ``curvature`` and ``made`` have
    to do with a first axis more.
    """

    model: Any
    rounds: ClassVar[tuple[int, ...]] = (6, 6, 6)
    """Short EM iterations of all starts, of the better half, of the best quarter."""

    @property
    def race(self) -> tuple[int, int]:
        """How many starts there are, and how many of them are carried on."""
        return 24, 4

    # --- what you implement -------------------------------------------------------------------------------------------

    @abstractmethod
    def init(self, source: Source, seeds: Seeds) -> Any:
        """Starting values from as many partitions of the rows as there are seeds, which ``seeds`` made of the same source."""

    @abstractmethod
    def e_step(self, params: Any, block: Block) -> tuple[Any, Any]:
        """Statistics, and each hypothesis's log-likelihood, (S,)."""

    @abstractmethod
    def own_log_prior(self, params: Any) -> np.ndarray:
        """Log prior of the model's own parameters, (S,)."""

    # --- between one hypothesis and several ---------------------------------------------------------------------------

    def stacked(self, several: Sequence[Any]) -> Any:
        """One record of Params or Stats out of those of single hypotheses, or of several."""
        own = np.stack if np.ndim(self._first(several[0])) == 1 else np.concatenate
        return self._mapped(lambda *values: own(values), lambda *values: np.concatenate(values), *several)

    def take(self, record: Any, index: Any) -> Any:
        """Some of the hypotheses, in the given order."""
        k = self.model.n_hidden

        def some(value: np.ndarray) -> np.ndarray:
            shape = value.shape[1:]  # which may have an axis of length 0
            found = value.reshape(len(value) // k, k, *shape)[index]
            return np.asarray(found.reshape(found.shape[0] * k, *shape))

        return self._mapped(lambda value: value[index], some, record)

    def with_rows(self, record: Any, other: Any, index: Any) -> Any:
        """With some of the hypotheses as ``other`` has them."""
        chosen = np.zeros(self.count(record), dtype=bool)
        chosen[index] = True

        def mixed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            rows = np.repeat(chosen, len(a) // len(chosen))
            return np.where(rows.reshape(-1, *(1,) * (a.ndim - 1)), b, a)

        return self._mapped(mixed, mixed, record, other)

    def one(self, record: Any, i: int) -> Any:
        """One hypothesis, as the model has it."""
        return self._mapped(lambda value: value[0], lambda value: value, self.take(record, [i]))

    def count(self, record: Any) -> int:
        """S."""
        return len(self._first(record))

    def traits(self, params: Any) -> np.ndarray:
        """Numbers by which hypotheses can be told apart whatever their labels, (S, m): the first array, sorted."""
        return np.sort(self._first(params), axis=1)

    def _first(self, record: Any) -> np.ndarray:
        found: np.ndarray = getattr(record, fields(record)[0].name)
        return found

    def _mapped(self, own: Callable[..., np.ndarray], inner: Callable[..., np.ndarray], *records: Any) -> Any:
        """A record of the same kind: ``own`` of the model's arrays, ``inner`` of the family's."""
        values: dict[str, Any] = {}
        for field in fields(records[0]):
            first, *rest = (getattr(record, field.name) for record in records)
            if field.name == self.model.children[0].field:
                values[field.name] = first._map(lambda path, *arrays: inner(*arrays), *rest)
            else:
                values[field.name] = None if first is None else own(first, *rest)
        return type(records[0])(**values)

    # --- EM -----------------------------------------------------------------------------------------------------------

    def seeds(self, source: Source, rngs: Sequence[np.random.Generator]) -> Seeds:
        """What starts from that source do, one for each generator."""
        return seeds_of_many(self.model.seeding, rngs)

    def plan(self, source: Source) -> tuple[int, tuple[int, ...], int]:
        """How many starts there are, their short iterations (see ``rounds``), and how many are carried on."""
        return self.race[0], self.rounds, self.race[1]

    def kept(self, kinds: Sequence[str]) -> list[int]:
        """Starts that are carried on however they do at first."""
        return []

    def m_step(self, stats: Any, params: Any) -> Any:
        """Of each hypothesis. Raises CollapseError if one of them collapses."""
        return self.model.m_step(stats, params)

    def log_prior(self, params: Any) -> np.ndarray:
        """Of each hypothesis, (S,)."""
        inner = self.model.family.log_priors(self._inner(params))
        return np.asarray(self.own_log_prior(params) + inner.reshape(self.count(params), -1).sum(axis=1))

    def _inner(self, record: Any) -> Any:
        return getattr(record, self.model.children[0].field)

    # --- coordinates: a row for each hypothesis -----------------------------------------------------------------------

    def slope(self, stats: Any, params: Any) -> np.ndarray | None:
        """``Model.slope`` of each hypothesis, (S, free parameters)."""
        pieces = (piece for owner, own, at in self._owners(params, stats) for piece in owner.slopes(own, at))
        return self._rows(pieces, self.count(params))

    def information(self, stats: Any, params: Any) -> np.ndarray | None:
        """``Model.information`` about each hypothesis, (S, free parameters)."""
        pieces = (piece for owner, own, at in self._owners(params, stats) for piece in owner.informations(own, at))
        return self._rows(pieces, self.count(params))

    def pack(self, params: Any) -> np.ndarray:
        """``Model.pack`` of each hypothesis, (S, free parameters)."""
        pieces = (
            p.domain.pack(value, owner.held(p.name, value.shape))
            for owner, _, at in self._owners(params)
            for p, value in zip(owner.parameters, owner.own(at).values(), strict=True)
        )
        found = self._rows(pieces, self.count(params))
        assert found is not None
        return found

    def unpack(self, rows: np.ndarray, like: Any) -> Any:
        """Inverse of ``pack``; ``like`` is one hypothesis."""
        s, used = len(rows), 0

        def unpacked(owner: Declared, at: Any) -> Any:
            nonlocal used
            values = {}
            for p, value in zip(owner.parameters, owner.own(at).values(), strict=True):
                n = p.domain.n_free(owner.held(p.name, value.shape))
                shape = (s, *value.shape) if owner is self.model else (s * value.shape[0], *value.shape[1:])
                values[p.name] = p.domain.unpack(rows[:, used : used + n].ravel(), owner.held(p.name, shape))[0]
                used += n
            parts = {child.field: unpacked(owner.part(child), child.of(at)) for child in owner.children}
            return owner.made(at, values, parts)

        return unpacked(self.model, like)

    def _owners(self, params: Any, stats: Any = None) -> Iterator[tuple[Declared, Any, Any]]:
        """The model and whatever it is made of, in the order of ``pack``, each with its Stats and its Params."""

        def below(owner: Declared, own: Any, at: Any) -> Iterator[tuple[Declared, Any, Any]]:
            yield owner, own, at
            for child in owner.children:
                yield from below(owner.part(child), None if own is None else child.of(own), child.of(at))

        return below(self.model, stats, params)

    def _rows(self, pieces: Iterable[np.ndarray | None], s: int) -> np.ndarray | None:
        known: list[np.ndarray] = []
        for piece in pieces:
            if piece is None:
                return None
            known.append(piece.reshape(s, -1))
        return np.concatenate(known, axis=1)

    def sound(self, params: Any) -> np.ndarray:
        """Which hypotheses are finite and have not collapsed, (S,) booleans."""
        s = self.count(params)
        flat = [np.isfinite(array).reshape(s, -1).all(axis=1) for array in params.flatten().values()]
        good = np.logical_and.reduce(flat)
        try:
            if good.all():
                self.model.family.refuse_collapse(self._inner(params))
                return good
        except (CollapseError, np.linalg.LinAlgError):
            pass
        for i in np.flatnonzero(good):
            try:
                self.model.family.refuse_collapse(self._inner(self.one(params, int(i))))
            except (CollapseError, np.linalg.LinAlgError):
                good[i] = False
        return good
