"""AutoClass C's files: a header (.hd2), data (.db2) and models (.model).

The formats are described in the program's documents preparation-c.text and models-c.text.
"""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emkit.core.errors import DataError
from emkit.core.warn import warn
from emkit.selection.autoclass.attributes import TERMS, Attribute, TableModel, Term

_COMMENT = "!#; "  # in the first column of a header or model file, and of a data file until its first row
_OPTIONS = ("separator_char", "comment_char", "unknown_token")
_ERROR = 1e-4  # of a location attribute whose error is not given


@dataclass(frozen=True)
class Header:
    """What a .hd2 file says.

    Attributes
    ----------
    attributes : tuple of Attribute
        ``n_levels`` of a discrete one is its declared range.
    ignored : tuple of int
        Columns of type dummy.
    separator, comment, unknown : str
        Between the cells of a data line; what begins a comment line; what stands for a missing cell.
    """

    attributes: tuple[Attribute, ...]
    ignored: tuple[int, ...]
    separator: str = " "
    comment: str = ";"
    unknown: str = "?"


@dataclass(frozen=True)
class AutoClassData:
    """A table as AutoClass's files have it.

    Attributes
    ----------
    names : tuple of str
        Of the columns, all different.
    columns : tuple of lists
        The cells of each column: texts, numbers, or None where missing.
    model : TableModel
        ``n_levels`` are the levels that occur.
    """

    names: tuple[str, ...]
    columns: tuple[list[Any], ...]
    model: TableModel

    @property
    def settings(self) -> dict[str, Any]:
        """What the files say of the columns, as the settings of ``emkit.AutoClass``: types, errors, zero_points and missing."""
        types: dict[Any, str] = {}
        errors, zero_points, missing = dict[str, float](), dict[str, float](), dict[str, str]()
        for term in self.model.terms:
            own = [self.model.attributes[column] for column in term.columns]
            names = tuple(self.names[column] for column in term.columns)
            log = own[0].kind == "scalar"
            if term.kind == "ignore":
                types.update(dict.fromkeys(names, "ignore"))
                continue
            if term.kind == "multi_normal_cn":
                types[names] = "correlated-log" if log else "correlated"
            else:
                types[names[0]] = "categorical" if own[0].kind == "discrete" else "log" if log else "normal"
            for name, attribute in zip(names, own, strict=True):
                if attribute.kind != "discrete":
                    errors[name] = attribute.error
                    missing[name] = "random" if term.kind == "single_normal_cn" else "outcome"
                if attribute.kind == "scalar" and attribute.zero_point:
                    zero_points[name] = attribute.zero_point
        return {"types": types, "errors": errors, "zero_points": zero_points, "missing": missing}


def read_autoclass(
    data: str | os.PathLike[str], header: str | os.PathLike[str] | None = None, model: str | os.PathLike[str] | None = None,
    *, which: int = 0,
) -> AutoClassData:  # fmt: skip
    """Read a data file with its header and model.

    Parameters
    ----------
    data : path
        A .db2 file.
    header, model : path, optional
        By default the files beside it that end in .hd2 and .model. Without a model file discrete attributes are
        single_multinomial and numbers single_normal_cm if a cell is missing, single_normal_cn otherwise.
    which : int
        The number of the model in its file.

    Raises
    ------
    DataError
        Naming file and line, and what is expected there.
    FileNotFoundError
    """
    path = Path(data)
    told = read_header(header or path.with_suffix(".hd2"))
    columns = read_cells(path, told)
    names = _different(tuple(attribute.name for attribute in told.attributes))
    attributes = tuple(
        replace(attribute, name=name, n_levels=len({cell for cell in cells if cell is not None}))
        if attribute.kind == "discrete"
        else replace(attribute, name=name)
        for attribute, name, cells in zip(told.attributes, names, columns, strict=True)
    )
    beside = path.with_suffix(".model")
    if model is not None or beside.exists():
        terms = read_terms(model or beside, told, which=which)
    else:
        terms = tuple(_term_of(attribute, column, columns[column]) for column, attribute in enumerate(attributes))
    ignored = set(told.ignored)
    terms = tuple(Term("ignore", term.columns) if set(term.columns) & ignored else term for term in terms)
    return AutoClassData(names, columns, TableModel(attributes, terms))


