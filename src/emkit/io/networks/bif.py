"""The Interchange Format for Bayesian networks, BIF 0.15 (Cozman, 1998), as bnlearn, pgmpy, JavaBayes and others write it.

Names with spaces, quotes or signs are written as strings in double quotes with JSON's escapes. What is read: rows of a table in any
order, ``default`` rows, ``table`` (the child's states slowest, as the format has it), comments (/* */, //, #), quoted names, names
with spaces without quotes (pgmpy 1.x), properties.
"""

import os
import re
from collections.abc import Mapping
from itertools import product

from emkit.io.networks.bif_tables import Tables
from emkit.io.networks.bif_words import BifScanner
from emkit.io.networks.record import Network
from emkit.io.networks.text import opened, quoted

_WORD = re.compile(r"(?!#)(?:[^\s{}()\[\]|,;\"/\\]|/(?![/*]))+")
_RAW = re.compile(r'[^\s"{};=#/\\](?:[^"{};=#/\\\n\r]*[^\s"{};=#/\\])?')


def read(source: str | os.PathLike[str]) -> Network:
    """The network of a text (str) or a file (Path).

    Raises
    ------
    DataError
        Where it is not BIF, or makes no network: names file, line and node.
    """
    return _Reader(BifScanner(*opened(source))).network()


class _Reader:
    def __init__(self, scanner: BifScanner):
        self.scanner = scanner
        self.title, self.remarks = "", dict[str, str]()
        self.states: dict[str, tuple[str, ...]] = {}
        self.properties: dict[str, dict[str, str]] = {}
        self.places: dict[str, int] = {}

    def network(self) -> Network:
        scanner = self.scanner
        tables = Tables(scanner, self.states, self.properties, self.places)
        while scanner.peek():
            begin, keyword = scanner.place, scanner.take()
            if keyword == "network":
                unnamed = scanner.peek() == "unknown"  # what bnlearn and pgmpy write; a title of that name is in quotes
                title = scanner.words("{")
                self.title = "" if unnamed and title == "unknown" else title
                self.body("network", self.remarks)
            elif keyword == "variable":
                self.variable(begin)
            elif keyword == "probability":
                tables.skip(begin)
            else:
                scanner.fail(f"found {keyword[:40]!r}, where 'network', 'variable' or 'probability' is due", begin)
        if not self.states:
            scanner.fail("there is no variable: this is no network in BIF")
        parents, found = tables.read()
        names = tuple(self.states)
        with scanner.located(self.places):
            return Network(
                names,
                tuple(self.states.values()),
                tuple(parents[name] for name in names),
                tuple(found[name] for name in names),
                {name: said for name, said in self.properties.items() if said},
                self.title,
                self.remarks,
            )

    def body(self, what: str, said: dict[str, str]) -> None:
        """Properties up to the closing brace."""
        while (token := self.scanner.take()) != "}":
            if token != "property":
                self.scanner.fail(f"{what}: found {token[:40]!r}, where 'property' or '}}' is due")
            self.scanner.stated(said)

    def variable(self, begin: int) -> None:
        scanner = self.scanner
        name = scanner.words("{")
        if name in self.states:
            scanner.fail(f"two variables are called {name!r}", begin, name)
        self.places[name] = begin
        states: tuple[str, ...] | None = None
        said = self.properties.setdefault(name, {})
        while (token := scanner.take()) != "}":
            if token == "property":
                scanner.stated(said)
            elif token == "type" and states is None:
                states = self.discrete(name)
            else:
                scanner.fail(f"variable {name!r}: found {token[:40]!r}, where 'type', 'property' or '}}' is due", node=name)
        if states is None:
            scanner.fail(f"variable {name!r} has no type, so its states are not known", begin, name)
        self.states[name] = states

    def discrete(self, name: str) -> tuple[str, ...]:
        scanner = self.scanner
        kind = scanner.take()
        if kind != "discrete":
            scanner.fail(f"variable {name!r} is of type {kind[:40]!r}; only discrete nodes can be read", node=name)
        scanner.take("[")
        declared = scanner.take()
        scanner.take("]")
        scanner.take("{")
        slots = scanner.listed("}")
        scanner.take(";")
        single = [word for slot in slots for word in slot]
        joined = [" ".join(slot) for slot in slots]
        states = single if len(slots) == 1 and str(len(single)) == declared else joined
        if str(len(states)) != declared:
            scanner.fail(f"variable {name!r} declares {declared[:40]} states and lists {len(states)}", node=name)
        return tuple(states)


def write(network: Network) -> str:
    """Of a network, with shortest decimals that give the same bits. Names are quoted where they are not plain words."""
    title = quoted("unknown") if network.title == "unknown" else _word(network.title) if network.title else "unknown"
    lines = [f"network {title} {{", *_properties(network.remarks), "}"]
    for name, states in zip(network.names, network.states, strict=True):
        lines += [
            f"variable {_word(name)} {{",
            f"  type discrete [ {len(states)} ] {{ {', '.join(map(_word, states))} }};",
            *_properties(network.said(name)),
            "}",
        ]
    words = {name: list(map(_word, states)) for name, states in zip(network.names, network.states, strict=True)}
    for name, parents, table in zip(network.names, network.parents, network.tables, strict=True):
        rows = [", ".join(map(repr, row)) for row in table.reshape(-1, table.shape[-1]).tolist()]
        if parents:
            lines.append(f"probability ( {_word(name)} | {', '.join(map(_word, parents))} ) {{")
            configurations = product(*(words[parent] for parent in parents))
            lines += [f"  ({', '.join(states)}) {row};" for states, row in zip(configurations, rows, strict=True)]
        else:
            lines += [f"probability ( {_word(name)} ) {{", f"  table {rows[0]};"]
        lines.append("}")
    return "\n".join(lines) + "\n"


def _word(name: str) -> str:
    return name if _WORD.fullmatch(name) and name.isprintable() else quoted(name)


def _properties(said: Mapping[str, str]) -> list[str]:
    return [f"  property {_raw(key)} = {_raw(value)};" for key, value in said.items()]


def _raw(text: str) -> str:
    return text if _RAW.fullmatch(text) and text.isprintable() else quoted(text)
