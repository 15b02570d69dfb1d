"""Laws of travelling that a family and a model share: into files, to other processes, and back with the same bits."""

import json
import multiprocessing
import pickle
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from emkit.core.describe import classes_in, describe, rebuild, same_description
from emkit.io.container import read, write
from emkit.testing.cases import Case, Law
from emkit.testing.compare import close, require, same_bits


def saved_is_loaded(case: Case) -> None:
    """Written to a file and read back, it says the same of the data, bit for bit; ``null`` has the shapes of its parameters."""
    subject = case.subject
    arrays: dict[str, np.ndarray] = {}
    description = describe(subject, arrays)
    require(same_description(json.loads(json.dumps(description)), description), "the description is not plain JSON")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.safetensors"
        write(path, {"kind": "case", "subject": description}, {**arrays, **case.params.flatten("params.")})
        header, stored = read(path, "case")
    back = rebuild(header["subject"], stored, classes_in(subject))
    again: dict[str, np.ndarray] = {}
    require(same_description(describe(back, again), description), f"read back as {back!r}, was {subject!r}")
    require(
        all(np.array_equal(again[name], value, equal_nan=True) for name, value in arrays.items()), "read back with other arrays"
    )
    params = back.null(case.k, case.source.n_features).replace_arrays(stored, "params.")
    same_bits("parameters read back", params, case.params)
    function, (_, _, *data) = case.task()
    _same(function(back, params, *data), function(subject, case.params, *data), "read back from a file")


def pickled_is_the_same(case: Case) -> None:
    """Pickled and unpickled, it says the same of the data, bit for bit."""
    function, arguments = case.task()
    copy, values = pickle.loads(pickle.dumps((function, arguments)))
    _same(copy(*values), function(*arguments), "unpickled")


def spawned_says_the_same(case: Case) -> bool | None:
    """In a process that was started afresh, it says the same of the data, bit for bit. Takes a second: only if asked for."""
    if not case.spawn:
        return False
    function, arguments = case.task()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.apply(function, arguments)
    _same(found, function(*arguments), "in another process")
    return None


def _same(found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
    require(found.keys() == expected.keys(), f"{where} there are {sorted(found)}, expected {sorted(expected)}")
    for name, value in expected.items():
        if not np.array_equal(found[name], value, equal_nan=np.asarray(value).dtype.kind == "f"):
            close(f"{name}, {where}", found[name], value, rtol=0.0)


LAWS: tuple[Law, ...] = (saved_is_loaded, pickled_is_the_same, spawned_says_the_same)
