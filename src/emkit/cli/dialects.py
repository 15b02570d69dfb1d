"""How the cells of a text file are written: separator, decimal mark and header, recognised from its start or asked for by name."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from emkit.cli.exits import Refusal
from emkit.cli.text import Text, is_blank, long_cells, tabs_for_blanks

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "blank": " "}
DECIMALS = {"point": ".", "comma": ","}

# Missing cells, as pandas has them by default.
NULLS: tuple[str, ...] = (
    "",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
)
NULLS += ("NaN", "None", "n/a", "nan", "null")

_SAMPLE = 1 << 16
_LARGEST_SAMPLE = 1 << 26
_CELLS = 100_000
_NUMBER = re.compile(r"\s*[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?\s*|\s*[+-]?(?:inf|infinity)\s*", re.ASCII | re.IGNORECASE)
_FRACTION = {mark: re.compile(rf"\s*[+-]?\d*[{mark}]\d+(?:[eE][+-]?\d+)?\s*", re.ASCII) for mark in ".,"}
_THOUSANDS = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+\s*", re.ASCII)


@dataclass(frozen=True)
class Dialect:
    """How the cells of a text are told apart, and the names in its header; ``start`` is the byte where the first row begins."""

    separator: str
    decimal: str
    names: list[str]
    start: int
    has_rows: bool


def recognise(
    text: Text, path: Path, usual: str, separator: str | None, decimal: str | None, say: Callable[[str], None]
) -> tuple[Text, Dialect]:
    """Find out how a text is written; the text that is returned has cells between single characters.

    Parameters
    ----------
    text, path : Text, Path
        The opened file, and its name for messages.
    usual : str
        The separator that its extension promises; it is preferred where several would do.
    separator, decimal : str or None
        What the person asked for, as a character or by its name in ``SEPARATORS`` and ``DECIMALS``; None: recognise it.
    say : callable
        Is told about guesses that a person may want to check.

    Raises
    ------
    Refusal
        If the file is empty, or a separator or decimal mark is asked for that cannot be one.
    """
    wanted, mark = _asked_separator(separator), _asked_decimal(decimal)
    sample, complete = _sample(text)
    hint = re.match(r"sep=([,;\t| ])(?:\r\n|\r|\n)", sample)
    if hint:  # Excel takes the separator from such a line.
        wanted = wanted or hint[1]
        text = replace(text, start=text.start + len(hint[0]), skipped=1)
        sample, complete = _sample(text)
    found = wanted or _recognise_separator(sample, complete, usual, mark)
    if found == " ":
        # From here on a run of blanks is one tab.
        with text.open(text.start) as stream:
            text = replace(text, content=tabs_for_blanks(stream.read()), start=0)
        sample, complete = _sample(text)
        found = "\t"
    names, header = _header(sample, found)
    if not names:
        raise Refusal(f"cannot read {str(path)!r}: Empty CSV file; it needs a line of column names and the rows under it")
    rows = _rows(sample, found, complete)[1:]
    rest = sample[len(header) :]
    has_rows = not complete or bool(rest if len(names) == 1 else rest.strip("\r\n ") or rows)
    mark = mark or _recognise_decimal(rows, found, path, say)
    return text, Dialect(found, mark, names, text.start + len(header.encode()), has_rows)


def _asked_separator(asked: str | None) -> str | None:
    if asked is None:
        return None
    found = {**SEPARATORS, "blanks": " ", "space": " ", r"\t": "\t"}.get(asked, asked)
    if len(found) != 1 or not found.isascii() or found.isalnum() or found in '"\r\n\0.+-':
        raise Refusal(f"separator {asked!r} cannot be one; give one character, or a name: {', '.join(SEPARATORS)}")
    return found


def _asked_decimal(asked: str | None) -> str | None:
    found = None if asked is None else DECIMALS.get(asked, asked)
    if found not in (None, ".", ","):
        raise Refusal(f"decimal {asked!r} is unknown; give '.' or ',', or a name: {', '.join(DECIMALS)}")
    return found


def _sample(text: Text) -> tuple[str, bool]:
    """The text's start, long enough for three records (the last may be cut), and whether that is all of it."""
    size = _SAMPLE
    while True:
        with text.open(text.start) as stream:
            data = stream.read(size)
        complete = len(data) < size
        sample = codecs.getincrementaldecoder("utf-8")().decode(data)
        if complete or size >= _LARGEST_SAMPLE or (len(_rows(sample, ",", False)) > 2 and not sample.endswith("\r")):
            return sample, complete
        size *= 2


