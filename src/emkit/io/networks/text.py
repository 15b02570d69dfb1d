"""What readers of text share: bytes to text, comments blanked out, tokens with their places, quoted names."""

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NoReturn

import numpy as np

from emkit.core.errors import DataError

MAX_BYTES = 2**30
"""Of a file, unpacked: beyond it a reader refuses, whatever a small .gz file unfolds to."""

QUOTED = r'"(?:[^"\\]++|\\.)*+"'
"""A string in double quotes; a backslash keeps the next character."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_INK = re.compile(r"\S")
_NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Source = str | os.PathLike[str]


def load(path: Source) -> bytes:
    """What is in a file, unpacked where it is gzip (told by its first bytes).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DataError
        If it is a folder, damaged, cut short, or over a gigabyte unpacked.
    """
    where = os.fspath(path)
    if Path(path).is_dir():
        raise DataError(f"{where!r} is a folder; give the path of a file in it")
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            data = gzip.GzipFile(fileobj=file).read(MAX_BYTES + 1) if packed else file.read(MAX_BYTES + 1)
        except (EOFError, gzip.BadGzipFile, OSError, ValueError) as error:
            raise DataError(f"{where}: the compressed file is damaged or cut short ({error})") from error
        except Exception as error:  # zlib has an error of its own
            raise DataError(f"{where}: the compressed file is damaged ({error})") from error
    if len(data) > MAX_BYTES:
        raise DataError(f"{where}: over {MAX_BYTES:.3g} bytes unpacked; that is no network that fits")
    return data


def opened(source: Source) -> tuple[str, str]:
    """Text and what to call it in messages: of a Path the file's, of a str itself.

    A file is UTF-8; where it is not, as older Hugin and Netica files, Latin-1.
    """
    if isinstance(source, str):
        return source, "<text>"
    data = load(source)
    try:
        return data.decode("utf-8-sig"), os.fspath(source)
    except UnicodeDecodeError:
        return data.decode("latin-1"), os.fspath(source)


def quoted(name: str) -> str:
    """In double quotes, so that ``unquoted`` gives the same name: quotes, backslashes and control characters are escaped."""
    return json.dumps(name, ensure_ascii=_SURROGATE.search(name) is not None)


def unquoted(token: str) -> str:
    """Of a string in double quotes. Backslashes that escape nothing, as in old paths of folders, stand for themselves."""
    if "\\" not in token:
        return token[1:-1]
    try:
        return str(json.loads(token, strict=False))
    except ValueError:
        return token[1:-1]


def identifiers(names: Sequence[str], reserved: frozenset[str] = frozenset()) -> list[str]:
    """A different identifier of ASCII letters, digits and underscores for each name: itself where it is one."""
    taken = {name for name in names if is_identifier(name, reserved)}
    found = []
    for name in names:
        own = name
        if own not in taken or not is_identifier(own, reserved):
            stem = re.sub(r"[^A-Za-z0-9_]", "_", name)[:64]
            stem = stem if _PLAIN.fullmatch(stem) and stem not in reserved else f"x_{stem}"
            own, number = stem, 1
            while own in taken:
                number += 1
                own = f"{stem}_{number}"
            taken.add(own)
        found.append(own)
    return found


def is_identifier(name: str, reserved: frozenset[str] = frozenset()) -> bool:
    """Whether a name is made of ASCII letters, digits and underscores, does not begin with a digit, and is no reserved word."""
    return _PLAIN.fullmatch(name) is not None and name not in reserved


def blanked(text: str, where: str, line_marks: str) -> str:
    """The text with spaces for comments, so that places and lines stay: /* */, // and, at the start of a word, ``line_marks``."""
    if not any(mark in text for mark in ("/*", "//", *line_marks)):
        return text
    pattern = re.compile(rf"({QUOTED})|/\*.*?\*/|//[^\n]*|(?<![^\s;{{}}(),])[{re.escape(line_marks)}][^\n]*|(/\*)", re.DOTALL)

    def blank(found: re.Match[str]) -> str:
        if found[1]:
            return found[1]
        if found[2]:
            raise DataError(f"{where}, line {line_of(text, found.start())}: a comment begins and does not end")
        return re.sub(r"[^\n]", " ", found[0])

    return pattern.sub(blank, text)


