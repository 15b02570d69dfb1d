"""Writes docs/reference.md from the docstrings of everything in the table of names.

python docs/make_reference.py
"""

import enum
import inspect
import re
from pathlib import Path
from typing import Any

import emkit
from emkit._names import NAMES
from emkit.core.declared import Declared
from emkit.estimators.face import Face
from emkit.estimators.hmmlearn import HmmlearnFace, HmmlearnWords
from emkit.estimators.rows import RowFace
from emkit.estimators.settings import Settings

TITLES = {
    "estimators": "Estimators",
    "regressors": "Regression",
    "inference": "Standard errors",
    "models": "Models",
    "families": "Families",
    "variational": "Variational Bayes",
    "priors": "Priors",
    "engine": "Engine",
    "data": "Data",
    "monitors": "Watching a fit",
    "files": "Files",
    "errors": "Errors",
}
"""Heading of each group of the table of names; a group that is not here gets its own name."""
SHARED = {
    Settings: "Settings of every estimator",
    RowFace: "Methods of estimators of rows",
    HmmlearnWords: "Settings and methods of hmmlearn's faces",
    HmmlearnFace: "Settings of hmmlearn's faces that maximise likelihood",
}
"""What several estimators inherit: documented once, after them."""
ABOVE = (emkit.Family, emkit.Model, Declared)
"""What families and models inherit: documented once, under its own name."""
HEAD = """# API reference

Everything in `emkit`'s namespace. Shapes: n rows, d columns, K components. Log-likelihoods are natural logs (nats).
This page is written by `docs/make_reference.py` from the docstrings; change those, not this.
"""
_SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "References", "Examples", "Notes", "Yields")


def reference() -> str:
    """The page's text."""
    out = [HEAD]
    for group in dict.fromkeys(group for group, _, _ in NAMES):
        out.append(f"## {TITLES.get(group, group.capitalize())}\n")
        out.extend(entry(name, getattr(emkit, name)) for kind, name, _ in NAMES if kind == group)
        if group == "estimators":
            out.extend(shared())
        if group == "engine":
            out.append(entry("Declared", Declared, "emkit.core.declared."))
    out.extend(pictures())
    out.extend(testing())
    return "\n".join(out).rstrip() + "\n"


def shared() -> list[str]:
    """What estimators inherit: settings with their defaults, and methods."""
    out = []
    for base, title in SHARED.items():
        out += [f"### {title}\n"]
        if base is not RowFace:
            out += ["```text", settings(base), "```", "", *body(inspect.getdoc(base) or "")]
        out += members(Face, stop=()) if base is Settings else members(base, stop=(Face, HmmlearnWords))
    return out


def settings(base: Any) -> str:
    """Settings of a base class with their defaults, as they stand in signatures; those of another base are told there."""
    above = inherited(base)
    told = {} if above is None else defaults(above)
    own = [f"{name}={value!r}" for name, value in defaults(base).items() if name not in told]
    return ", ".join(own)


def defaults(base: Any) -> dict[str, Any]:
    """Settings of a base class of estimators with their defaults; none for other classes."""
    return {p.name: p.default for p in inspect.signature(base).parameters.values()}


def inherited(cls: type) -> type | None:
    """The base whose settings an estimator shares with others; None for what is no estimator."""
    return next((base for base in (HmmlearnFace, HmmlearnWords, Settings) if issubclass(cls, base) and cls is not base), None)


def pictures() -> list[str]:
    """emkit.plots, which is a module of its own."""
    from emkit import plots

    names = sorted(plots.__all__, key=lambda name: (name[0].isupper(), name))
    return ["## emkit.plots\n", *body(inspect.getdoc(plots) or ""), *(entry(n, getattr(plots, n), "emkit.plots.") for n in names)]


def testing() -> list[str]:
    """The conformance kit, which is a module of its own: users import it, fits do not."""
    try:
        from emkit import testing as module
    except ImportError:
        return []
    checks = [name for name in module.__all__ if inspect.isfunction(getattr(module, name))]
    out = [
        "## emkit.testing\n",
        code(first_line(module)) + "\n",
        *(entry(name, getattr(module, name), "emkit.testing.") for name in checks),
    ]
    for title, laws in (("Laws of a family", module.FAMILY_LAWS), ("Laws of a model", module.MODEL_LAWS)):
        out += [f"### {title}\n", *(f"- `{law.__name__}`: {code(first_line(law))}" for law in laws), ""]
    return out


def first_line(thing: Any) -> str:
    """Of the docstring."""
    return (inspect.getdoc(thing) or "").split("\n")[0]


def entry(name: str, thing: Any, prefix: str = "emkit.") -> str:
    """One name: heading, signature, docstring, and for a class its methods."""
    lines = [f"### {name}\n", "```text", f"{prefix}{name}{signature(thing)}", "```", ""]
    lines += body(inspect.getdoc(thing) or "")
    if isinstance(thing, type) and issubclass(thing, enum.Enum):
        lines += [f"- `{member.name}`: {member.value}" for member in thing] + [""]
    elif isinstance(thing, type):
        above = links(thing)
        lines += [f"**Shared**: {', '.join(above)}.", ""] if above else []
        lines += members(thing, stop=(*SHARED, Face, *ABOVE))
    return "\n".join(lines)


