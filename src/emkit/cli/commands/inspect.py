"""``emkit inspect``: what a model file holds."""

from typing import Any

from emkit.cli.options import FittedModel, PlainJson


def command(
    model: FittedModel,
    as_json: PlainJson = False,
) -> None:
    """Print the model, its settings and columns, how its fit ended, every start, and the parameters."""
    from emkit.cli.estimators import model_name, open_model
    from emkit.cli.outcome import columns, outcome, settings
    from emkit.cli.writing import print_json

    fitted, version = open_model(model)
    if as_json:
        print_json(outcome(fitted, version))
        return
    names = columns(fitted)
    changed = _changed(settings(fitted), settings(type(fitted)()))
    print(f"{model_name(type(fitted).__name__)} in {str(model)!r}, written by emkit {version}")
    items = fitted.columns_.items[: None if names is None else len(names)]  # a target and the like come after the inputs
    levels = [f" ({', '.join(map(str, c.levels))})" if c.levels else "" for c in items]
    words = fitted.column_families()
    kinds = [f" {words[c.name]}" if words else "" for c in items]
    shown = ", ".join(name + kind + of for name, kind, of in zip(names, kinds, levels, strict=True)) if names is not None else None
    print(f"columns: {shown or f'{fitted.n_features_in_} without names'}")
    print(f"settings: {', '.join(f'{name}={value!r}' for name, value in changed.items()) or 'the defaults'}")
    print(f"\n{fitted.summary()}")
    if fitted.has_result:
        print(f"\nstarts\n{_starts(fitted.result_.starts)}")
    for name, value in fitted.parameters().items():
        print(f"\n{name}, shape {value.shape}\n{_array(value)}")


def _changed(kept: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The settings that differ from the estimator's defaults."""
    return {name: value for name, value in kept.items() if repr(value) != repr(defaults[name])}


def _starts(starts: Any) -> str:
    """The table of starts: what each was, where its short run and its full run ended, and why."""
    lines = [f"  {'start':>5}  {'kind':<16}  {'short run':>16}  {'all data':>16}  {'iterations':>10}  ended"]
    for s in starts:
        short = "" if s.short_objective != s.short_objective else f"{s.short_objective:.6f}"
        value = "" if s.objective is None else f"{s.objective:.6f}"
        ended = s.reason.name.lower() if s.reason else "not carried on"
        lines.append(f"  {s.index:>5}  {s.kind:<16}  {short:>16}  {value:>16}  {s.n_iter:>10}  {ended}")
    return "\n".join(lines)


def _array(value: Any) -> str:
    import numpy as np

    return np.array2string(np.asarray(value), precision=6, threshold=400, max_line_width=120)
