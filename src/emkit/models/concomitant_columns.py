"""Settings of mixtures with concomitant columns, and which column is what."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from emkit.core.block import Block, Source
from emkit.core.checks import count, number, one_of
from emkit.core.child import Child
from emkit.core.contrasts import Contrasts
from emkit.core.errors import DataError, ParameterError
from emkit.core.family import Family
from emkit.core.model import Model
from emkit.core.parameters import Parameter
from emkit.core.records import Params
from emkit.core.seeding import KINDS_OF_START
from emkit.core.selected import SelectedColumns
from emkit.core.summary import summarise
from emkit.core.warn import warn
from emkit.models.class_logits import ClassUnits

_WEAK = 0.1  # of the weak ridge, divided by the number of units


@dataclass(frozen=True)
class ConcomitantParams(Params):
    """``class_intercepts`` (K,) and ``class_coefficients`` (K, c), which add up to 0 over classes; ``components``: the family's."""

    class_intercepts: np.ndarray
    class_coefficients: np.ndarray
    components: Any


@dataclass(frozen=True)
class Layout:
    """Numbers of the concomitant columns, of those that the family is shown, and of all."""

    concomitant: tuple[int, ...]
    family: tuple[int, ...]
    width: int


@dataclass(frozen=True)
class ConcomitantColumns(Model):
    """What ``ConcomitantMixture`` is configured with; its parameters are documented there."""

    family: Family
    n_components: int
    concomitant: Any = ()
    columns: Any = None
    ridge: Any = "weak"
    seeding: str = "auto"
    layout: Layout | None = field(default=None, kw_only=True, repr=False)
    units: ClassUnits | None = field(default=None, kw_only=True, repr=False)

    Params = ConcomitantParams
    parameters = (Parameter("class_intercepts", "K", Contrasts()), Parameter("class_coefficients", "K c", Contrasts()))
    children = (Child("components", "family"),)

    def __post_init__(self) -> None:
        count(self.n_components, "n_components")
        for name in ("concomitant", "columns"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, (value,) if isinstance(value, str | int) else tuple(value))
        if self.ridge != "weak":
            object.__setattr__(self, "ridge", number(self.ridge, "ridge", "'weak' or a number of pseudo-units"))
        one_of(self.seeding, KINDS_OF_START, "init_params")
        super().__post_init__()

    # --- columns ------------------------------------------------------------------------------------------------------

    @property
    def n_hidden(self) -> int:
        """K."""
        return int(self.n_components)

    def _laid_out(self, names: tuple[Any, ...]) -> tuple[Layout, tuple[Any, ...]]:
        """Where columns are among ``names``, and what the family is shown under these names. Raises DataError."""

        def place(column: Any, word: str = "") -> int:
            if column in names:
                return names.index(column)
            raise DataError(f"there is no {word}column {column!r}; the columns are {', '.join(map(repr, names[:8]))}")

        concomitant = tuple(place(column, "concomitant ") for column in self.concomitant)
        rest = tuple(name for j, name in enumerate(names) if j not in concomitant)
        shown = self.family.over(rest if self.columns is None else self.columns)
        layout = Layout(concomitant, tuple(place(column) for column in shown), len(names))
        for which, given, places in (("concomitant", self.concomitant, concomitant), ("columns", shown, layout.family)):
            if len(set(places)) < len(places):
                twice = next(column for i, column in enumerate(given) if places[i] in places[:i])
                raise ParameterError(f"{which} names column {twice!r} twice; name it once", parameter=which)
        both = [name for name, j in zip(shown, layout.family, strict=True) if j in concomitant]
        given = self.family.given(shown) if both else ()
        for name in both:
            if name not in given:  # it would be explained by the class that it explains
                raise ParameterError(
                    f"column {name!r} is concomitant, so that class weights depend on it, but {self.family.called} describes it "
                    "too; leave it out of one of them",
                    parameter="concomitant",
                )
        return layout, shown

    def _placed(self, names: tuple[Any, ...]) -> Self:
        if self.layout is not None:
            return self
        layout, shown = self._laid_out(names)
        return replace(self, layout=layout, family=self.family.settled(shown))

    @property
    def known(self) -> tuple[Layout, ClassUnits]:
        """Columns and their units. Raises ParameterError before they are resolved."""
        if self.layout is None or self.units is None:
            raise ParameterError("this ConcomitantMixture is not resolved: call resolve(source) first (fit does)")
        return self.layout, self.units

    def resolve(self, source: Source) -> Self:
        """Finds the columns and their units, resolves the family.

        Units, like class weights, are of groups where rows come in groups. Warns of a concomitant column that changes within one.

        Raises
        ------
        DataError
            For more classes than rows, or groups; a column that is not there; a cell that is missing where it is needed.
        ParameterError
            For a column that is named twice, or that the family describes.
        """
        columns = source.columns
        found = self._placed(tuple(columns.names) if columns.named else tuple(range(len(columns))))
        assert found.layout is not None
        n_units = sum(block.units for block in source)
        if n_units < self.n_hidden:
            word = "row(s)" if n_units == source.n_rows else "group(s) of rows"
            raise DataError(f"n_components={self.n_hidden} is more than the {n_units} {word} of the data")
        units = found._check_concomitant(source)
        ridge = _WEAK / max(sum(_total(block) for block in source), 1.0) if self.ridge == "weak" else self.ridge
        family = found.family.resolve(SelectedColumns(source, found.layout.family), self.n_hidden)
        found._warn_of_changes(source)
        return replace(found, family=family, units=units, ridge=ridge).with_values(self.n_hidden, source.n_features)

    def check(self, source: Source) -> None:
        """No concomitant is missing in a group's first row; the family its own."""
        self._check_concomitant(source)
        self.family.check(SelectedColumns(source, self.known[0].family))

    def _check_concomitant(self, source: Source) -> ClassUnits:
        """Units of the concomitant columns of groups, which are those of their first rows. Raises DataError for a cell of these."""
        assert self.layout is not None
        at, row, summary = list(self.layout.concomitant), 0, None
        for block in source:
            starts = first_rows(block)
            u = np.asarray(block.x)[starts][:, at]
            bad = np.argwhere(~np.isfinite(u))
            if len(bad):
                i, j = row + int(starts[bad[0, 0]]), at[int(bad[0, 1])]
                value = u[tuple(bad[0])]
                what = "is missing" if np.isnan(value) else f"is {value:g}"
                raise DataError(
                    f"{source.columns.called(j)} {source.place(i)} {what}, and class weights depend on it; fill it in, or drop "
                    f"the {'row' if block.lengths is None else 'group'}",
                    column=source.columns[j].name,
                    row=source.user_row(i),
                )
            row += block.n
            weights = None if block.weights is None else np.asarray(block.weights, dtype=np.float64)
            if weights is not None:
                u, weights = u[weights > 0], weights[weights > 0]
            if len(u):
                here = summarise(u, weights)
                summary = here if summary is None else summary + here
        return ClassUnits.empty(len(at)) if summary is None else ClassUnits.of(summary)

    def _warn_of_changes(self, source: Source) -> None:
        """Of concomitant columns that change within a group, where only the first row's count; one that the family has may."""
        assert self.layout is not None
        at = [j for j in self.layout.concomitant if j not in self.layout.family]
        group = row = 0
        for block in source if at else ():
            if block.lengths is not None:
                starts = first_rows(block)
                u = np.asarray(block.x)[:, at]
                first = np.repeat(u[starts], block.lengths, axis=0)
                changed = np.argwhere((u != first) & ~np.isnan(u))
                if len(changed):
                    i, j = int(changed[0, 0]), at[int(changed[0, 1])]
                    number = group + int(np.searchsorted(starts, i, side="right")) - 1
                    warn(
                        f"concomitant {source.columns.called(j)} changes within group {number}, at {source.place(row + i)}: class "
                        "weights are those of a group's first row, and its later ones are not used"
                    )
                    return
            group, row = group + block.units, row + block.n

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """The concomitant ones, and those that the family needs."""
        layout, shown = self._laid_out(columns) if self.layout is None else (self.layout, ())
        shown = shown or tuple(columns[j] for j in layout.family)
        needed = {layout.family[shown.index(column)] for column in self.family.complete(shown)} | set(layout.concomitant)
        return tuple(columns[j] for j in sorted(needed))

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """A coefficient for each concomitant column."""
        return {"K": k, "d": d, "c": len(self.concomitant)}

    def _of_family(self, d: int) -> int:
        """Columns of the family, of ``d`` in all."""
        return d - len(self.concomitant) if self.layout is None else len(self.layout.family)

    def null(self, k: int, d: int) -> ConcomitantParams:
        """Even weights."""
        parts: Any = self.family.null(k, self._of_family(d))
        made: ConcomitantParams = self.put_back(ConcomitantParams(np.zeros(k), np.zeros((k, len(self.concomitant))), parts))
        return made

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> ConcomitantParams:
        """The family's values over its own columns."""
        sizes = self.sizes(k, d)
        own = {p.name: p.read(values[p.name], sizes, f"{p.name}_", partial=False) for p in self.parameters}
        inner = self.family.unshown(self.inside(self.children[0], values), k, self._of_family(d))
        return ConcomitantParams(**own, components=inner)

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """As the family has it; concomitant columns come last, in units of their own."""
        inner = self._of_family(d)
        family = self.family.without_data(self.inside(self.children[0], values), inner)
        c = len(self.concomitant)
        layout = self.layout or Layout(tuple(range(inner, inner + c)), tuple(range(inner)), d)
        changes = {"fixed": {}, "start_values": {}, "family": family, "layout": layout, "ridge": 0.0}
        return self.changed({**changes, "units": self.units or ClassUnits.empty(c)})

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """The family's and the concomitant ones."""
        if self.layout is not None:
            return self.layout.width
        found = self.family.columns_of(self.inside(self.children[0], values))
        return None if found is None else found + len(self.concomitant)


def first_rows(block: Block) -> np.ndarray:
    """Numbers of the first row of each unit of a block: of each group, or of each row."""
    if block.lengths is None:
        return np.arange(block.n)
    lengths = np.asarray(block.lengths)
    return np.asarray(np.cumsum(lengths) - lengths)


def _total(block: Block) -> float:
    """Weight of the units of a block."""
    return float(block.units if block.weights is None else np.sum(block.weights, dtype=np.float64))
