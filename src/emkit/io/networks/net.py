"""Hugin NET, as Hugin, GeNIe, SamIam, aGrUM, pgmpy and bnlearn write it.

States are strings, in which quotes, backslashes and control characters are escaped. A node whose name is no identifier is written
under one, with its name as ``label`` and in an attribute ``emkit``, from which it is read again. Only discrete chance nodes with
data are read; continuous nodes, utilities, decisions, functions, instances of classes and tables given by a model alone are refused
by name. Of a potential only ``data`` is kept, not counts of experience. Data are weights in this format: Hugin scales rows when it
compiles a network, and files that it writes have rows like (1 1 1 1); rows are scaled here too, whatever they add up to.
"""

import os
import re
from collections.abc import Mapping

import numpy as np

from emkit.io.networks.drafts import Draft, assemble
from emkit.io.networks.extras import KEY, Extras, parted
from emkit.io.networks.record import Network
from emkit.io.networks.text import QUOTED, Scanner, identifiers, is_identifier, opened, quoted, unquoted

_SIGNS = "{}()|,;="
_LAYOUT = re.compile(r"\(\s*-?\d[\d.]*\s+-?\d[\d.]*\s*\)")  # position = (10 20): the only values written without quotes
_ITEM = re.compile(rf'({QUOTED})|([^\s()"]+)', re.DOTALL)
_BRACKETS = str.maketrans("(),", "   ")
_RESERVED = frozenset({"net", "class", "node", "potential", "discrete", "continuous", "utility", "decision", "function", "states"})
_OWN = frozenset({"states", KEY, "title"})  # attributes with a meaning here


def read(source: str | os.PathLike[str]) -> Network:
    """The network of a text (str) or a file (Path).

    Raises
    ------
    DataError
        Where it is not Hugin NET, has other than discrete nodes with tables, or makes no network: names file, line and node.
    """
    return _Reader(Scanner(*opened(source), _SIGNS, "%#")).network()


