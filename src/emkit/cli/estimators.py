"""Estimators on the command line: found in the table of names, their settings in their signatures."""

import json
import os
import re
from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from emkit._names import MODULES, group
from emkit.cli.exits import Refusal

NOT_SETTINGS = frozenset({"monitors", "checkpoint", "executor", "verbose", "verbose_interval", "warm_start"})
"""Settings that the command line sets itself, or that have no meaning there."""


_SPELLED = {  # names, or shorter ones
    "AutoClass": "autoclass",
    "RBFRegressor": "rbf",
    "RBFClassifier": "rbf-classifier",
    "MixtureOfExpertsRegressor": "mixture-of-experts",
    "MixtureOfExpertsClassifier": "mixture-of-experts-classifier",
    "MixtureOfRegressions": "regressions",
}
_ALSO = {"bayes-net": "bayesian-network"}


def model_name(estimator: str) -> str:
    """How ``--model`` calls an estimator: GaussianMixture is gaussian-mixture."""
    return _SPELLED.get(estimator) or re.sub(r"(?<=[a-z])(?=[A-Z])", "-", estimator).lower()


def _listed() -> tuple[str, ...]:
    """Estimators that can be fitted to a file, with a target or without."""
    return (*group("estimators"), *group("regressors"))


def model_names() -> tuple[str, ...]:
    """What ``--model`` accepts."""
    return tuple(model_name(name) for name in _listed())


def find_estimator(name: str) -> type[Any]:
    """The estimator's class; refuses an unknown name."""
    for estimator in _listed():
        if model_name(estimator) == _ALSO.get(name, name):
            kind: type[Any] = getattr(import_module(MODULES[estimator]), estimator)
            return kind
    raise Refusal(f"--model {name!r} is unknown; choose one of: {', '.join(model_names())}")


def known_settings(kind: type[Any]) -> list[str]:
    """Settings that the command line can give; the first one, if it says how many components or states, is ``-k``."""
    names = list(signature(kind).parameters)
    return [name for name in names[1 if counts_something(kind) else 0 :] if name not in NOT_SETTINGS]


def counts_something(kind: type[Any]) -> bool:
    """Whether the first setting is a number of components or states."""
    default = next(iter(signature(kind).parameters.values())).default
    return isinstance(default, int) or default == "auto"


def is_setting(name: str) -> bool:
    """Whether some estimator has this setting, and the command line can give it."""
    return any(name in known_settings(find_estimator(model)) for model in model_names())


def build(kind: type[Any], components: int | str | None, settings: Mapping[str, Any]) -> Any:
    """An unfitted estimator; refuses settings that it does not have, and settings that contradict each other."""
    model = model_name(kind.__name__)
    known = known_settings(kind)
    unknown = sorted(set(settings) - set(known))
    if unknown:
        others = (name for name in model_names() if set(unknown) <= set(known_settings(find_estimator(name))))
        other = next((f" (--model {name} does)" for name in others), "")
        raise Refusal(f"{model} has no setting {', '.join(map(repr, unknown))}{other}; it has: {', '.join(sorted(known))}")
    first = next(iter(signature(kind).parameters.values()))
    if components is not None and not counts_something(kind):
        raise Refusal(f"the {model} has no number of components; leave out -k")
    if components is None and isinstance(first.default, int):
        raise Refusal(f"say how many {first.name.removeprefix('n_')} the {model} has, e.g. -k 3")
    if isinstance(components, str) and components != "auto":
        components = _number(components)
    if components == "auto" and "auto" not in _sizes(kind):
        raise Refusal(f"the {model} takes a number of components, not -k auto; see emkit select")
    estimator = kind(**({} if components is None else {first.name: components}), **settings)
    keys = estimator.key_columns()
    if len(set(keys.values())) < len(keys):
        raise Refusal(f"--sequence and --order both name {keys['order']!r}; a row's place needs a column of its own")
    if "gaps" in settings and "order" not in keys:
        raise Refusal("--gaps says what jumps in the order column mean; name that column with --order")
    return estimator


def _number(text: str) -> int:
    """-k as a number. Refuses what is none."""
    if not text.isdigit() or int(text) < 1:
        raise Refusal(f"-k {text!r}: give a number of at least 1, or auto")
    return int(text)


def _sizes(kind: type[Any]) -> tuple[str, ...]:
    """What -k may be beside a number."""
    default = next(iter(signature(kind).parameters.values())).default
    return ("auto",) if kind.finds_size or default == "auto" else ()


def settings_of(pairs: list[str]) -> dict[str, Any]:
    """NAME=VALUE, the value as JSON, or as text if it is not JSON."""
    out: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Refusal(f"--set {pair!r}: write NAME=VALUE, e.g. --set reg_covar=0.01")
        try:
            out[name] = json.loads(text)
        except ValueError:
            out[name] = text
    return out


def for_new_data(fitted: Any, gaps: str | None, unseen: str | None, sequence: str | None = None) -> None:
    """Let jumps in the order column and new levels of categories mean something else than in the fit, and another column tell
    sequences apart; None changes nothing.
    """
    if sequence is not None:
        if "sequence" not in fitted.get_params(deep=False):
            raise Refusal(f"--sequence says which rows belong together; to a {type(fitted).__name__} rows are independent")
        if sequence == fitted.key_columns().get("order"):
            raise Refusal(f"--sequence {sequence!r} is the column that puts steps in order")
        fitted.set_params(sequence=sequence)
    if gaps is not None:
        if "order" not in fitted.key_columns():
            raise Refusal("--gaps says what jumps in an order column mean; this model was fitted without one")
        fitted.set_params(gaps=gaps)
    if unseen is not None:
        if all(column.levels is None for column in fitted.columns_.items):
            raise Refusal("--unseen says what new levels of categories mean; this model was fitted to none")
        fitted.set_params(unseen=unseen)


def open_model(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """A model file as a fitted estimator, and the emkit version that wrote it."""
    from emkit.estimators.loading import load, version_of

    return load(path), version_of(path)
