"""Names, lists and properties in BIF."""

import re

from emkit.io.networks.text import QUOTED, Scanner, unquoted

SIGNS = "{}()[]|,;"
_PAIR = re.compile(rf'(?:({QUOTED})\s*|([^"=]*))=(?:\s*({QUOTED})\s*|([^"]*))', re.DOTALL)


class BifScanner(Scanner):
    """A cursor in BIF."""

    def __init__(self, text: str, where: str):
        super().__init__(text, where, SIGNS, "#")

    def words(self, end: str) -> str:
        """One name up to a sign, which is passed: quoted, or words with spaces between."""
        found = list[str]()
        while (token := self.take()) != end:
            if token in SIGNS:
                self.fail(f"found {token!r}, where {end!r} is due")
            found.append(unquoted(token) if token[0] == '"' else token)
        return " ".join(found)

    def stated(self, said: dict[str, str]) -> None:
        """One property, after its keyword: ``key = value;``, either in quotes or not, or the whole in quotes."""
        raw = self.until()
        if re.fullmatch(QUOTED, raw, re.DOTALL):
            key, _, value = unquoted(raw).partition("=")
        elif pair := _PAIR.fullmatch(raw):
            key = unquoted(pair[1]) if pair[1] else pair[2].strip()
            value = unquoted(pair[3]) if pair[3] else pair[4].strip()
            said[key] = value
            return
        else:
            key, value = raw, ""
        said[key.strip()] = value.strip()

    def listed(self, end: str) -> list[list[str]]:
        """Words up to a sign, which is passed: a list of words for each place between commas. A quoted string is one word."""
        slots: list[list[str]] = [[]]
        while (token := self.take()) != end:
            if token == ",":
                slots.append([])
            elif token in SIGNS:
                self.fail(f"found {token!r} in a list, where {end!r} is due")
            else:
                slots[-1].append(unquoted(token) if token[0] == '"' else token)
        return [slot for slot in slots if slot]