class _Reader:
    def __init__(self, scanner: Scanner):
        self.scanner, self.remarks = scanner, dict[str, str]()
        self.drafts: dict[str, Draft] = {}
        self.places: dict[str, int] = {}
        self.inside = False
        self.title = ""

    def network(self) -> Network:
        while self.scanner.peek():
            self.statement()
        if self.inside:
            self.scanner.fail("the file ends early: the class is not closed")
        with self.scanner.located(self.places):
            extras = Extras.of(self.remarks.pop(KEY, None))
            title = self.remarks.pop("title", self.title)
            remarks = {**self.remarks, **extras.properties}
            return assemble(list(self.drafts.values()), title if extras.name is None else extras.name, remarks)

    def statement(self) -> None:
        scanner = self.scanner
        begin, token = scanner.place, scanner.take()
        if token == "discrete":
            token = scanner.take("node")
        if token == "node":
            self.node(begin)
        elif token == "potential":
            self.potential(begin)
        elif token == "net":
            scanner.take("{")
            self.remarks.update(self.attributes())
        elif token == "class" and not self.inside:
            self.title, self.inside = self.name(), True
            scanner.take("{")
        elif token == "}" and self.inside:
            self.inside = False
        elif self.inside and scanner.peek() == "=":
            scanner.take("=")
            self.remarks[token] = self.value(scanner.until())
        else:
            what = scanner.peek()[:40]
            scanner.fail(f"found '{token[:40]} {what}'; only discrete nodes with tables can be read from Hugin NET", begin)

    def name(self) -> str:
        token = self.scanner.take()
        if token in _SIGNS:
            self.scanner.fail(f"found {token!r}, where a name is due")
        return unquoted(token) if token[0] == '"' else token

    def attributes(self) -> dict[str, str]:
        """Up to the closing brace, as they stand in the file, strings without quotes."""
        found: dict[str, str] = {}
        while (key := self.scanner.take()) != "}":
            self.scanner.take("=")
            raw = self.scanner.until()
            found[key] = raw if key in ("states", "data") else self.value(raw)
        return found

    @staticmethod
    def value(raw: str) -> str:
        return unquoted(raw) if re.fullmatch(QUOTED, raw, re.DOTALL) else raw

    def node(self, begin: int) -> None:
        key = self.name()
        if key in self.drafts:
            self.scanner.fail(f"two nodes are called {key!r}", begin, key)
        self.places[key] = begin
        self.scanner.take("{")
        said = self.attributes()
        with self.scanner.located(self.places):
            extras = Extras.of(said.pop(KEY, None), key)
        listed = said.pop("states", "")
        if extras.name is not None and said.get("label") == extras.name:
            del said["label"]  # written beside the name for people to see
        states = tuple(unquoted(item[1]) if item[1] else item[2] for item in _ITEM.finditer(listed))
        self.drafts[key] = Draft(key, states, said, extras)

    def potential(self, begin: int) -> None:
        scanner = self.scanner
        scanner.take("(")
        family, bars = list[str](), 0
        while (token := scanner.take()) != ")":
            if token == "|":
                bars += 1
                if len(family) != 1 or bars > 1:
                    scanner.fail(f"a potential of {len(family)} nodes before '|'; it needs one", begin)
            elif token in "{}(;=":
                scanner.fail(f"found {token!r} in the heading of a potential, where ')' is due", begin)
            elif token != ",":
                family.append(unquoted(token) if token[0] == '"' else token)
        if not family or (not bars and len(family) > 1):
            scanner.fail("a potential names no child: ( child | parents ) is due", begin)
        key = family[0]
        scanner.take("{")
        said = self.attributes()
        if key not in self.drafts:
            scanner.fail(f"the potential of {key!r} has no node; it is declared before its potential", begin, key)
        if self.drafts[key].parents is not None:
            scanner.fail(f"node {key!r} has two potentials", begin, key)
        self.places[key] = begin
        if "data" not in said:
            given = "a model (an expression) alone" if "model_data" in said else "no data"
            scanner.fail(f"the potential of node {key!r} has {given}; let Hugin write its table", begin, key)
        self.drafts[key].parents = tuple(family[1:])
        self.drafts[key].weights = True
        self.drafts[key].words = said["data"].translate(_BRACKETS).split()


def write(network: Network) -> str:
    """Of a network, with shortest decimals that give the same bits."""
    keys = dict(zip(network.names, identifiers(network.names, _RESERVED), strict=True))
    title = {"title": network.title} if network.title else {}
    lines = ["net", "{", *_said(title, network.remarks, Extras()), "}"]
    for name, states in zip(network.names, network.states, strict=True):
        meant = Extras(name if keys[name] != name else None)
        label = {"label": name} if keys[name] != name and "label" not in network.said(name) else {}
        shown = " ".join(map(quoted, states))
        lines += [f"node {keys[name]}", "{", f"    states = ({shown});", *_said(label, network.said(name), meant, name), "}"]
    for name, parents, table in zip(network.names, network.parents, network.tables, strict=True):
        family = " ".join([keys[name], "|", *(keys[parent] for parent in parents)])
        lines += [f"potential ({family})", "{", f"    data = {_nested(table)};", "}"]
    return "\n".join(lines) + "\n"


def _nested(table: np.ndarray) -> str:
    """Numbers in brackets, a pair for each axis."""
    if table.ndim == 1:
        return f"({' '.join(map(repr, table.tolist()))})"
    return f"({' '.join(map(_nested, table))})"


def _said(own: Mapping[str, str], properties: Mapping[str, str], meant: Extras, name: str | None = None) -> list[str]:
    plain, more = parted(properties, lambda key, value: is_identifier(key) and key not in _OWN and (key, value) != ("label", name))
    packed = Extras(meant.name, None, more).packed()
    said = {**own, **plain, **({KEY: packed} if packed else {})}
    return [f"    {key} = {value if _LAYOUT.fullmatch(value) else quoted(value)};" for key, value in said.items()]
