"""What families and models have in common: declared parameters, values that are held or given, and parts that declare more.

Everything that can be said of parameters without knowing what they mean stands here, once.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, make_dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from emkit.core.away import RunsAway
from emkit.core.block import Block
from emkit.core.checks import mapping, numbers
from emkit.core.child import Child
from emkit.core.errors import ParameterError
from emkit.core.masks import is_mask, masked
from emkit.core.parameters import Parameter
from emkit.core.prior import Prior
from emkit.core.records import Params
from emkit.core.slope import Sloped


@dataclass(frozen=True)
class Declared(RunsAway, Sloped):
    """Configuration only, immutable; every fitted number lives in the Params.

    Parameters
    ----------
    fixed : mapping of names to values
        Parameters that are held at these values and not counted as free. NaN marks entries that stay free; a boolean mask holds
        the marked entries at their starting values.
    start_values : mapping of names to values
        Starting values.
    """

    _: KW_ONLY
    fixed: Mapping[str, Any] = field(default_factory=dict)
    start_values: Mapping[str, Any] = field(default_factory=dict)

    parameters: ClassVar[tuple[Parameter, ...]] = ()
    children: ClassVar[tuple[Child, ...]] = ()
    Params: ClassVar[Any]
    is_posterior: ClassVar[bool] = False
    """Whether its Params are a distribution over hypotheses (variational Bayes): log probabilities are then expectations."""

    def __init_subclass__(cls, **more: Any) -> None:
        """Make the Params of a subclass from its declaration, unless it brings its own."""
        super().__init_subclass__(**more)
        declared = cls.__dict__.get("parameters")
        if isinstance(declared, tuple) and "Params" not in cls.__dict__:
            if not isinstance(cls.children, tuple):
                raise TypeError(f"{cls.__name__} has parts that depend on its settings: give its Params as a class attribute")
            names = [(p.name, np.ndarray) for p in declared] + [(child.field, Any) for child in cls.children]
            made = make_dataclass(f"{cls.__name__}Params", names, bases=(Params,), frozen=True)
            made.__module__, made.__qualname__ = cls.__module__, f"{cls.__qualname__}.Params"
            made.__doc__ = "; ".join(f"``{p.name}`` ({', '.join(p.letters.split())})" for p in declared)
            cls.Params = made

    def __post_init__(self) -> None:
        for where in ("fixed", "start_values"):
            given = mapping(getattr(self, where), where)
            unknown = sorted(set(given) - set(self.names))
            if unknown:
                has = " and ".join(map(repr, self.names)) or "no parameters"
                raise ParameterError(f"{where}={unknown}: {self.called} has {has}", parameter=unknown[0])
        for parameter, prior in self.priors.items():
            wanted = next(p.prior for p in self.parameters if p.name == parameter)
            if wanted is not None and not isinstance(prior, wanted):
                raise ParameterError(f"the prior of {parameter} must be a {wanted.__name__}, got {prior!r}", parameter="prior")

    @property
    def called(self) -> str:
        """How messages call it."""
        return f"a {type(self).__name__} family"

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that users may fix or start."""
        return tuple(p.name for p in self.parameters)

    @property
    def priors(self) -> dict[str, Prior]:
        """The priors by parameter: the field ``prior`` belongs to the parameter whose declaration names a kind of prior."""
        own: Any = self
        return {p.name: own.prior for p in self.parameters if p.prior is not None and own.prior is not None}

    @property
    def missing_counts(self) -> bool:
        """Whether a missing cell is an outcome too, so that a row with nothing observed says something; if a part says so."""
        return any(self.part(child).missing_counts for child in self.children)

    # --- what the conformance kit works on ----------------------------------------------------------------------------

    @classmethod
    def examples(cls) -> list[Self]:
        """Small configurations, for two components over two columns, that the conformance kit tries.

        Override where arguments are needed, and where variants take different ways through the code.
        """
        return [cls()]

    def draw(self, rng: np.random.Generator, n: int, d: int) -> Block:
        """Some data (n rows, d columns) that it can describe; by default, data that its first part can."""
        return self.part(self.children[0]).draw(rng, n, d)

    # --- sizes and values ---------------------------------------------------------------------------------------------

    def sizes(self, k: int, d: int) -> dict[str, int]:
        """What the letters of shapes stand for, for k components over d columns."""
        return {"K": k, "d": d}

    def with_values(self, k: int, d: int) -> Self:
        """The same configuration with its fixed and starting values read and checked. Raises ParameterError."""
        sizes = self.sizes(k, d)
        init = {
            p.name: p.read(self.start_values[p.name], sizes, f"start_values[{p.name!r}] ({p.name}_init)", partial=False)
            for p in self._given(self.start_values)
        }
        fixed = {}
        for p in self._given(self.fixed):
            value, name = self.fixed[p.name], f"fixed[{p.name!r}]"
            if is_mask(value):
                value = masked(value, init.get(p.name), name, p.name)
            fixed[p.name] = p.read(value, sizes, name, partial=True)
        return replace(self, fixed=fixed, start_values=init)

    def _given(self, values: Mapping[str, Any]) -> list[Parameter]:
        return [p for p in self.parameters if p.name in values]

    def held(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Values at which a parameter is held, NaN where it is free."""
        value = self.fixed.get(name)
        return np.full(shape, np.nan) if value is None else np.asarray(value, dtype=np.float64)

    def is_held(self, name: str) -> bool:
        """Whether all of a parameter is held."""
        value = self.fixed.get(name)
        if value is None:
            return False
        return not np.isnan(value if isinstance(value, np.ndarray) else numbers(value, f"fixed[{name!r}]", finite=False)).any()

    def own(self, params: Any) -> dict[str, np.ndarray]:
        """Values of the declared parameters, by name."""
        return {p.name: getattr(params, p.name) for p in self.parameters}

    def made(self, params: Any, values: Mapping[str, np.ndarray], parts: Mapping[str, Any]) -> Any:
        """Params from values of the declared parameters and the Params of the parts; ``params`` has whatever else it takes."""
        return self.Params(**values, **parts)

    def put_back(self, params: Any) -> Any:
        """The same hypothesis with what is held, by it or by a part, at its values; ``params`` itself if nothing is."""
        parts = {child.field: self.part(child).put_back(child.of(params)) for child in self.children}
        if not self.fixed and all(parts[child.field] is child.of(params) for child in self.children):
            return params
        values = self.own(params)
        for p in self.parameters:
            values[p.name] = p.domain.put_back(values[p.name], self.held(p.name, values[p.name].shape))
        return self.made(params, values, parts)

    def widened(self, params: Any) -> Any:
        """A hypothesis from a sample of the rows, for all of them: without zeros, but for what is held, or started with zeros.

        Expectation-maximization never leaves a zero, and a row that the sample lacks could contradict it.
        """
        values = self.own(params)
        for p in self.parameters:
            if not (np.asarray(self.start_values.get(p.name, 1.0)) == 0).any():
                values[p.name] = p.domain.widened(values[p.name])
        parts = {child.field: self.part(child).widened(child.of(params)) for child in self.children}
        return self.put_back(self.made(params, values, parts))

    # --- as users see them --------------------------------------------------------------------------------------------

    def shown(self, params: Any) -> dict[str, np.ndarray]:
        """Parameters by name in the shapes that users give and see: copies. A part's come after the owner's."""
        values = self.own(params)
        out = {p.name: p.show(values[p.name]) for p in self.parameters}
        for child in self.children:
            for name, value in self.part(child).shown(child.of(params)).items():
                out[self.outer(child, name)] = self.show_part(child, name, value)
        return out

    def interval_scales(self) -> dict[str, str]:
        """On which scale intervals of each shown parameter are symmetric: see ``Domain.scale``."""
        out = {p.name: p.domain.scale for p in self.parameters}
        for child in self.children:
            out |= {self.outer(child, name): scale for name, scale in self.part(child).interval_scales().items()}
        return out

    def unshown(self, values: Mapping[str, Any], k: int, d: int) -> Any:
        """Inverse of ``shown``: values that a user set, checked. Raises ParameterError naming the parameter."""
        sizes = self.sizes(k, d)
        own = {p.name: p.read(values[p.name], sizes, f"{p.name}_", partial=False) for p in self.parameters}
        parts = {}
        for child in self.children:
            parts[child.field] = self.part(child).unshown(self.inside(child, values), child.count(k), d)
        return self.made(None, own, parts)

    def show_part(self, child: Child, name: str, value: np.ndarray) -> np.ndarray:
        """A part's parameter as the owner shows it."""
        return value

    def take_part(self, child: Child, name: str, value: Any) -> Any:
        """Inverse of ``show_part``, for a value that a user gave."""
        return value

    def outer(self, child: Child, name: str) -> str:
        """How the owner calls a part's parameter: by its name, unless the owner has one of that name."""
        return name if name not in self.names else f"{child.field}_{name}"

    def inside(self, child: Child, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those of ``values`` that are a part's, under its own names and in its own shapes."""
        named = {name: self.outer(child, name) for name in self.part(child).all_names}
        return {name: self.take_part(child, name, values[outer]) for name, outer in named.items() if outer in values}

    @property
    def all_names(self) -> tuple[str, ...]:
        """Names of its own parameters and its parts', in the order in which they are shown."""
        parts = [self.outer(child, name) for child in self.children for name in self.part(child).all_names]
        return tuple(dict.fromkeys([*self.names, *parts]))

    @property
    def needed_names(self) -> tuple[str, ...]:
        """Names of the parameters without which there is no hypothesis."""
        parts = [self.outer(child, name) for child in self.children for name in self.part(child).needed_names]
        return tuple(dict.fromkeys([*self.names, *parts]))

    def configured(self, fixed: Mapping[str, Any], init: Mapping[str, Any]) -> Self:
        """The same configuration with these values too, each given to whoever declares the name.

        Raises ParameterError for others.
        """
        changes: dict[str, Any] = {}
        for where, values in (("fixed", fixed), ("start_values", init)):
            unknown = sorted(set(values) - set(self.all_names))
            if unknown:
                given = "init" if where == "start_values" else where
                raise ParameterError(
                    f"{given}={unknown}: the parameters are {', '.join(map(repr, self.all_names))}", parameter=unknown[0]
                )
            own = {name: value for name, value in values.items() if name in self.names}
            if own:
                changes[where] = {**getattr(self, where), **own}
        for child in self.children:
            rest = [self.inside(child, values) for values in (fixed, init)]
            if any(rest):
                changes[child.name] = self.part(child).configured(*rest)
        return self.changed(changes) if changes else self

    @property
    def is_started(self) -> bool:
        """Whether every parameter, the parts' included, has a fixed or a starting value."""
        own = all(self.is_held(name) or name in self.start_values for name in self.names)
        return own and all(self.part(child).is_started for child in self.children)

    @property
    def has_values(self) -> bool:
        """Whether some parameter, of its own or of a part, has a fixed or a starting value: its components are told apart."""
        return bool(self.fixed or self.start_values) or any(self.part(child).has_values for child in self.children)

    def columns_of(self, values: Mapping[str, Any]) -> int | None:
        """How many columns these values are for; None if that cannot be told."""
        for p in self.parameters:
            letters, shape = p.letters.split(), np.asarray(values.get(p.name)).shape
            if "d" in letters and shape:
                return int(shape[letters.index("d")]) if len(shape) == len(letters) else 1
        for child in self.children:
            found = self.part(child).columns_of(self.inside(child, values))
            if found is not None:
                return found
        return None

    def without_data(self, values: Mapping[str, Any], d: int) -> Self:
        """As good as resolved, where parameters are set by hand and there are no data: nothing is held, no default is filled in."""
        parts: dict[str, Any] = {}
        for child in self.children:
            parts[child.name] = self.part(child).without_data(self.inside(child, values), d)
        return self.changed({"fixed": {}, "start_values": {}, **parts})

    def parameter(self, name: str) -> Parameter | None:
        """The declaration of a parameter of its own or of a part; None if there is none."""
        own = next((p for p in self.parameters if p.name == name), None)
        parts = (self.part(child).parameter(name) for child in self.children)
        return own or next((p for p in parts if p is not None), None)

    def check(self, source: Any) -> None:
        """Raise DataError for the first cell of a Source that it cannot describe."""

    def complete(self, columns: tuple[Any, ...]) -> tuple[Any, ...]:
        """Which of these columns, names or numbers, may not be missing; by default as its first part has it."""
        return self.part(self.children[0]).complete(columns) if self.children else ()

    # --- in words, for summaries --------------------------------------------------------------------------------------

    @property
    def in_words(self) -> str:
        """What it is, in a few words."""
        return type(self).__name__.lower()

    def priors_in_words(self) -> list[str]:
        """Its priors, and those of its parts."""
        own = [f"{type(prior).__name__} of {name}" for name, prior in self.priors.items()]
        of_parts = (words for child in self.children for words in self.part(child).priors_in_words())
        return list(dict.fromkeys([*own, *of_parts]))  # parts of one kind are alike

    def held_names(self) -> list[str]:
        """Names of parameters that are held, wholly or partly: a part's as they are called here."""
        of_parts = (self.outer(child, name) for child in self.children for name in self.part(child).held_names())
        return [*(name for name in self.names if name in self.fixed), *of_parts]

    def remarks(self, params: Any) -> list[str]:
        """What a summary should say of these values, such as that one ended at a bound; by default what its parts say."""
        return [said for child in self.children for said in self.part(child).remarks(child.of(params))]

    # --- what follows from the declaration ----------------------------------------------------------------------------

    def null(self, k: int, d: int) -> Any:
        """Parameters of the right shapes that say as little as possible: the ``like`` of a file."""
        sizes = self.sizes(k, d)
        values = {p.name: p.domain.null(p.form(sizes)) for p in self.parameters}
        parts = {child.field: self.part(child).null(child.count(k), d) for child in self.children}
        return self.put_back(self.made(None, values, parts))

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """The same configuration with other fields, or other parts under the names that their children have."""
        return replace(self, **changes)

    def part(self, child: Child) -> "Declared":
        """The part that a child names."""
        part: Declared = getattr(self, child.name)
        return part

    def n_free(self, params: Any) -> int:
        """Free parameters: fixed ones and structural zeros are not counted."""
        values = self.own(params)
        own = sum(p.domain.n_free(self.held(p.name, values[p.name].shape)) for p in self.parameters)
        return own + sum(self.part(child).n_free(child.of(params)) for child in self.children)

    def pack(self, params: Any) -> np.ndarray:
        """Free parameters as an unconstrained vector: each parameter's coordinates in the order of declaration, then the parts'."""
        values = self.own(params)
        pieces = [p.domain.pack(values[p.name], self.held(p.name, values[p.name].shape)) for p in self.parameters]
        pieces += [self.part(child).pack(child.of(params)) for child in self.children]
        return np.concatenate([np.zeros(0), *pieces])

    def unpack(self, vector: np.ndarray, like: Any) -> Any:
        """Inverse of ``pack``; what is fixed comes from the configuration, shapes from ``like``."""
        return self._unpacked(np.asarray(vector, dtype=np.float64), like)[0]

    def _unpacked(self, vector: np.ndarray, like: Any) -> tuple[Any, int]:
        values, at = self.own(like), 0
        for p in self.parameters:
            values[p.name], used = p.domain.unpack(vector[at:], self.held(p.name, values[p.name].shape))
            at += used
        parts = {}
        for child in self.children:
            parts[child.field], used = self.part(child)._unpacked(vector[at:], child.of(like))
            at += used
        return self.made(like, values, parts), at

    def permute(self, params: Any, order: np.ndarray) -> Any:
        """The same hypothesis with components relabelled: new component i is old ``order[i]``."""
        order = np.asarray(order)
        values = self.own(params)
        moved = {p.name: p.permute(values[p.name], order) for p in self.parameters}
        parts = {c.field: self.part(c).permute(c.of(params), c.order(order)) for c in self.children}
        return self.made(params, moved, parts)

    def permuted(self, order: np.ndarray) -> Self:
        """The configuration that goes with ``permute``: fixed and starting values and priors follow their components."""
        order = np.asarray(order)
        changes: dict[str, Any] = {}
        for where in ("fixed", "start_values"):
            given = getattr(self, where)
            if given:
                changes[where] = {p.name: p.permute(np.asarray(given[p.name]), order) for p in self._given(given)}
        for p in self.parameters:
            if p.name in self.priors:
                changes["prior"] = self.priors[p.name].permuted(order, p.axes, len(p.letters.split()))
        for child in self.children:
            changes[child.name] = self.part(child).permuted(child.order(order))
        return self.changed(changes) if changes else self

    def log_prior(self, params: Any) -> float:
        """Log prior density up to a constant, of what is free. 0.0 without a prior."""
        total, values = 0.0, self.own(params)
        for name, prior in self.priors.items():
            free = np.isnan(self.held(name, values[name].shape))
            total += float(np.sum(prior.log_density(values[name])[free]))
        return total + sum(self.part(child).log_prior(child.of(params)) for child in self.children)
