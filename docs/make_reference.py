"""Writes docs/reference.md from the docstrings of everything in ``emkit.__all__``.

python docs/make_reference.py
"""

import enum
import inspect
import re
from pathlib import Path
from typing import Any

import emkit

GROUPS = {
    "Estimators": ["GaussianMixture", "HMM", "GaussianHMM", "CategoricalHMM", "PoissonHMM", "GMMHMM", "load"],
    "Fitting": ["fit", "iterate", "Problem", "EM", "Algorithm", "Threads", "Executor"],
    "Models and families": [
        "Mixture",
        "HiddenMarkov",
        "Gaussian",
        "Categorical",
        "Bernoulli",
        "Poisson",
        "Mixed",
        "Tied",
        "Model",
        "Family",
    ],
    "Priors": ["Dirichlet", "NormalInverseWishart", "GaussianPrior", "Beta", "Gamma", "Prior"],
    "Data": ["ArraySource", "SequenceSource", "Source", "Block"],
    "Numbers": ["Params", "Stats"],
    "Results": ["Result", "StopReason", "Step"],
    "Watching and resuming": ["Monitor", "TimeLimit", "Trace", "PrintProgress", "Checkpoint"],
    "Errors": ["EmkitError", "DataError", "ParameterError", "CollapseError", "ModelFileError"],
}
HEAD = """# API reference

Everything in `emkit`'s namespace. Shapes: n rows, d columns, K components. Log-likelihoods are natural logs (nats).
This page is written by `docs/make_reference.py` from the docstrings; change those, not this.
"""
_SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "References", "Examples", "Notes", "Yields")


def reference() -> str:
    """The page's text."""
    out = [HEAD]
    named = {name for names in GROUPS.values() for name in names}
    rest = [name for name in emkit.__all__ if name not in named and name != "__version__"]
    for title, names in {**GROUPS, "Other": rest}.items():
        here = [name for name in names if name in emkit.__all__]
        if here:
            out.append(f"## {title}\n")
            out.extend(entry(name, getattr(emkit, name)) for name in here)
    out.extend(testing())
    return "\n".join(out).rstrip() + "\n"


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
        lines += members(thing)
    return "\n".join(lines)


def members(cls: type) -> list[str]:
    """Public methods and properties that emkit wrote and described, those of its bases included."""
    out: list[str] = []
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("emkit."):
            continue
        for name, value in vars(base).items():
            function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            if name.startswith("_") or name in seen:
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
        if p.name not in ("self", "cls")
    ]
    return str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


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
        if section in ("Parameters", "Attributes", "Raises", "Returns", "Yields") and line.strip():
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
    said = code(" ".join(text))
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
