"""A Sphinx extension: the order of the website's pages is that of the lists in index.md, under their headings in bold."""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SECTION, _PAGE = re.compile(r"\*\*(.+)\*\*"), re.compile(r"\]\(([\w/.-]+)\.md\)")
FRONT = "index"


def sections(text: str) -> dict[str, list[str]]:
    """Pages under each heading in bold, in order."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        heading = _SECTION.fullmatch(line.strip())
        if heading:
            found[heading[1]] = []
        elif found and line.startswith("- "):
            last = next(reversed(found))
            found[last] += [page for page in _PAGE.findall(line) if page not in found[last]]
    return found


def trees(text: str) -> str:
    """Hidden tables of contents, one for each section."""
    return "\n".join(
        "\n".join([":::{toctree}", ":hidden:", f":caption: {caption}", "", *pages, ":::", ""])
        for caption, pages in sections(text).items()
    )


def add(app: "Sphinx", name: str, source: list[str]) -> None:
    """To the first page only."""
    if name == FRONT:
        source[0] += "\n\n" + trees(source[0])


def setup(app: "Sphinx") -> dict[str, Any]:
    """Of the extension."""
    app.connect("source-read", add)
    return {"parallel_read_safe": True}