def line_of(text: str, place: int) -> int:
    """The number of the line, from 1, of the first word from a place on."""
    found = _INK.search(text, place)
    return text.count("\n", 0, place if found is None else found.start()) + 1


def numbers(words: Sequence[str], what: str) -> list[float]:
    """Words as numbers. Raises DataError that names the first that is none."""
    try:
        if "_" not in "".join(words):  # Python's 1_000 is none
            return list(map(float, words))
    except ValueError:
        pass
    wrong = next(word for word in words if not _NUMBER.fullmatch(word))
    raise DataError(f"{what}: {wrong[:40]!r} is no number")


def shaped(values: Sequence[float], node: str, shape: tuple[int, ...]) -> np.ndarray:
    """A table of a list of numbers. Raises DataError where there are more or fewer than the shape has entries."""
    size = 1
    for length in shape:
        size *= length
    if len(values) != size:
        raise DataError(f"the table of node {node!r} has {len(values)} numbers; its parents and states make {size}", column=node)
    return np.array(values, dtype=np.float64).reshape(shape)


@contextmanager
def located(where: str, line: Callable[[str], int | None]) -> Iterator[None]:
    """Errors about a node get the file and the line where it stands, which is only asked for then."""
    try:
        yield
    except DataError as error:
        number = line(error.column) if error.column else None
        at = f", line {number}" if number else ""
        raise DataError(f"{where}{at}: {error}", column=error.column) from error


class Scanner:
    """A cursor in a text without comments, token by token.

    A token is a string in double quotes, one of the signs, or a run of other characters.
    """

    def __init__(self, text: str, where: str, signs: str, line_marks: str = ""):
        self.text, self.where, self.place = blanked(text, where, line_marks), where, 0
        self.last = 0  # where the last token began
        inside = re.escape(signs)
        self._token = re.compile(rf'\s*({QUOTED}|[{inside}]|[^\s"{inside}]+)', re.DOTALL)
        self._until = re.compile(rf'((?:[^";{{}}]++|{QUOTED})*+);', re.DOTALL)

    def fail(self, message: str, place: int | None = None, node: str | None = None) -> NoReturn:
        """Raise DataError with file and line, that of the last token where no place is given."""
        line = line_of(self.text, self.last if place is None else place)
        raise DataError(f"{self.where}, line {line}: {message}", column=node)

    def located(self, places: Mapping[str, int]) -> AbstractContextManager[None]:
        """Errors about a node get the line of its place."""
        return located(self.where, lambda node: line_of(self.text, places[node]) if node in places else None)

    def take(self, expected: str = "") -> str:
        """The next token; fails at the end of the text, or where it is another one than expected."""
        found = self._token.match(self.text, self.place)
        if found is None:
            rest = self.text[self.place : self.place + 40].strip()
            self.last = self.place
            self.fail(f"a quote is not closed: {rest!r}" if rest else f"the file ends early{self._wanted(expected)}")
        self.last = found.start(1)
        if expected and found[1] != expected:
            self.fail(f"found {found[1][:40]!r}{self._wanted(expected)}")
        self.place = found.end()
        return found[1]

    @staticmethod
    def _wanted(expected: str) -> str:
        return f", where {expected!r} is due" if expected else ""

    def peek(self) -> str:
        """The next token, which stays; empty at the end of the text."""
        found = self._token.match(self.text, self.place)
        if found is None and self.text[self.place :].strip():
            self.fail("a quote is not closed", self.place)
        return "" if found is None else found[1]

    def until(self) -> str:
        """What stands up to the next semicolon, which is passed; braces only in quotes."""
        found = self._until.match(self.text, self.place)
        if found is None:
            self.fail("a statement does not end: ';' is missing", self.place)
        self.place = found.end()
        return found[1].strip()

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The pattern at the cursor, which passes it."""
        found = pattern.match(self.text, self.place)
        if found is not None:
            self.place = found.end()
        return found
