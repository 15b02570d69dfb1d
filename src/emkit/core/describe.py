"""Configuration to JSON and back, once for everything: dataclasses, arrays, numbers and text.

Arrays are put aside under a path of their own, so that a file can store them as they are; the JSON refers to them. What is read
back is built only from classes that the reader was given by name: nothing is imported because a file says so.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from emkit.core.errors import ModelFileError

_INLINE = 16  # entries up to which an array stands in the JSON itself, where a person can read it


def name_of(kind: type) -> str:
    """Under what name a class is stored: its import path."""
    return f"{kind.__module__}:{kind.__qualname__}"


def describe(value: Any, arrays: dict[str, np.ndarray], path: str = "") -> Any:
    """``value`` as plain JSON; larger arrays are put into ``arrays`` under their path.

    Raises
    ------
    TypeError
        For what is neither data nor a dataclass, such as a function.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return describe(value.item(), arrays, path)
    if isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not is_dataclass(value)):
        return _array(np.asarray(value), arrays, path)
    if isinstance(value, Enum):
        return {"enum": name_of(type(value)), "is": value.name}
    if is_dataclass(value) and not isinstance(value, type):
        inside = {f.name: describe(getattr(value, f.name), arrays, f"{path}.{f.name}") for f in fields(value) if f.init}
        return {"type": name_of(type(value)), "has": inside}
    if isinstance(value, Mapping):
        return {"dict": [[describe(k, arrays, path), describe(v, arrays, f"{path}.{k}")] for k, v in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [describe(v, arrays, f"{path}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, list):
        return [describe(v, arrays, f"{path}.{i}") for i, v in enumerate(value)]
    raise TypeError(f"{path.lstrip('.') or 'value'}={value!r} cannot be written to a file")


def _array(value: np.ndarray, arrays: dict[str, np.ndarray], path: str) -> Any:
    if value.dtype.kind not in "biuf":
        return {"array": describe(value.tolist(), arrays, path), "dtype": "O" if value.dtype.kind == "O" else value.dtype.str}
    if value.size <= _INLINE:
        return {"array": value.tolist(), "dtype": value.dtype.str}
    arrays[path] = value
    return {"stored": path}


def rebuild(description: Any, arrays: Mapping[str, np.ndarray], known: Mapping[str, type]) -> Any:
    """Inverse of ``describe``; ``known`` are the classes that may be built, by ``name_of``.

    Raises
    ------
    ModelFileError
        For a class that is not among them.
    """
    if isinstance(description, list):
        return [rebuild(item, arrays, known) for item in description]
    if not isinstance(description, Mapping):
        return description
    if "type" in description:
        inside = {name: rebuild(value, arrays, known) for name, value in description["has"].items()}
        return _class(description["type"], known)(**inside)
    if "enum" in description:
        kind: Any = _class(description["enum"], known)
        return kind[description["is"]]
    if "stored" in description:
        return np.array(arrays[description["stored"]])
    if "array" in description:
        return np.array(rebuild(description["array"], arrays, known), dtype=description["dtype"])
    if "tuple" in description:
        return tuple(rebuild(item, arrays, known) for item in description["tuple"])
    return {rebuild(k, arrays, known): rebuild(v, arrays, known) for k, v in description["dict"]}


def _class(name: str, known: Mapping[str, type]) -> type:
    if name not in known:
        raise ModelFileError(
            f"it needs the class {name.rpartition(':')[2]!r} of {name.rpartition(':')[0]!r}, which is not part of this emkit; "
            "pass the class to load(path, classes=[...]) if it is yours, or upgrade emkit"
        )
    return known[name]


def same_description(a: Any, b: Any) -> bool:
    """Whether two descriptions say the same; NaN equals NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same_description(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same_description(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (a != a and b != b)
    return bool(a == b)


def snapshot(value: Any) -> tuple[Any, dict[str, np.ndarray]] | None:
    """A description that does not follow later changes of the arrays; None for what cannot be described."""
    arrays: dict[str, np.ndarray] = {}
    try:
        return describe(value, arrays), {path: array.copy() for path, array in arrays.items()}
    except TypeError:
        return None


def same_snapshot(a: Any, b: Any) -> bool:
    """Whether two snapshots say the same; None is like nothing."""
    if a is None or b is None or not same_description(a[0], b[0]) or a[1].keys() != b[1].keys():
        return False
    return all(np.array_equal(a[1][path], b[1][path], equal_nan=a[1][path].dtype.kind == "f") for path in a[1])


def classes_in(value: Any) -> dict[str, type]:
    """The classes that ``value`` is made of, by ``name_of``: what ``rebuild`` must know to make it again."""
    found: dict[str, type] = {}
    if isinstance(value, Mapping):
        for item in value.values():
            found |= classes_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            found |= classes_in(item)
    elif isinstance(value, Enum):
        found[name_of(type(value))] = type(value)
    elif is_dataclass(value) and not isinstance(value, type):
        found[name_of(type(value))] = type(value)
        for field in fields(value):
            found |= classes_in(getattr(value, field.name))
    return found
