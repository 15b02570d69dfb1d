"""What AutoClass is told of a table: an attribute for each column, and which attributes share a term."""

from dataclasses import dataclass

from emkit.core.checks import one_of

KINDS = ("discrete", "location", "scalar")
TERMS = ("single_multinomial", "single_normal_cn", "single_normal_cm", "multi_normal_cn", "ignore")


@dataclass(frozen=True)
class Attribute:
    """What is known of one column.

    Attributes
    ----------
    name : str
    kind : {"discrete", "location", "scalar"}
        A category; a number that is normal as it is; a number whose distance from ``zero_point`` is normal on the log scale.
    n_levels : int
        Of a category: L, without the missing ones; cells are level numbers 0 .. L - 1.
    error : float
        Of a number: how precisely it was measured, in its own units ("location") or as a part of it ("scalar").
    zero_point : float
        Of a "scalar": the value that none can be below.
    """

    name: str
    kind: str
    n_levels: int = 0
    error: float = 0.0
    zero_point: float = 0.0

    def __post_init__(self) -> None:
        one_of(self.kind, KINDS, f"kind of attribute {self.name!r}")


@dataclass(frozen=True)
class Term:
    """Columns that share a distribution given the class.

    Attributes
    ----------
    kind : str
        "single_multinomial": categories, where missing is one more level if any cell is; "single_normal_cn": a normal
        distribution, missing cells at random; "single_normal_cm": likewise, where whether a cell is missing is an outcome too;
        "multi_normal_cn": several columns with correlations, no cell missing; "ignore": not modelled.
    columns : tuple of int
        One but for "multi_normal_cn".
    """

    kind: str
    columns: tuple[int, ...]

    def __post_init__(self) -> None:
        one_of(self.kind, TERMS, "kind of term")


@dataclass(frozen=True)
class TableModel:
    """Attributes of all columns, and the terms that part them."""

    attributes: tuple[Attribute, ...]
    terms: tuple[Term, ...]
