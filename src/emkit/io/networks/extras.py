"""What a format cannot say in its own words, as JSON in one of its free fields: names, states, properties.

Other programs see a valid file with plain identifiers; this one reads back what was meant.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from emkit.core.errors import DataError

KEY = "emkit"
"""The property or attribute that holds it."""


@dataclass(frozen=True)
class Extras:
    """Of one node or of the network; None and empty where the file itself says it. ``order`` is that of the network's nodes."""

    name: str | None = None
    states: tuple[str, ...] | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] | None = None

    def packed(self) -> str:
        """ASCII, on one line; empty where there is nothing to say."""
        said: dict[str, object] = {}
        if self.name is not None:
            said["name"] = self.name
        if self.states is not None:
            said["states"] = list(self.states)
        if self.properties:
            said["properties"] = dict(self.properties)
        if self.order is not None:
            said["order"] = list(self.order)
        return json.dumps(said) if said else ""

    @classmethod
    def of(cls, text: str | None, node: str | None = None) -> "Extras":
        """Raises DataError, about the node, where it is not what ``packed`` writes."""
        try:
            return cls._of(parsed(text)) if text else cls()
        except DataError as error:
            raise DataError(f"node {node!r}: {error}" if node else str(error), column=node) from error

    @classmethod
    def _of(cls, said: Mapping[str, object]) -> "Extras":
        name, states, order = said.get("name"), said.get("states"), said.get("order")
        if not (name is None or isinstance(name, str)):
            raise DataError(f"the property {KEY!r} has a name that is no text: {name!r:.60}")
        properties = mapping(said.get("properties", {}))
        return cls(name, None if states is None else texts(states), properties, None if order is None else texts(order))


def parsed(text: str) -> dict[str, object]:
    """A JSON object. Raises DataError where it is none."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"the property {KEY!r} is no JSON that emkit writes: {text[:60]!r}") from error
    if not isinstance(said, dict):
        raise DataError(f"the property {KEY!r} is not what emkit writes: {text[:60]!r}")
    return said


def texts(value: object) -> tuple[str, ...]:
    """A list of strings. Raises DataError where it is none."""
    if not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
        raise DataError(f"the property {KEY!r} has {value!r:.60}, where names are due")
    return tuple(value)


def mapping(value: object) -> dict[str, str]:
    """Strings by name. Raises DataError where it is none."""
    if not (isinstance(value, dict) and all(isinstance(item, str) for item in value.values())):
        raise DataError(f"the property {KEY!r} has {value!r:.60}, where properties are due")
    return value


def parted(properties: Mapping[str, str], plain: Callable[[str, str], bool]) -> tuple[dict[str, str], dict[str, str]]:
    """Properties that the format can hold in its own words, and the others. ``KEY`` itself is never one of its own."""
    own = {key: value for key, value in properties.items() if key != KEY and plain(key, value)}
    return own, {key: value for key, value in properties.items() if key not in own}
