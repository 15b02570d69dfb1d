"""The probability blocks of BIF: rows in any order, ``table``, ``default``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from emkit.core.errors import DataError
from emkit.io.networks.bif_words import BifScanner
from emkit.io.networks.record import check_nodes, first_twice
from emkit.io.networks.text import QUOTED, numbers, shaped, unquoted

_ROW = re.compile(r'\s*\(([^()";{}]*)\)\s*([^()";{}]*);')  # a row without quotes, which nearly all are
_BODY = re.compile(rf'(?:[^"{{}}]++|{QUOTED})*+\}}', re.DOTALL)


@dataclass
class _Table:
    """One probability block: the child and its parents, where it and its body begin, and rows by where they lie in the table."""

    names: list[str]
    place: int
    begin: int
    rows: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    whole: list[float] | None = None
    default: list[float] | None = None


class Tables:
    """Reads the tables, once all variables are known.

    Until then blocks are only skipped; ``states``, ``properties`` and ``places`` are those of the reader, by name of the node.
    """

    def __init__(
        self,
        scanner: BifScanner,
        states: Mapping[str, tuple[str, ...]],
        properties: Mapping[str, dict[str, str]],
        places: dict[str, int],
    ):
        self.scanner, self.states, self.properties, self.places = scanner, states, properties, places
        self.blocks: list[tuple[list[str], int, int]] = []

    def skip(self, begin: int) -> None:
        """Pass a probability block, and keep the tokens of its heading and where it and its body begin."""
        scanner = self.scanner
        scanner.take("(")
        tokens = list[str]()
        while (token := scanner.take()) != ")":
            if token in "{}()[];":
                scanner.fail(f"found {token!r} in the heading of a table, where ')' is due")
            tokens.append(token)
        scanner.take("{")
        body = scanner.place
        if scanner.match(_BODY) is None:
            scanner.fail("the table does not end: '}' is missing", begin)
        self.blocks.append((tokens, begin, body))

    def read(self) -> tuple[dict[str, tuple[str, ...]], dict[str, np.ndarray]]:
        """Parents and tables by node. All sizes are checked before the first table is made."""
        found: dict[str, _Table] = {}
        for tokens, begin, body in self.blocks:
            family = self.family(tokens, begin)
            if family[0] in found:
                self.scanner.fail(f"node {family[0]!r} has two tables", begin, family[0])
            found[family[0]] = _Table(family, begin, body)
            self.places[family[0]] = begin
        for name in self.states:
            if name not in found:
                self.scanner.fail(f"node {name!r} has no table: its probability block is missing", self.places[name], name)
        parents = {name: tuple(found[name].names[1:]) for name in self.states}
        with self.scanner.located(self.places):
            check_nodes(tuple(self.states), tuple(self.states.values()), tuple(parents.values()))
        return parents, {name: self.table(name, found[name]) for name in self.states}

    def family(self, tokens: list[str], begin: int) -> list[str]:
        """Names of the child and its parents: between commas where there are some, else known names, else words."""
        names = list[str]()
        slot = list[str]()

        def close() -> None:
            whole = " ".join(slot)
            names.extend([whole] if whole in self.states else slot)
            slot.clear()

        for token in tokens:
            if token in "|,":
                close()
            else:
                slot.append(unquoted(token) if token[0] == '"' else token)
        close()
        if not names or tokens[0] == "|":
            self.scanner.fail("a probability block names no node", begin)
        for name in names:
            if name not in self.states:
                self.scanner.fail(f"the table of {names[0]!r} names {name!r}, but there is no such variable", begin, names[0])
        return names

    def table(self, name: str, block: _Table) -> np.ndarray:
        """Read a block's body."""
        scanner, parents = self.scanner, block.names[1:]
        lengths = [len(self.states[parent]) for parent in parents]
        steps = [prod(lengths[i + 1 :]) for i in range(len(parents))]
        offsets = [{s: i * step for i, s in enumerate(self.states[p])} for p, step in zip(parents, steps, strict=True)]
        scanner.place = block.begin
        card = len(self.states[name])
        while True:
            begin = scanner.place
            row = scanner.match(_ROW)
            if row is not None:
                words = row[1].split(",") if "," in row[1] or len(parents) == 1 else row[1].split()
                self.row(name, block, offsets, [word.strip() for word in words], row[2], card, begin)
            elif scanner.peek() == "}":
                break
            else:
                self.statement(name, block, offsets, card, begin)
        return self.filled(name, block, (*lengths, card))

    def statement(self, name: str, block: _Table, offsets: list[dict[str, int]], card: int, begin: int) -> None:
        """A row with quotes, ``table``, ``default`` or a property."""
        scanner = self.scanner
        token = scanner.take()
        if token == "(":
            slots = self.scanner.listed(")")
            single = [word for slot in slots for word in slot]
            states = single if len(single) == len(offsets) else [" ".join(slot) for slot in slots]
            self.row(name, block, offsets, states, scanner.until(), card, begin)
        elif token in ("table", "default"):
            values = self.numbers(name, scanner.until(), begin)
            if (block.whole if token == "table" else block.default) is not None:
                scanner.fail(f"the table of node {name!r} has two statements {token!r}", begin, name)
            if token == "table":
                block.whole = values
            else:
                block.default = values
                if len(values) != card:
                    scanner.fail(f"the default row of node {name!r} has {len(values)} numbers for {card} states", begin, name)
        elif token == "property":
            self.scanner.stated(self.properties[name])
        else:
            scanner.fail(f"the table of node {name!r}: found {token[:40]!r}, where a row is due", begin, name)

    def row(
        self, name: str, block: _Table, offsets: list[dict[str, int]], states: list[str], text: str, card: int, begin: int
    ) -> None:
        """Keep one row: the states of the parents, and the numbers as text."""
        if len(states) != len(offsets):
            self.scanner.fail(
                f"a row of the table of node {name!r} names {len(states)} states of {len(offsets)} parents: {states!r:.80}",
                begin,
                name,
            )
        try:
            block.rows.append(sum([offset[state] for offset, state in zip(offsets, states, strict=True)]))
        except KeyError as error:
            self.scanner.fail(f"a row of the table of node {name!r} names {error.args[0]!r}, which its parent has not", begin, name)
        values = self.numbers(name, text, begin)
        if len(values) != card:
            self.scanner.fail(f"a row of the table of node {name!r} has {len(values)} numbers for {card} states", begin, name)
        block.values += values

    def numbers(self, name: str, text: str, begin: int) -> list[float]:
        """Of a row, with commas or blanks between."""
        try:
            return numbers(text.replace(",", " ").split(), f"the table of node {name!r}")
        except DataError as error:
            self.scanner.fail(str(error), begin, name)

    def filled(self, name: str, block: _Table, shape: tuple[int, ...]) -> np.ndarray:
        """The table of what was read."""
        fail, card = self.scanner.fail, shape[-1]
        if block.whole is not None:
            if block.rows or block.default is not None:
                fail(f"node {name!r} has rows beside 'table', which gives all of them", block.place, name)
            with self.scanner.located(self.places):
                # The child's states come slowest.
                table = np.moveaxis(shaped(block.whole, name, (card, *shape[:-1])), 0, -1)
            self.refuse_fast(name, block, table)
            return table
        if len(set(block.rows)) < len(block.rows):
            fail(
                f"the table of node {name!r} has the row {self.states_of(block, first_twice(block.rows))} twice", block.place, name
            )
        n = prod(shape[:-1])
        if len(block.rows) < n and block.default is None:
            there = set(block.rows)
            absent = next(row for row in range(n) if row not in there)
            what = f"the row {self.states_of(block, absent)}" if len(shape) > 1 else "'table'"
            fail(f"the table of node {name!r} has {len(block.rows)} rows of {n}: {what} is missing", block.place, name)
        table = np.empty((n, card))
        if block.default is not None:
            table[:] = block.default
        table[block.rows] = np.array(block.values).reshape(-1, card)
        return table.reshape(shape)

    def refuse_fast(self, name: str, block: _Table, table: np.ndarray) -> None:
        """Say what is wrong where the child's states plainly come fastest, as in XMLBIF: rows add up to 1 in that order only."""
        card = table.shape[-1]
        other = np.array(block.whole).reshape(-1, card).sum(axis=1)
        if np.abs(table.sum(axis=-1) - 1).max() > 1e-2 and np.abs(other - 1).max() < 1e-2:
            self.scanner.fail(
                f"the 'table' of node {name!r} has its own states fastest; BIF has them slowest. Write its rows one by one",
                block.place,
                name,
            )

    def states_of(self, block: _Table, row: int) -> str:
        """A row's parents' states, in words."""
        lengths = [len(self.states[parent]) for parent in block.names[1:]]
        index = np.unravel_index(row, lengths) if lengths else ()
        return "(" + ", ".join(self.states[p][int(i)] for p, i in zip(block.names[1:], index, strict=True)) + ")"