def _term_of(attribute: Attribute, column: int, cells: list[Any]) -> Term:
    if attribute.kind == "discrete":
        return Term("single_multinomial", (column,))
    return Term("single_normal_cm" if None in cells else "single_normal_cn", (column,))


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read a .hd2 file. Raises DataError naming the line."""
    options: dict[str, str] = {}
    found: dict[int, tuple[Attribute, bool]] = {}
    count, defined = None, None
    for number, words in _lines(path):
        key = words[0].lower()
        if key == "num_db2_format_defs":
            defined = _whole(path, number, words, 1, 4)
        elif key == "number_of_attributes":
            count = _whole(path, number, words, 1, 1_000_000)
        elif key in _OPTIONS:
            if len(words) != 2:
                raise _wrong(path, number, f"{key} takes one value, as in {key} ','")
            options[key] = {"\\t": "\t"}.get(words[1], words[1])
        elif key.isdigit():
            at = int(key)
            if count is None:
                raise _wrong(path, number, "number_of_attributes must come before the attributes")
            if at >= count:
                raise _wrong(path, number, f"attribute {at} is beyond number_of_attributes {count}; they are numbered from 0")
            if at in found:
                raise _wrong(path, number, f"attribute {at} is defined twice")
            found[at] = _attribute(path, number, words)
        else:
            raise _wrong(path, number, f"{words[0]!r} is neither a setting ({', '.join(_OPTIONS)}) nor the number of an attribute")
    if count is None:
        raise DataError(f"{os.fspath(path)}: number_of_attributes is missing" + (" (num_db2_format_defs alone)" if defined else ""))
    missing = [at for at in range(count) if at not in found]
    if missing:
        raise DataError(f"{os.fspath(path)}: attribute {missing[0]} of {count} is not defined")
    ignored = tuple(at for at in range(count) if found[at][1])
    known = {"separator_char": "separator", "comment_char": "comment", "unknown_token": "unknown"}
    return Header(tuple(found[at][0] for at in range(count)), ignored, **{known[key]: value for key, value in options.items()})


def _attribute(path: Any, number: int, words: list[str]) -> tuple[Attribute, bool]:
    """One attribute, and whether it is to be left out."""
    if len(words) < 4:
        raise _wrong(path, number, 'an attribute is written as: 0 discrete nominal "make" range 22')
    kind, sub_type, name = words[1].lower(), words[2].lower(), words[3]
    rest = words[4:]
    if len(rest) % 2:
        raise _wrong(path, number, f"{' '.join(rest)!r}: parameters come in pairs of a name and a number")
    told = {rest[i].lower(): _number(path, number, rest[i], rest[i + 1]) for i in range(0, len(rest), 2)}
    if (kind, sub_type) == ("dummy", "nil") or kind == "dummy":
        return Attribute(name, "discrete"), True
    if kind == "discrete":
        _allowed(path, number, told, ("range",))
        return Attribute(name, "discrete", n_levels=int(told.get("range", 0))), False
    if kind == "real" and sub_type == "location":
        _allowed(path, number, told, ("error",))
        return Attribute(name, "location", error=_positive(path, number, "error", told.get("error", _ERROR))), False
    if kind == "real" and sub_type == "scalar":
        _allowed(path, number, told, ("zero_point", "rel_error"))
        if "rel_error" not in told:
            raise _wrong(path, number, f"attribute {name!r} needs a rel_error, such as: zero_point 0.0 rel_error 0.01")
        error = _positive(path, number, "rel_error", told["rel_error"])
        return Attribute(name, "scalar", error=error, zero_point=told.get("zero_point", 0.0)), False
    there = "discrete nominal, real location, real scalar, dummy nil"
    raise _wrong(path, number, f"{words[1]} {words[2]} is no type of an attribute: there are {there}")


def read_cells(path: str | os.PathLike[str], header: Header) -> tuple[list[Any], ...]:
    """The columns of a .db2 file: texts of discrete attributes, numbers, None where missing. Raises DataError naming the line."""
    columns: tuple[list[Any], ...] = tuple([] for _ in header.attributes)
    begun = False
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.rstrip("\r\n")
            bare = text.lstrip(" ")
            if not bare.strip() or bare[0] == header.comment or (not begun and text[0] in _COMMENT):
                continue
            begun = True
            cells = _split(path, number, text, header.separator)
            if len(cells) != len(columns):
                told = f"{len(cells)} cells between {header.separator!r}"
                raise _wrong(path, number, f"{told}, but the header defines {len(columns)} attributes")
            for attribute, column, cell in zip(header.attributes, columns, cells, strict=True):
                column.append(_cell(path, number, attribute, cell, header.unknown))
    if not begun:
        raise DataError(f"{os.fspath(path)}: there are no rows; lines before the first one that begin with a blank are comments")
    _warn_of_ranges(path, header, columns)
    return columns


def _warn_of_ranges(path: Any, header: Header, columns: tuple[list[Any], ...]) -> None:
    """Warn of discrete attributes with more values than their header declares, which the program widens, too."""
    for attribute, cells in zip(header.attributes, columns, strict=True):
        found = len({cell for cell in cells if cell is not None})
        if attribute.kind == "discrete" and 0 < attribute.n_levels < found:
            warn(
                f"{os.fspath(path)}: attribute {attribute.name!r} has {found} values, more than its range {attribute.n_levels} in "
                "the header; all of them are used"
            )


def _cell(path: Any, number: int, attribute: Attribute, cell: str, unknown: str) -> Any:
    if cell == unknown or not cell:
        return None
    return cell if attribute.kind == "discrete" else _number(path, number, f"attribute {attribute.name!r}", cell)


def read_terms(path: str | os.PathLike[str], header: Header, *, which: int = 0) -> tuple[Term, ...]:
    """The terms of one model of a .model file. Raises DataError naming the line."""
    models, at = dict[int, list[Term]](), -1
    taken, rest = dict[int, int](), dict[int, tuple[str, int]]()
    left, size = 0, len(header.attributes)
    for number, words in _lines(path):
        key = words[0].lower()
        if key == "model_index":
            if left:
                raise _wrong(path, number, f"model {at} says that it has {left} more line(s)")
            if len(words) != 3 or not words[1].isdigit() or not words[2].isdigit():
                raise _wrong(path, number, "write model_index, its number, and how many lines it has, as in: model_index 0 4")
            at, left = int(words[1]), int(words[2])
            models[at], taken = [], {}
            continue
        if key not in TERMS:
            raise _wrong(path, number, f"{words[0]!r} is no term; there are {', '.join(TERMS)}")
        if not left:
            raise _wrong(path, number, "a term without a model_index line that counts it")
        left -= 1
        if [word.lower() for word in words[1:]] == ["default"]:
            rest[at] = (key, number)
            continue
        columns = [_column(path, number, word, size, header) for word in words[1:]]
        if not columns:
            raise _wrong(path, number, f"{key} of no attribute")
        for column in columns:
            if column in taken:
                raise _wrong(path, number, f"attribute {column} has a term already, on line {taken[column]}")
            taken[column] = number
        models[at] += [Term(key, tuple(columns))] if key == "multi_normal_cn" else [Term(key, (column,)) for column in columns]
    if left:
        raise DataError(f"{os.fspath(path)}: it ends where model {at} has {left} more line(s)")
    if which not in models:
        there = ", ".join(map(str, models)) or "none"
        raise DataError(f"{os.fspath(path)}: there is no model {which}; there are: {there}")
    terms = models[which]
    named = {column for term in terms for column in term.columns}
    others = [column for column in range(size) if column not in named]
    if which in rest:
        terms += [Term(rest[which][0], (column,)) for column in others]
    elif others:
        raise DataError(f"{os.fspath(path)}: model {which} says nothing of attribute {others[0]}; add a line: ignore default")
    _fitting(path, terms, header)
    return tuple(terms)


def _fitting(path: Any, terms: list[Term], header: Header) -> None:
    """Raise DataError for a term that does not fit the type of its attribute."""
    for term in terms:
        for column in term.columns:
            discrete = header.attributes[column].kind == "discrete"
            if term.kind != "ignore" and column not in header.ignored and discrete != (term.kind == "single_multinomial"):
                name = header.attributes[column].name
                kind = "discrete" if discrete else "real"
                raise DataError(f"{os.fspath(path)}: {term.kind} of attribute {column} ({name!r}), which is {kind}", column=name)


def _column(path: Any, number: int, word: str, size: int, header: Header) -> int:
    """An attribute by its number or by its name."""
    names = [attribute.name for attribute in header.attributes]
    if word in names:
        return names.index(word)
    if not word.isdigit() or int(word) >= size:
        raise _wrong(path, number, f"{word!r} is no attribute; they are numbered from 0 to {size - 1}")
    return int(word)


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is no comment."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if not line.strip() or line[0] in _COMMENT:
                continue
            try:
                words = shlex.split(line, comments=False, posix=True)
            except ValueError as error:
                raise _wrong(path, number, f"a quotation mark is not closed ({error})") from error
            if words:
                yield number, words


def _split(path: Any, number: int, text: str, separator: str) -> list[str]:
    """The cells of a data line; quoted cells may hold the separator."""
    if separator == " ":
        try:
            return shlex.split(text, comments=False, posix=True)
        except ValueError as error:
            raise _wrong(path, number, f"a quotation mark is not closed ({error})") from error
    cells, begin, quoted = [], 0, False
    for i, letter in enumerate(text):
        # A quotation mark within a cell, as in 5" or 3'-4", is a letter like others
        if letter == '"' and (quoted or not text[begin:i].strip()):
            quoted = not quoted
        elif letter == separator and not quoted:
            cells.append(text[begin:i])
            begin = i + 1
    if quoted:
        raise _wrong(path, number, "a quotation mark is not closed")
    return [_unquoted(cell.strip()) for cell in (*cells, text[begin:])]


def _unquoted(cell: str) -> str:
    """Without the pair of quotation marks around it."""
    return cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell


def _number(path: Any, number: int, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _wrong(path, number, f"{what}: {text!r} is not a number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise _wrong(path, number, f"{what}: {text!r} is not finite")
    return value


def _positive(path: Any, number: int, what: str, value: float) -> float:
    if not value > 0:
        raise _wrong(path, number, f"{what} {value:g} must be above 0")
    return value


def _whole(path: Any, number: int, words: list[str], low: int, high: int) -> int:
    if len(words) != 2 or not words[1].isdigit() or not low <= int(words[1]) <= high:
        raise _wrong(path, number, f"{words[0]} takes a whole number from {low} to {high}")
    return int(words[1])


def _allowed(path: Any, number: int, told: dict[str, float], names: tuple[str, ...]) -> None:
    for name in told:
        if name not in names:
            raise _wrong(path, number, f"{name!r} is no parameter of this type; there are {', '.join(names)}")


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names made different by the number of their column where two are the same."""
    return tuple(f"{name} {i}" if names.count(name) > 1 else name for i, name in enumerate(names))


def _wrong(path: str | os.PathLike[str], number: int, text: str) -> DataError:
    return DataError(f"{os.fspath(path)} line {number}: {text}", row=number)
