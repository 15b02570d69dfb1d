"""A text file as bytes in UTF-8, and its records."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from emkit.cli.exits import Refusal

_CHUNK = 1 << 22
_ONE_BLOCK = 1 << 30  # bytes up to which a file is parsed as one block if it has carriage returns
# UTF-32 comes first, because its mark begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Text:
    """A text file as UTF-8.

    Parameters
    ----------
    content : Path or bytes
        The file itself, or a translation of it in memory.
    start : int
        The byte where the header begins: after a byte order mark and a line such as ``sep=;``.
    skipped : int
        The number of lines before ``start``.
    quotes, hexadecimal, returns : bool
        Whether a double quote, ``0x``, and a carriage return, stands anywhere in it.
    """

    content: Path | bytes
    start: int
    skipped: int
    quotes: bool
    hexadecimal: bool
    returns: bool = False

    def open(self, start: int) -> BinaryIO:
        """A stream of its own from that byte on: after an error, pyarrow's threads may still read from the one that they have."""
        stream = io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")
        stream.seek(start)
        return stream

    def for_arrow(self, start: int, block: int) -> tuple[Any, int]:
        r"""The same for pyarrow, and in blocks of how many bytes it may read, so that none ends between ``\r`` and ``\n``.

        Its threads read on beyond what was asked for. One that still reads from a Python stream when the interpreter ends takes the
        process down with it, so that such a stream is the last resort.
        """
        import pyarrow as pa

        if self.returns and self.size() >= _ONE_BLOCK:
            return WholeLineBreaks(self.open(start)), block
        source = pa.BufferReader(self.content) if isinstance(self.content, bytes) else pa.OSFile(str(self.content))
        source.seek(start)
        return source, max(self.size(), block) if self.returns else block

    def size(self) -> int:
        """The number of bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size


def open_utf8(path: Path, say: Callable[[str], None]) -> Text:
    """The file as it is where it is UTF-8; otherwise a translation of it."""
    with path.open("rb") as file:
        head = file.read(512)
    encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None) or _unmarked_utf16(head)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    if encoding is None:
        try:
            return _scanned(Text(path, start, 0, False, False))
        except UnicodeDecodeError:
            encoding = "cp1252"
            say(f"note: {str(path)!r} is not UTF-8; its letters are read as Windows-1252 (Western European)")
    data = path.read_bytes()
    try:
        letters = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "cp1252":
            raise Refusal(f"cannot read {str(path)!r}: it is not {encoding.upper()} as it begins; is it cut short?") from error
        letters = data.decode("latin-1")  # Windows-1252 leaves five bytes without a letter.
    return _scanned(Text(letters.removeprefix("\ufeff").encode("utf-8", "replace"), 0, 0, False, False))


def _unmarked_utf16(head: bytes) -> str | None:
    """UTF-16 without its mark: every other byte of plain letters is zero."""
    even, odd = head[::2], head[1::2]
    if odd and odd.count(0) > 0.7 * len(odd) and not even.count(0):
        return "utf-16-le"
    if odd and even.count(0) > 0.7 * len(even) and not odd.count(0):
        return "utf-16-be"
    return None


def _scanned(text: Text) -> Text:
    """The text with ``quotes`` and ``hexadecimal`` found out; raises UnicodeDecodeError where the bytes are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    quotes = hexadecimal = returns = False
    last = b""
    with text.open(text.start) as stream:
        while chunk := stream.read(_CHUNK):
            decoder.decode(chunk)
            quotes = quotes or b'"' in chunk
            returns = returns or b"\r" in chunk
            hexadecimal = hexadecimal or b"0x" in chunk or b"0X" in chunk or last + chunk[:1] in (b"0x", b"0X")
            last = chunk[-1:]
    decoder.decode(b"", True)
    return replace(text, quotes=quotes, hexadecimal=hexadecimal, returns=returns)


def records(text: Text, separator: str) -> Iterator[tuple[int, list[str] | None]]:
    """Every record with the line on which it begins, as Python's csv module reads them; None for one whose quote stays open."""
    end = "\0end of file\0"
    before: tuple[int, list[str]] | None = None
    line = text.skipped + 1
    with io.TextIOWrapper(text.open(text.start), "utf-8", newline="") as lines, long_cells():
        # A reader inside a quoted cell takes this last line into the cell; any other makes a record of it.
        reader = csv.reader(itertools.chain(lines, [end]), delimiter=separator)
        for record in reader:
            if before is not None:
                yield before
            before, line = (line, record), text.skipped + reader.line_num + 1
    if before is not None and before[1] != [end]:
        yield before[0], None