def links(cls: type) -> list[str]:
    """Links to what a class shares with others of its kind."""
    shared = [link(title) for base, title in SHARED.items() if issubclass(cls, base)]
    return (
        shared
        or [f"[`{base.__name__}`](#{base.__name__.lower()})" for base in ABOVE if cls is not base and issubclass(cls, base)][:1]
    )


def link(title: str) -> str:
    """To a heading of this page."""
    return f"[{title[0].lower() + title[1:]}](#{re.sub(r'[^a-z -]', '', title.lower()).replace(' ', '-')})"


def members(cls: type, stop: tuple[type, ...] = ()) -> list[str]:
    """Public methods and properties that emkit described, inherited ones included, but for those of ``stop`` and above."""
    out: list[str] = []
    seen: set[str] = set()
    left_out = {above for base in stop if base is not cls and issubclass(cls, base) for above in base.__mro__}
    contract = {name for base in ABOVE if base in left_out and cls not in ABOVE for name in vars(base)}
    for base in cls.__mro__:
        if not base.__module__.startswith("emkit.") or base in left_out:
            continue
        for name, value in vars(base).items():
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if name.startswith("_") or name in seen or name in contract:
                continue
            seen.add(name)
            if isinstance(function, property):
                shown, text = name, inspect.getdoc(function)
            elif inspect.isfunction(function):
                shown, text = name + signature(function), inspect.getdoc(function) or inspect.getdoc(getattr(cls, name))
            else:
                continue
            out.append(f"- **`{shown}`** {paragraph(text or '')}".rstrip())
    return ["**Methods and properties**", "", *out, ""] if out else []


def signature(thing: Any) -> str:
    """Names and defaults; types and shapes are in the text."""
    if isinstance(thing, type) and issubclass(thing, enum.Enum | BaseException):
        return ""
    if isinstance(thing, type) and thing.__init__ is object.__init__:
        return ""
    if getattr(thing, "_is_protocol", False):
        return ""
    found = inspect.signature(thing)
    parameters = [
        p.replace(annotation=p.empty, default=_plain_default(p.default))
        for p in found.parameters.values()
        if p.name not in ("self", "cls") and not _is_shared(thing, p)
    ]
    if isinstance(thing, type) and inherited(thing) is not None:
        parameters.append(inspect.Parameter("shared_settings", inspect.Parameter.VAR_KEYWORD))
    return str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


def _is_shared(thing: Any, parameter: inspect.Parameter) -> bool:
    """Whether an estimator's setting is that of its base, default included: then it is documented there."""
    base = inherited(thing) if isinstance(thing, type) else None
    shared_defaults = {} if base is None else defaults(base)
    return parameter.name in shared_defaults and repr(shared_defaults[parameter.name]) == repr(parameter.default)


class _Written:
    """A default that shows as the given text."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _plain_default(value: Any) -> Any:
    """A dataclass's default_factory is a placeholder to ``inspect``; say what a reader would write."""
    return _Written("{}") if type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS" else value


def paragraph(doc: str) -> str:
    """The whole text before the first section, on one line, plus what is raised."""
    return " ".join(code(doc.split("\n\nParameters")[0].split("\n\nRaises")[0].split("\n\nReturns")[0]).split())


def code(text: str) -> str:
    """Double backticks to single ones."""
    return re.sub(r"``([^`]+)``", r"`\1`", text)


def body(doc: str) -> list[str]:
    """A numpydoc docstring as Markdown."""
    lines = doc.splitlines()
    out: list[str] = []
    i = 0
    section = ""
    while i < len(lines):
        line = lines[i]
        if line in _SECTIONS and i + 1 < len(lines) and set(lines[i + 1]) == {"-"}:
            section = line
            out += ["", f"**{line}**", ""]
            i += 2
            continue
        if section in ("Parameters", "Attributes", "Raises", "Returns", "Yields") and line.strip() and not line.endswith("."):
            i = _item(lines, i, out)
            continue
        if line.startswith(">>>") or (line.startswith("    ") and section == ""):
            i = _verbatim(lines, i, out)
            continue
        out.append(code(line))
        i += 1
    return [*_squeezed(out), ""]


def _item(lines: list[str], i: int, out: list[str]) -> int:
    """``name : type`` and its indented text, as one bullet."""
    name, colon, kind = lines[i].partition(" : ")
    i += 1
    text: list[str] = []
    while i < len(lines) and lines[i].startswith("    "):
        text.append(lines[i].strip())
        i += 1
    said = code(" ".join(text)).replace("`emkit.estimators.settings.Settings`", link(SHARED[Settings]))
    out.append(f"- `{name}`" + (f" ({code(kind)})" if colon else "") + (f": {said}" if said else ""))
    return i


def _verbatim(lines: list[str], i: int, out: list[str]) -> int:
    """A doctest, or an indented formula: up to the next line that is neither."""
    doctest = lines[i].startswith(">>>")
    out += ["", "```pycon" if doctest else "```text"]
    while i < len(lines) and (lines[i].strip() if doctest else lines[i].startswith("    ")):
        out.append(lines[i] if doctest else lines[i][4:])
        i += 1
    out += ["```", ""]
    return i


def _squeezed(lines: list[str]) -> list[str]:
    """No two blank lines in a row, none at the end."""
    out: list[str] = []
    for line in lines:
        if line or (out and out[-1]):
            out.append(line)
    while out and not out[-1]:
        out.pop()
    return out


if __name__ == "__main__":
    Path(__file__).with_name("reference.md").write_text(reference(), encoding="utf-8")
