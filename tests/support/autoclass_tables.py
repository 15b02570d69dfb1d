"""AutoClass's own examples as tables: a reader of a few lines, enough for these files; and tables made from seeds."""

import json
import re
from functools import lru_cache

import numpy as np

from emkit.selection.autoclass.attributes import Attribute, TableModel, Term
from emkit.selection.autoclass.prepare import Prepared, prepare
from support.datasets import FOLDER


def _lines(name):
    return [line.strip() for line in (FOLDER / name).read_text().splitlines() if line and line[0] not in "!#; "]


def _attribute(line, cells):
    """The attribute of a line of the .hd2 file, and the column's cells as numbers; levels are those that occur."""
    kind, sub_type, name, rest = re.match(r'\d+ (\w+) (\w+) "([^"]*)" *(.*)', line).groups()
    if kind == "discrete":
        levels = sorted({c for c in cells if c != "?"})
        return Attribute(name, "discrete", n_levels=len(levels)), [np.nan if c == "?" else levels.index(c) for c in cells]
    told = dict(zip(rest.split()[::2], map(float, rest.split()[1::2]), strict=True))
    error = told["error"] if sub_type == "location" else told["rel_error"]
    attribute = Attribute(name, sub_type, error=error, zero_point=told.get("zero_point", 0.0))
    return attribute, [np.nan if c == "?" else float(c) for c in cells]


@lru_cache
def example(stem) -> Prepared:
    """ "imports-85c" (205 cars, 26 columns) or "autoclass_synthetic" (300 rows, 6 columns)."""
    columns = list(zip(*(line.split(",") for line in _lines(f"{stem}.db2")), strict=True))
    told = [line for line in _lines(f"{stem}.hd2") if re.match(r"\d+ \w+ \w+ \"", line)]
    attributes, x = zip(*(_attribute(line, cells) for line, cells in zip(told, columns, strict=True)), strict=True)
    terms = []
    for kind, *which in (line.split() for line in _lines(f"{stem}.model")[1:]):
        if which == ["default"]:
            named = {c for term in terms for c in term.columns}
            which = [c for c in range(len(attributes)) if c not in named]
        groups = [tuple(map(int, which))] if kind == "multi_normal_cn" else [(int(c),) for c in which]
        terms += [Term(kind, group) for group in groups]
    return prepare(np.array(x).T, TableModel(attributes, tuple(terms)))


def reference():
    """The classifications that the C program wrote of both, with its figures."""
    told = json.loads((FOLDER / "autoclass.json").read_text())
    return {("imports-85c" if "imports" in key else key): value for key, value in told.items()}


def hard(labels, n_classes=None):
    """Memberships of hard labels."""
    labels = np.asarray(labels)
    return np.eye(n_classes or int(labels.max()) + 1)[labels]


def mixed_table(n=120, n_classes=3, seed=0, apart=4.0):
    """(x, model, labels): two correlated numbers, one with cells missing as an outcome, one at random, and two categories."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n)
    numbers = apart * rng.standard_normal((n_classes, 4))[labels] + rng.standard_normal((n, 4))
    numbers[:, 1] += 0.8 * numbers[:, 0]
    numbers[:, 3] = np.exp(numbers[:, 3] / 10)
    levels = [(rng.random((n, 1)) > rng.dirichlet(np.ones(L), n_classes).cumsum(axis=1)[labels]).sum(axis=1) for L in (2, 4)]
    x = np.column_stack([numbers, np.minimum(levels[0], 1), np.minimum(levels[1], 3)]).astype(float)
    for column, share in ((2, 0.2), (3, 0.1), (5, 0.1)):
        x[rng.random(n) < share, column] = np.nan
    attributes = (
        *(Attribute(name, "location", error=0.01) for name in "abc"),
        Attribute("d", "scalar", error=0.001),
        Attribute("e", "discrete", n_levels=2),
        Attribute("f", "discrete", n_levels=4),
    )
    terms = (
        Term("multi_normal_cn", (0, 1)),
        Term("single_normal_cm", (2,)),
        Term("single_normal_cn", (3,)),
        Term("single_multinomial", (4,)),
        Term("single_multinomial", (5,)),
    )
    return x, TableModel(attributes, terms), labels


def report():
    """A classification of the cars into 24 classes, some of three rows, as the C program reports it: figures of three digits."""
    return json.loads((FOLDER / "autoclass_report.json").read_text())
