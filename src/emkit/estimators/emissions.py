"""What states emit: from an estimator's settings to a family."""

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from typing import Any

from emkit._names import MODULES, group
from emkit.core.checks import count
from emkit.core.errors import ParameterError
from emkit.core.family import Family
from emkit.families.mixed import Mixed
from emkit.families.tied import Tied


def emissions() -> dict[str, type[Family]]:
    """Families of the table of names that need no argument, by the word that asks for them, such as "negative_binomial"."""
    found = {_snake(name): getattr(import_module(MODULES[name]), name) for name in group("families")}
    return {word: kind for word, kind in found.items() if not kind.made_of_others and not _needs_an_argument(kind)}


def _needs_an_argument(kind: type[Family]) -> bool:
    return any(field.init and field.default is MISSING and field.default_factory is MISSING for field in fields(kind))


def word_of(text: Any, known: Mapping[str, Any]) -> Any:
    """The word among ``known`` that a user meant, whatever the case and with or without underscores; ``text`` if there is none."""
    if not isinstance(text, str):
        return text
    plain = {word.replace("_", ""): word for word in known}
    return plain.get(re.sub("[-_ ]", "", text).lower(), text)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def make_family(emission: Any, *, n_mix: Any = 1, tie: Any = None, **settings: Any) -> Family:
    """The family that an estimator's settings ask for.

    Parameters
    ----------
    emission : str or Family
    n_mix : int
        Parts of each state's mixture.
    tie : sequence of int, optional
    settings
        The family's own, such as ``covariance_type``; None, or "weak" for a prior, stands for the family's default.

    Raises
    ------
    ParameterError
        Naming the setting.
    """
    family = emission if isinstance(emission, Family) else _by_word(emission, settings)
    parts = count(n_mix, "n_mix")
    if parts > 1:
        family = Mixed(family, parts)
    return family if tie is None else Tied(family, tie)


def _by_word(emission: Any, settings: dict[str, Any]) -> Family:
    known = emissions()
    emission = word_of(emission, known)
    if not isinstance(emission, str) or emission not in known:
        raise ParameterError(
            f"emission={emission!r}: choose one of {', '.join(map(repr, known))}, or give a Family", parameter="emission"
        )
    kind = known[emission]
    has = {field.name for field in fields(kind)}
    own = {name: value for name, value in settings.items() if name in has}
    if own.get("prior") == "weak":
        del own["prior"]  # whatever the family takes by default
    return kind(**own)
