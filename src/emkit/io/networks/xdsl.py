"""XDSL, the format of GeNIe and SMILE.

Identifiers are all that XDSL allows as names of nodes and states. Others are written as identifiers, the names themselves in a user
property ``emkit`` of the node, and the node's name also where GeNIe shows it. Tables (``cpt``) and deterministic nodes are read;
noisy-MAX, equations, decisions and utilities are refused by name. Colours and places of nodes are not kept.
"""

import os
from collections.abc import Mapping

from emkit.core.errors import DataError
from emkit.io.networks.drafts import Draft, assemble
from emkit.io.networks.extras import KEY, Extras, parted
from emkit.io.networks.record import Network
from emkit.io.networks.text import identifiers, is_identifier, located
from emkit.io.networks.xmltree import Element, escaped, holds, parse

_UNNAMED = "Network"


def read(source: str | os.PathLike[str]) -> Network:
    """The network of a text (str) or a file (Path).

    Raises
    ------
    DataError
        Where it is not XDSL, has nodes of other kinds than tables, or makes no network: names file, line and node.
    """
    root, where = parse(source)
    if root.tag != "smile":
        raise DataError(f"{where}, line {root.line}: the root is {root.tag!r}; XDSL has 'smile'")
    lines: dict[str, int] = {}
    with located(where, lines.get):
        if root.all("dynamic"):
            raise DataError("the network is a dynamic one; unroll it in GeNIe and save that")
        drafts = []
        waiting = list(reversed(root.all("nodes")))
        while waiting:
            element = waiting.pop()
            if element.tag in ("nodes", "submodel"):
                waiting += reversed(element.inside)
            elif element.tag not in ("property", "comment"):
                drafts.append(_node(element, lines))
        extras = Extras.of("".join(text for element in root.all("extensions") for text in element.texts(KEY)))
        if extras.order is not None and sorted(extras.order) == sorted(draft.key for draft in drafts):
            place = {key: i for i, key in enumerate(extras.order)}
            drafts.sort(key=lambda draft: place[draft.key])
        shown = root.attributes.get("id", _UNNAMED)
        title = extras.name if extras.name is not None else "" if shown == _UNNAMED else shown
        return assemble(drafts, title, dict(extras.properties))


def _properties(element: Element, node: str | None = None) -> tuple[dict[str, str], Extras]:
    said = {one.attributes.get("id", ""): one.text for one in element.all("property")}
    return said, Extras.of(said.pop(KEY, None), node)


def _node(element: Element, lines: dict[str, int]) -> Draft:
    key = element.attributes.get("id", "")
    lines[key] = element.line
    deterministic = element.tag == "deterministic"
    if not deterministic and element.tag != "cpt":
        raise DataError(
            f"node {key!r} is a {element.tag!r}; only 'cpt' and 'deterministic' can be read. In GeNIe, change its type to General",
            column=key,
        )
    states = tuple(state.attributes.get("id", "") for state in element.all("state"))
    tables = element.texts("resultingstates" if deterministic else "probabilities")
    if len(tables) != 1:
        raise DataError(f"node {key!r} has {len(tables)} tables; it needs one", column=key)
    said, extras = _properties(element, key)
    parents = tuple(" ".join(element.texts("parents")).split())
    return Draft(key, states, said, extras, parents, tables[0].split(), deterministic)


def write(network: Network) -> str:
    """Of a network, with shortest decimals that give the same bits."""
    title = network.title if is_identifier(network.title) else _UNNAMED
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<smile version="1.0" id="{title}" numsamples="10000" discsamples="10000">',
        "  <nodes>",
    ]
    order = network.graph.topological  # GeNIe wants parents before their children
    keys = dict(zip(network.names, identifiers(network.names), strict=True))
    for node in order:
        name, states, table = network.names[node], network.states[node], network.tables[node]
        shown = tuple(identifiers(states))
        lines.append(f'    <cpt id="{keys[name]}">')
        lines += [f'      <state id="{state}" />' for state in shown]
        if network.parents[node]:
            lines.append(f"      <parents>{' '.join(keys[parent] for parent in network.parents[node])}</parents>")
        lines.append(f"      <probabilities>{' '.join(map(repr, table.ravel().tolist()))}</probabilities>")
        meant = Extras(name if keys[name] != name else None, states if shown != states else None)
        lines += [*_said(network.said(name), meant), "    </cpt>"]
    lines += ["  </nodes>", "  <extensions>", f'    <genie version="1.0" app="emkit" name="{_visible(network.title, title)}">']
    for name, key in keys.items():
        lines.append(f'      <node id="{key}"><name>{_visible(name, key)}</name></node>')
    lines.append("    </genie>")
    said = network.title in ("", title) and network.title != _UNNAMED
    moved = None if list(order) == sorted(order) else tuple(keys.values())
    packed = Extras(None if said else network.title, None, network.remarks, moved).packed()
    lines += [f"    <{KEY}>{escaped(packed)}</{KEY}>"] if packed else []
    return "\n".join([*lines, "  </extensions>", "</smile>"]) + "\n"


def _visible(name: str, key: str) -> str:
    return escaped(name) if holds(name) else key


def _said(properties: Mapping[str, str], meant: Extras) -> list[str]:
    plain, more = parted(properties, lambda key, value: is_identifier(key) and (not value or holds(value)))
    packed = Extras(meant.name, meant.states, more).packed()
    said = {**plain, KEY: packed} if packed else plain
    return [f'      <property id="{key}">{escaped(value)}</property>' for key, value in said.items()]
