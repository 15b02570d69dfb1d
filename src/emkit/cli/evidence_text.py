"""Questions to networks as they are typed: what is given, what is asked for, and what was seen uncertainly."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from emkit.cli.exits import Refusal
from emkit.data.states import same_state

_SHOWN = 20  # names and states listed in a message


def assignments(text: str, names: Sequence[str], states: Sequence[Sequence[Any]], option: str = "--given") -> dict[int, Any]:
    """The nodes and state numbers in ``dysp=yes,smoke=no``, in the order typed; of nodes without states the numbers typed.

    Names and states with commas stand in double quotes, together (``"a, b=yes"``) or alone (``a="1, 2"``).

    Parameters
    ----------
    names, states
        Of all nodes, in one order.
    option : str
        What messages call it.

    Raises
    ------
    Refusal
        For a node or a state that there is not, with a list of those that there are; for a node that is named twice.
    """
    found: dict[int, Any] = {}
    for node, value in _pairs(text, names, option, "NODE=STATE", "dysp=yes,smoke=no"):
        if node in found:
            raise Refusal(f"{option} names {names[node]!r} more than once")
        found[node] = _state(value, names[node], states[node], option) if states[node] else _real(value, names[node], option)
    return found


def asked(text: str, names: Sequence[str], option: str = "--of") -> list[int]:
    """The nodes in ``lung,bronc``, in the order typed; refused as in ``assignments``."""
    found: list[int] = []
    for part in _parts(text, option):
        node = _node(part, names, option)
        if node in found:
            raise Refusal(f"{option} names {names[node]!r} more than once")
        found.append(node)
    if not found:
        raise Refusal(f"{option} is empty: name nodes, with commas between them, e.g. {option} lung,bronc")
    return found


def likelihoods(text: str, names: Sequence[str], states: Sequence[Sequence[Any]], option: str = "--soft") -> dict[int, np.ndarray]:
    """Likelihoods of the states of nodes in ``smoke=yes:0.8;no:0.2,lung=yes:1``; states that are not named have 0.

    Raises Refusal as ``assignments`` does, and for numbers that are no likelihoods.
    """
    found: dict[int, np.ndarray] = {}
    for node, value in _pairs(text, names, option, "NODE=STATE:NUMBER;STATE:NUMBER", "smoke=yes:0.8;no:0.2"):
        if node in found:
            raise Refusal(f"{option} names {names[node]!r} more than once")
        if not states[node]:
            raise Refusal(f"{option}: {names[node]!r} is a number, and uncertain evidence is of states")
        values = np.full(len(states[node]), np.nan)
        for part in value.split(";"):
            state, colon, number = (word.strip() for word in part.rpartition(":"))
            if not colon:
                raise Refusal(f"{option}: {part.strip()!r} of {names[node]!r} has no number; write STATE:NUMBER, e.g. yes:0.8")
            at = _state(state, names[node], states[node], option)
            if not np.isnan(values[at]):
                raise Refusal(f"{option} names state {state!r} of {names[node]!r} more than once")
            values[at] = _number(number, names[node], option)
        found[node] = np.nan_to_num(values)
        if not found[node].any():
            raise Refusal(f"{option} gives every state of {names[node]!r} the likelihood 0; at least one is above 0")
    return found


def _parts(text: str, option: str) -> list[str]:
    """What stands between commas; in double quotes they are text, and so is a quote that is written twice."""
    parts, quoted, at = [""], False, 0
    while at < len(text):
        letter = text[at]
        if letter == '"' and quoted and text[at + 1 : at + 2] == '"':
            parts[-1] += letter
            at += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
        at += 1
    if quoted:
        raise Refusal(f"{option} {text!r}: a double quote is not closed")
    parts = [part.strip() for part in parts]
    if parts == [""]:
        return []
    if not all(parts):
        raise Refusal(f"{option} {text!r}: there is nothing between two commas, or before or after one")
    return parts


def _pairs(text: str, names: Sequence[str], option: str, form: str, example: str) -> list[tuple[int, str]]:
    """Nodes, and what stands behind their equals signs; a name may have such signs in it."""
    found = []
    for part in _parts(text, option):
        cuts = [at for at, letter in enumerate(part) if letter == "="]
        if not cuts:
            raise Refusal(f"{option} {part!r}: write {form}, with commas between them, e.g. {option} {example}")
        known = [at for at in cuts if part[:at].strip() in names]
        cut = known[-1] if known else cuts[0]
        found.append((_node(part[:cut].strip(), names, option), part[cut + 1 :].strip()))
    return found


def _node(name: str, names: Sequence[str], option: str) -> int:
    if name in names:
        return list(names).index(name)
    close = get_close_matches(name, names, n=3)
    if close:
        raise Refusal(f"{option}: there is no node {name!r}; did you mean {' or '.join(map(repr, close))}?")
    raise Refusal(f"{option}: there is no node {name!r}; the nodes are {_listed(names)}")


def _state(text: str, name: str, states: Sequence[Any], option: str) -> int:
    """The number of a state as typed: to the letter, or in another way of writing the same number or truth, or in other case."""
    written = [str(state) for state in states]
    for alike in (str, same_state, str.casefold):
        matches = [number for number, state in enumerate(written) if alike(state) == alike(text)]
        if len(matches) == 1:
            return matches[0]
    raise Refusal(f"{option}: node {name!r} has no state {text!r}; its states are {_listed(written)}")


def _real(text: str, name: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise Refusal(f"{option}: {name!r} is a number, {text!r} is none")
    return value


def _number(text: str, name: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < np.inf:
        raise Refusal(f"{option}: {text!r} is no likelihood of a state of {name!r}; give a number that is not negative")
    return value


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return ", ".join(words[:_SHOWN]) + more
