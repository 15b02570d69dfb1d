"""XMLBIF 0.3 (Cozman, 1998), as JavaBayes, WEKA, SamIam, pgmpy and others write it.

Names that XML text cannot hold, with control characters or blanks at their ends, are written as identifiers, and the names
themselves in a PROPERTY ``emkit`` beside them. In a TABLE the child's own states come fastest, then those of the last GIVEN.
"""

import os
from collections.abc import Mapping, Sequence

from emkit.core.errors import DataError
from emkit.io.networks.drafts import Draft, assemble
from emkit.io.networks.extras import KEY, Extras, parted
from emkit.io.networks.record import Network
from emkit.io.networks.text import identifiers, located
from emkit.io.networks.xmltree import Element, escaped, holds, parse

_HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE BIF [
  <!ELEMENT BIF ( NETWORK )*>
  <!ATTLIST BIF VERSION CDATA #REQUIRED>
  <!ELEMENT NETWORK ( NAME, ( PROPERTY | VARIABLE | DEFINITION )* )>
  <!ELEMENT NAME (#PCDATA)>
  <!ELEMENT VARIABLE ( NAME, ( OUTCOME | PROPERTY )* ) >
  <!ATTLIST VARIABLE TYPE (nature|decision|utility) "nature">
  <!ELEMENT OUTCOME (#PCDATA)>
  <!ELEMENT DEFINITION ( FOR | GIVEN | TABLE | PROPERTY )* >
  <!ELEMENT FOR (#PCDATA)>
  <!ELEMENT GIVEN (#PCDATA)>
  <!ELEMENT TABLE (#PCDATA)>
  <!ELEMENT PROPERTY (#PCDATA)>
]>
<BIF VERSION="0.3">
<NETWORK>"""


def read(source: str | os.PathLike[str]) -> Network:
    """The network of a text (str) or a file (Path).

    Raises
    ------
    DataError
        Where it is not XMLBIF, or makes no network: names file, line and node.
    """
    root, where = parse(source)
    networks = root.all("network") if root.tag.lower() == "bif" else []
    if len(networks) != 1:
        raise DataError(f"{where}, line {root.line}: {root.tag!r} has {len(networks)} elements NETWORK; XMLBIF is one in a 'BIF'")
    network = networks[0]
    lines: dict[str, int] = {}
    with located(where, lines.get):
        remarks, extras = _properties(network)
        drafts = [_variable(element, lines) for element in network.all("variable")]
        _define(network, {draft.key: draft for draft in drafts}, lines)
        title = "".join(network.texts("name")) if extras.name is None else extras.name
        return assemble(drafts, title, {**remarks, **extras.properties})


def _properties(element: Element, node: str | None = None) -> tuple[dict[str, str], Extras]:
    said: dict[str, str] = {}
    for text in element.texts("property"):
        key, _, value = text.partition("=")
        if key.strip():
            said[key.strip()] = value.strip()
    return said, Extras.of(said.pop(KEY, None), node)


def _variable(element: Element, lines: dict[str, int]) -> Draft:
    key = "".join(element.texts("name"))
    lines[key] = element.line
    kind = {name.lower(): value for name, value in element.attributes.items()}.get("type", "nature")
    if kind.lower() not in ("nature", "discrete"):  # the second is no word of the format, but there are files with it
        raise DataError(f"variable {key!r} is of type {kind!r}; only 'nature' can be read", column=key)
    said, extras = _properties(element, key)
    return Draft(key, tuple(element.texts("outcome")), said, extras)


def _define(network: Element, known: Mapping[str, Draft], lines: dict[str, int]) -> None:
    """Give each variable its parents and numbers."""
    for element in network.all("definition"):
        children, tables = element.texts("for"), element.texts("table")
        key = children[0] if len(children) == 1 else ""
        lines[key] = element.line
        if key not in known:
            raise DataError(f"the DEFINITION of line {element.line} is FOR {children!r:.80}; that is not one variable", column=key)
        if known[key].parents is not None:
            raise DataError(f"node {key!r} has two definitions", column=key)
        if len(tables) != 1:
            raise DataError(f"the definition of node {key!r} has {len(tables)} elements TABLE; it needs one", column=key)
        known[key].parents = tuple(element.texts("given"))
        known[key].words = tables[0].replace(",", " ").split()


def write(network: Network) -> str:
    """Of a network, with shortest decimals that give the same bits."""
    odd = network.title and not holds(network.title)
    lines = [_HEADER, f"<NAME>{'' if odd else escaped(network.title)}</NAME>"]
    lines += _said(network.remarks, Extras(network.title if odd else None))
    keys = dict(zip(network.names, _shown(network.names), strict=True))
    for name, states in zip(network.names, network.states, strict=True):
        shown = _shown(states)
        lines += ['<VARIABLE TYPE="nature">', f"  <NAME>{escaped(keys[name])}</NAME>"]
        lines += [f"  <OUTCOME>{escaped(state)}</OUTCOME>" for state in shown]
        meant = Extras(name if keys[name] != name else None, states if shown != states else None)
        lines += [*_said(network.said(name), meant), "</VARIABLE>"]
    for name, parents, table in zip(network.names, network.parents, network.tables, strict=True):
        rows = "\n".join(" ".join(map(repr, row)) for row in table.reshape(-1, table.shape[-1]).tolist())
        lines += ["<DEFINITION>", f"  <FOR>{escaped(keys[name])}</FOR>"]
        lines += [f"  <GIVEN>{escaped(keys[parent])}</GIVEN>" for parent in parents]
        lines += [f"  <TABLE>{rows}</TABLE>", "</DEFINITION>"]
    return "\n".join([*lines, "</NETWORK>", "</BIF>"]) + "\n"


def _shown(names: Sequence[str]) -> tuple[str, ...]:
    """Different names as XML text: themselves where XML can hold them."""
    return tuple(name if holds(name) else other for name, other in zip(names, identifiers(names), strict=True))


def _said(properties: Mapping[str, str], meant: Extras) -> list[str]:
    plain, more = parted(properties, lambda key, value: holds(key) and "=" not in key and (not value or holds(value)))
    packed = Extras(meant.name, meant.states, more).packed()
    said = {**plain, KEY: packed} if packed else plain
    return [f"  <PROPERTY>{escaped(key)} = {escaped(value)}</PROPERTY>" for key, value in said.items()]