def _rows(sample: str, separator: str, complete: bool) -> list[list[str]]:
    """The first records of the sample without blank lines; the last one is left out where the sample may cut it."""
    if separator == " ":
        sample, separator = tabs_for_blanks(sample.encode()).decode(), "\t"
    with long_cells():
        found = list(csv.reader(io.StringIO(sample, newline=""), delimiter=separator))
    rows = [record for record in (found if complete else found[:-1]) if not is_blank(record)]
    return rows[: max(3, _CELLS // len(rows[0]))] if rows else []


def _header(sample: str, separator: str) -> tuple[list[str], str]:
    """The names in the first line that is not blank, and the text up to the end of that line."""
    used: list[str] = []

    def lines() -> Iterator[str]:
        for line in io.StringIO(sample, newline=""):
            used.append(line)
            yield line

    with long_cells():
        names = next((record for record in csv.reader(lines(), delimiter=separator) if not is_blank(record)), [])
    return names, "".join(used)


def _recognise_separator(sample: str, complete: bool, usual: str, decimal: str | None) -> str:
    """The separator that gives the header and every row of the sample the same number of cells."""
    order = [usual, *(mark for mark in ",;\t|" if mark != usual)]
    rows = {mark: _rows(sample, mark, complete) for mark in order}
    splits = [mark for mark in order if _splits(rows[mark], mark == usual)]
    even = [mark for mark in splits if len({len(row) for row in rows[mark]}) == 1]
    for mark in even:
        if len(rows[mark]) > 1 and all(map(_is_number_or_null, (cell for row in rows[mark][1:] for cell in row))):
            return mark
    if splits:
        return (even or splits)[0]
    blanks = _rows(sample, " ", complete)
    even_rows = [row for row in blanks[1:] if len(row) == len(blanks[0]) > 1]
    if 2 * len(even_rows) >= len(blanks[1:]) > 0:
        # A single column of words has blanks too; a column of numbers shows that these separate cells.
        numbers = [all(map(_is_number_or_null, column)) for column in zip(*even_rows, strict=True)]
        usual = " " if any(numbers) else usual
    # The header is a single name. Commas in the rows below it are decimal only on request.
    return ";" if decimal == "," and usual == "," else usual


def _splits(rows: list[list[str]], usual: bool) -> bool:
    """Whether there are several names in the header, and in a row as well unless the separator is the usual one."""
    return bool(rows) and len(rows[0]) > 1 and (usual or len(rows) == 1 or any(len(row) > 1 for row in rows[1:]))


def _is_number_or_null(cell: str) -> bool:
    return cell.strip() in NULLS or _NUMBER.fullmatch(cell) is not None


def _recognise_decimal(rows: list[list[str]], separator: str, path: Path, say: Callable[[str], None]) -> str:
    """The comma, if more cells are numbers with a decimal comma than with a point, and the commas cannot group thousands."""
    if separator == ",":
        # Here a cell with a comma stands in quotes and may be a list; a column of nothing but numbers is none.
        rows = [list(column) for column in zip(*rows) if all(map(_is_number_or_null, column))]  # noqa: B905 (rows may be ragged)
    cells = [cell for row in rows for cell in row]
    commas = [cell for cell in cells if _FRACTION[","].fullmatch(cell)]
    thousands = [cell for cell in cells if _THOUSANDS.fullmatch(cell)]
    if len(commas) <= sum(_FRACTION["."].fullmatch(cell) is not None for cell in cells):
        return "."
    if len(thousands) >= len(commas):
        # Every comma has three digits after it, so 1,234 may be a thousand or a fraction.
        if separator != ";" or any(cell.count(",") > 1 for cell in thousands):
            return "."
        say(f"note: commas in {str(path)!r} are read as decimal, e.g. {commas[0].strip()}; if they group thousands, remove them")
    return ","
