"""XML as a plain tree with line numbers. Entities that a file declares, and deep nesting, are refused."""

import os
from dataclasses import dataclass, field
from xml.parsers import expat

from emkit.core.errors import DataError
from emkit.io.networks.text import load

MAX_DEPTH = 100
"""Of elements in one another: networks need about ten."""


@dataclass
class Element:
    """A tag with its attributes, its own text, and what is inside."""

    tag: str
    attributes: dict[str, str]
    line: int
    pieces: list[str] = field(default_factory=list)
    inside: list["Element"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its own text without blanks around."""
        return "".join(self.pieces).strip()

    def all(self, tag: str) -> list["Element"]:
        """Elements directly inside with a tag, whatever its case."""
        return [element for element in self.inside if element.tag.lower() == tag]

    def texts(self, tag: str) -> list[str]:
        """Of all elements directly inside with a tag."""
        return [element.text for element in self.all(tag)]


def parse(source: str | os.PathLike[str]) -> tuple[Element, str]:
    """The root of a text (str) or a file (Path), and what to call it in messages.

    Raises
    ------
    DataError
        Where it is no well-formed XML, declares entities, or nests deeper than a hundred elements.
    """
    data, where = (source, "<text>") if isinstance(source, str) else (load(source), os.fspath(source))
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", {}, 0)
    open_ones = [top]

    def fail(message: str) -> None:
        raise DataError(f"{where}, line {parser.CurrentLineNumber}: {message}")

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(open_ones) > MAX_DEPTH:
            fail(f"elements are nested more than {MAX_DEPTH} deep")
        element = Element(tag, attributes, parser.CurrentLineNumber)
        open_ones[-1].inside.append(element)
        open_ones.append(element)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_ones.pop()
    parser.CharacterDataHandler = lambda text: open_ones[-1].pieces.append(text)
    parser.EntityDeclHandler = lambda *entity: fail(f"the entity {entity[0]!r} is declared; files with entities are not read")
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise DataError(f"{where}, line {error.lineno}: this is no well-formed XML: {what}") from error
    except (LookupError, UnicodeError) as error:  # of an encoding that there is not
        raise DataError(f"{where}: this is no well-formed XML: {error}") from error
    return top.inside[0], where


def holds(text: str) -> bool:
    """Whether XML text gives the same back: characters that XML has, no blanks around, no line ends of other systems."""
    return text == text.strip() and bool(text) and all(c.isprintable() for c in text)


def escaped(text: str) -> str:
    """For text and for attributes in double quotes."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