def is_blank(record: list[str]) -> bool:
    """Whether a record is an empty line, or a line of blanks."""
    return not record or (len(record) == 1 and not record[0].strip(" \t"))


def tabs_for_blanks(data: bytes) -> bytes:
    """The lines with each run of blanks and tabs outside quotes made one tab, and none at the ends of a line."""
    data = data.strip(b" \t")
    # An expression finds the cells in quotes; after the last line that has any, replacing does, ten times faster.
    last = data.rfind(b'"')
    end = 0 if last < 0 else data.find(b"\n", last) if b"\n" in data[last:] else len(data)
    edge = rb"[^ \t\r\n]"
    runs = re.compile(rb'(?<!%b)"[^"]*(?:""[^"]*)*"(?!%b)|[ \t]*(\r\n|\r|\n)[ \t]*|[ \t]+' % (edge, edge))
    quoted = runs.sub(lambda run: run[0] if run[0][:1] == b'"' else run[1] or b"\t", data[:end])
    data = data[end:]
    for old, new in ((b" ", b"\t"), (b"\r\n", b"\n"), (b"\r", b"\n")):
        data = data.replace(old, new)
    while b"\t\t" in data:
        data = data.replace(b"\t\t", b"\t")
    return quoted + data.replace(b"\t\n", b"\n").replace(b"\n\t", b"\n")


def without_blank_lines(text: Text, separator: str, width: int, path: Path) -> Text:
    """The rows without lines of blanks, which pyarrow takes for rows of one cell; refuses a row with too few or many cells."""
    header = True
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, delimiter=separator, lineterminator="\r\n")
    for line, record in records(text, separator):
        if record is None or (is_blank(record) and (header or width > 1)):
            continue
        if len(record) != width and not (width == 1 and not record):
            what = {"\t": "a tab or blanks"}.get(separator, repr(separator))
            raise Refusal(
                f"cannot read {str(path)!r}: line {line}: Expected {width} column{'s' * (width > 1)}, got {len(record)}; correct "
                f"the line, or give the --separator if it is not {what}"
            )
        if not header:
            writer.writerow(record)
        header = False
    return replace(text, content=rows.getvalue().encode(), start=0)


def refuse_open_quote(text: Text, separator: str, path: Path) -> None:
    """Refuse a file cut off inside a quoted cell, which pyarrow reads as if that cell ended with the file."""
    if _quotes_pair_up(text, separator):
        return
    for line, record in records(text, separator):
        if record is None:
            raise Refusal(
                f'cannot read {str(path)!r}: a quoted cell (") is never closed, in the row that begins on line {line}; close it, '
                "or get the whole file if it is cut short"
            )


def _quotes_pair_up(text: Text, separator: str) -> bool:
    """Whether every second quote begins a cell, or another quote's other half, and they are even in number.

    Then none is open at the end. Otherwise a quote may stand inside a cell, and only reading the cells tells.
    """
    import numpy as np

    begins = np.zeros(256, dtype=bool)
    begins[list(b'\r\n"' + separator.encode())] = True
    count, before = 0, ord("\n")
    with text.open(text.start) as stream:
        while chunk := stream.read(_CHUNK):
            codes = np.frombuffer(chunk, dtype=np.uint8)
            quotes = np.flatnonzero(codes == ord('"'))
            opening = quotes[count % 2 :: 2]
            if not begins[np.where(opening > 0, codes[opening - 1], before)].all():
                return False
            count, before = count + len(quotes), chunk[-1]
    return count % 2 == 0


class WholeLineBreaks(io.RawIOBase):
    r"""A stream whose reads never end between ``\r`` and ``\n``; pyarrow would drop the ``\n``, even inside a quoted cell."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._held = b""

    def readable(self) -> bool:
        """Readable, as pyarrow asks."""
        return True

    def read(self, size: int = -1) -> bytes:
        r"""At most that many bytes; what they would end with, if it is ``\r``, comes with the next ones."""
        data = self._held + self._stream.read(size if size < 0 else max(size - len(self._held), 0))
        kept = len(data.rstrip(b"\r"))
        if 0 < kept < len(data):
            self._held = data[kept:]
            return data[:kept]
        self._held = b""
        return data

    def close(self) -> None:
        """Close the stream underneath as well."""
        self._stream.close()
        super().close()


@contextmanager
def long_cells() -> Iterator[None]:
    """Python's csv module refuses cells over 128 KiB unless told otherwise."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
