"""UAI, the format of the inference competitions (type BAYES): numbers alone, no names.

Names of nodes and states stand in a comment after the last table, which other programs do not read on to; without it nodes are "0",
"1", ... and so are the states of each. In a table the last node of its scope, the child, comes fastest. pgmpy has the first one so,
against the format: a file is read so where its rows add up to 1 in that order and not in the other.
"""

import json
import os
import re
from collections.abc import Sequence
from itertools import islice
from math import prod
from typing import NoReturn

import numpy as np

from emkit.core.errors import DataError
from emkit.io.networks.extras import KEY, mapping, parsed, texts
from emkit.io.networks.record import ROUNDING, Network, check_nodes, settled
from emkit.io.networks.text import blanked, line_of, numbers, opened, shaped

_MARK = f"# {KEY} "
_TOKEN = re.compile(r"\S+")


def read(source: str | os.PathLike[str]) -> Network:
    """The network of a text (str) or a file (Path).

    Raises
    ------
    DataError
        Where it is not UAI, is no Bayesian network, or makes none: names file, line and node.
    """
    text, where = opened(source)
    body, mark, names = text.partition(_MARK)
    plain = _Reader(blanked(body, where, "#"), where).network()
    if not mark:
        return plain
    try:
        return _named(plain, names)
    except DataError as error:
        raise DataError(f"{where}, line {line_of(text, len(body))}: {error}", column=error.column) from error


class _Reader:
    def __init__(self, text: str, where: str):
        self.text, self.where = text, where
        self.words, self.at = text.split(), 0

    def fail(self, message: str, at: int | None = None, node: str | None = None) -> NoReturn:
        """Raise DataError with the line of a word."""
        found = next(islice(_TOKEN.finditer(self.text), self.at if at is None else at, None), None)
        place = len(self.text) if found is None else found.start()
        raise DataError(f"{self.where}, line {line_of(self.text, place)}: {message}", column=node)

    def count(self, what: str) -> int:
        """A whole number."""
        if self.at >= len(self.words):
            self.fail(f"the file ends early, where {what} is due")
        word = self.words[self.at]
        if not (word.isascii() and word.isdigit() and len(word) < 16):
            self.fail(f"found {word[:40]!r}, where {what} is due")
        self.at += 1
        return int(word)

    def counts(self, n: int, what: str) -> list[int]:
        """As many whole numbers; more than there are words left is told before anything is made."""
        if n > len(self.words) - self.at:
            self.fail(f"{n} times {what} are declared, but {len(self.words) - self.at} words are left")
        return [self.count(what) for _ in range(n)]

    def network(self) -> Network:
        kind = self.words[0] if self.words else ""
        if kind != "BAYES":
            self.fail(f"the file begins with {kind[:40]!r}; only networks of type BAYES can be read")
        self.at = 1
        cards = self.counts(self.count("the number of variables"), "a number of states")
        n, begin = len(cards), self.at
        if sum(cards) > 1_000_000:
            self.fail(f"{n} nodes have {sum(cards)} states, over a million")
        if self.count("the number of tables") != n:
            self.fail(f"{n} variables have {self.words[begin]} tables; each needs one", begin)
        scopes, begins = list[list[int]](), list[int]()
        for _ in range(n):
            begins.append(self.at)
            scopes.append(self.counts(self.count("the number of nodes of a table"), "a node of a table"))
        children: dict[int, int] = {}
        for i, scope in enumerate(scopes):
            if not scope or max(scope) >= n:
                self.fail(f"table {i} is of the variables {scope!r:.60}; they are 0 to {n - 1}", begins[i])
            if scope[-1] in children:
                self.fail(f"node '{scope[-1]}' has two tables, {children[scope[-1]]} and {i}", begins[i], str(scope[-1]))
            children[scope[-1]] = i
        names = tuple(map(str, range(n)))
        states = tuple(tuple(map(str, range(card))) for card in cards)
        parents = tuple(tuple(map(str, scopes[children[node]][:-1])) for node in range(n))
        try:
            check_nodes(names, states, parents)
        except DataError as error:
            self.fail(str(error), begins[children[int(error.column)]] if error.column else begins[0], error.column)
        tables = self.tables([str(scope[-1]) for scope in scopes], [tuple(cards[node] for node in scope) for scope in scopes])
        return Network(names, states, parents, tuple(tables[children[node]] for node in range(n)))

    def tables(self, nodes: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """Of all nodes, in the order of the file."""
        begins, flat = list[int](), list[np.ndarray]()
        for node, shape in zip(nodes, shapes, strict=True):
            begins.append(self.at)
            flat.append(self.table(node, shape))
        if self.at < len(self.words):
            self.fail(f"found {self.words[self.at][:40]!r} after the last table")
        found = [values.reshape(shape) for values, shape in zip(flat, shapes, strict=True)]
        if not all(map(_adds_up, found)):
            other = [values.reshape(shape, order="F") for values, shape in zip(flat, shapes, strict=True)]
            found = other if all(map(_adds_up, other)) else found
        for node, shape, table, begin in zip(nodes, shapes, found, begins, strict=True):
            try:
                settled(table, node, shape)
            except DataError as error:
                self.fail(str(error), begin, node)
        return found

    def table(self, node: str, shape: tuple[int, ...]) -> np.ndarray:
        """The numbers of one table, flat."""
        begin, size = self.at, self.count(f"the size of the table of node {node!r}")
        if size != prod(shape):
            self.fail(f"the table of node {node!r} declares {size} numbers; its parents and states make {prod(shape)}", begin, node)
        try:
            words = self.words[self.at : self.at + size]
            values = shaped(numbers(words, f"the table of node {node!r}"), node, (size,))
        except DataError as error:
            self.fail(str(error), begin, node)
        self.at += size
        return values


def _adds_up(table: np.ndarray) -> bool:
    return bool((np.abs(table.sum(axis=-1) - 1.0) <= ROUNDING).all())


def _named(plain: Network, text: str) -> Network:
    said = parsed(text)
    names, states = texts(said.get("names")), said.get("states")
    if not isinstance(states, list) or len(states) != len(plain) or len(names) != len(plain):
        raise DataError(f"the comment with names is not that of a network of {len(plain)} nodes")
    properties = said.get("properties", {})
    if not isinstance(properties, dict):
        raise DataError("the comment with names has properties that are none")
    return Network(
        names,
        tuple(map(texts, states)),
        tuple(tuple(names[int(parent)] for parent in parents) for parents in plain.parents),
        plain.tables,
        {name: mapping(own) for name, own in properties.items()},
        str(said.get("title", "")),
        mapping(said.get("remarks", {})),
    )


def write(network: Network) -> str:
    """Of a network, with shortest decimals that give the same bits."""
    lines = ["BAYES", str(len(network)), " ".join(map(str, network.cards)), str(len(network))]
    for node, parents in enumerate(network.graph.parents):
        lines.append(" ".join(map(str, (len(parents) + 1, *parents, node))))
    for table in network.tables:
        lines += ["", str(table.size)]
        lines += [" " + " ".join(map(repr, row)) for row in table.reshape(-1, table.shape[-1]).tolist()]
    said: dict[str, object] = {"names": network.names, "states": network.states, "title": network.title}
    properties = {name: dict(own) for name, own in network.properties.items() if own}
    said |= {"properties": properties, "remarks": dict(network.remarks)}
    return "\n".join([*lines, "", _MARK + json.dumps({key: value for key, value in said.items() if value})]) + "\n"
