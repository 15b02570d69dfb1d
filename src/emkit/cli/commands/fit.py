"""``emkit fit``: from a data file to a model file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from emkit.cli import options
from emkit.cli.choosing import split_names
from emkit.cli.estimators import build, find_estimator, known_settings, settings_of
from emkit.cli.exits import INTERRUPTED, NOT_CONVERGED, Refusal
from emkit.cli.networks import network_settings, search_settings
from emkit.cli.reading import DataFile, find_columns
from emkit.cli.supervised import check_target, for_target, target_cells
from emkit.cli.talk import Talk


def command(
    data: options.Data,
    model: options.Model = "gaussian-mixture",
    components: options.Components = None,
    columns: options.Columns = None,
    target: options.Target = None,
    concomitant: options.Concomitant = None,
    weights: options.Weights = None,
    out: options.Out = None,
    types: options.Types = None,
    structure: options.Structure = None,
    edges: options.Edges = None,
    latent: options.Latent = None,
    learn: options.Learn = False,
    score: options.Score = None,
    max_parents: options.MaxParents = None,
    required: options.Required = None,
    forbidden: options.Forbidden = None,
    tiers: options.Tiers = None,
    covariance_type: options.CovarianceType = None,
    emission: options.Emission = None,
    sequence: options.Sequence = None,
    order: options.Order = None,
    gaps: options.Gaps = None,
    labels: options.Labels = None,
    tol: options.Tol = None,
    max_iter: options.MaxIter = None,
    n_init: options.NInit = None,
    seed: options.Seed = 0,
    n_jobs: options.NJobs = None,
    scheduler: options.Scheduler = None,
    no_prior: options.NoPrior = False,
    fixed: options.Fixed = None,
    online: options.Online = False,
    setting: options.Setting = None,
    checkpoint: options.Checkpoint = None,
    cache: options.Cache = None,
    on_error: options.OnError = None,
    time_limit: options.TimeLimit = None,
    separator: options.Separator = None,
    decimal: options.Decimal = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit a model to the rows of a file, print a summary, write the model.

    Ctrl-C or --time-limit end the fit and keep the best model so far, with exit code 3. The search of autoclass takes all the time
    that it is given, and that is no failure once it has finished one try.
    """
    talk = Talk(quiet)
    file = DataFile(data, separator, decimal)
    kind = find_estimator(model)
    check_target(model, kind, target)
    if target is not None:
        table = file.read(say=talk.say)
        target = find_columns(table.column_names, [target], file.path)[0]
        kind = find_estimator(for_target(model, table, target))
    given: dict[str, Any] = {
        "covariance_type": covariance_type,
        "concomitant": None if concomitant is None else split_names(concomitant, "--concomitant"),
        "emission": emission,
        "sequence": sequence,
        "order": order,
        "gaps": gaps,
        "tol": tol,
        "max_iter": max_iter,
        "n_init": int(n_init) if n_init is not None and n_init.lstrip("-").isdigit() else n_init,
        "random_state": seed,
        "n_jobs": n_jobs,
        "fixed": None if fixed is None else _json_object(fixed),
    }
    how = {"score": score, "max_parents": max_parents, "required": required, "forbidden": forbidden, "tiers": tiers}
    given |= search_settings(network_settings(structure, edges, latent), learn, **how)
    settings = {name: value for name, value in given.items() if value is not None}
    if no_prior:
        settings["prior"] = None
    settings |= _with_online(settings_of(setting or []), online)
    if "time_limit" in known_settings(kind):  # its search has a clock of its own, which does not count compiling
        settings |= {} if time_limit is None else {"time_limit": time_limit}
        time_limit = None
    asked = None if types is None else _types(types, settings, known_settings(kind))
    estimator = build(kind, components, settings)
    if scheduler is not None:
        from emkit.execute.dask import DaskExecutor

        estimator.set_params(executor=DaskExecutor(scheduler))
    with talk.warnings():
        read = _reader(file, columns, target, weights, labels, cache, on_error, talk)
        fitted, unsaved = _run(estimator, settings, asked, read, out, checkpoint, time_limit, talk)
        _say_types(fitted, asked or {}, talk)
        _print(fitted, as_json, out if unsaved is None else None)
        if unsaved is not None:
            raise unsaved
        _leave(fitted, out, talk)


def _reader(
    file: DataFile,
    columns: str | None,
    target: str | None,
    weights: str | None,
    labels: str | None,
    cache: Path | None,
    on_error: str | None,
    talk: Talk,
) -> Callable[..., tuple[Any, ...]]:
    """What gives rows, weights, known labels and a target to an estimator, once its settings are known."""
    from emkit.cli.choosing import choose, columns_aside, families_of, numbers, split_names, with_keys
    from emkit.cli.streams import is_streamed, open_stream, refuse_beside

    wanted = None if columns is None else split_names(columns)

    def typed(estimator: Any, types: dict[str, str] | None, chosen: list[str]) -> None:
        if types is not None:
            where, words = estimator.type_words()
            given = estimator.get_params(deep=False)[where] or {}
            estimator.set_params(**{where: {**given, **families_of(types, chosen, file, words)}})

    def streamed(estimator: Any, settings: dict[str, Any], types: dict[str, str] | None) -> tuple[Any, ...]:
        refuse_beside({"labels": labels, "target": target, "separator": file.separator, "decimal": file.decimal}, file.path)
        keys = [name for name in estimator.key_columns().values() if wanted is not None and name not in wanted]
        found = open_stream(file.path, None if wanted is None else [*wanted, *keys], weights, cache, on_error, talk)
        typed(estimator, types, list(found.declared.columns.names))
        return found, None, None, None

    def in_memory(estimator: Any, settings: dict[str, Any], types: dict[str, str] | None) -> tuple[Any, ...]:
        if on_error is not None:
            raise Refusal("--on-error is for streams: a folder, a pattern of files, or --cache")
        table = file.read(say=talk.say)
        aside, keys = columns_aside(estimator, table, file, weights=weights, labels=labels, target=target)
        estimator.set_params(**keys)
        row_weights, known = (numbers(table, aside[name], file) if name in aside else None for name in ("weights", "labels"))
        chosen = choose(table, wanted, aside, file, talk, estimator.takes_texts())
        of_file = estimator.settings_of_file(file.path, chosen)
        estimator.set_params(**{name: value for name, value in of_file.items() if name not in settings})
        typed(estimator, types, chosen)
        cells = target_cells(table, aside["target"], file.path) if target is not None else None
        return with_keys(table, chosen, keys, file), row_weights, known, cells

    return streamed if is_streamed(file.path, cache) else in_memory


def _run(
    estimator: Any,
    settings: dict[str, Any],
    types: dict[str, str] | None,
    read: Callable[..., tuple[Any, ...]],
    out: Path | None,
    checkpoint: Path | None,
    time_limit: float | None,
    talk: Talk,
) -> tuple[Any, Refusal | None]:
    """Read, fit, save; with the reason if the last of these failed: the fit is worth printing all the same."""
    from emkit.cli.interrupts import Interrupts
    from emkit.cli.streams import paces
    from emkit.cli.writing import cannot_write, check_writable
    from emkit.core.monitor import TimeLimit

    for path in (out, checkpoint):
        if path is not None:
            check_writable(path)
    rows, row_weights, known, target = read(estimator, settings, types)
    limits = [] if time_limit is None else [TimeLimit(time_limit)]
    with Interrupts() as interrupts:
        try:
            with talk.progress() as shown:
                interrupts.carry([*shown, *limits, *paces(rows, estimator, talk)])
                estimator.set_params(monitors=[interrupts])
                if target is not None:
                    estimator.fit_target(rows, target, row_weights)
                else:
                    estimator.set_params(checkpoint=_checkpoint(checkpoint, talk))
                    estimator.fit_rows(rows, row_weights, known)
        except KeyboardInterrupt:
            talk.say("interrupted before there was anything to keep; no model was written")
            raise typer.Exit(INTERRUPTED) from None
        if out is not None:
            try:
                with interrupts.hold():
                    estimator.save(out)
            except OSError as error:
                return estimator, cannot_write(out, error)
    return estimator, None


def _types(text: str, settings: dict[str, Any], known: list[str]) -> dict[str, str]:
    """The types of columns; models without such a setting get them as a family, which they refuse."""
    from emkit.cli.choosing import split_types

    if settings.keys() & {"family", "types", "gaussian"}:
        raise Refusal("--types and --set family=... both give families; leave one out")
    found = split_types(text)
    if not {"types", "gaussian"} & set(known):
        settings["family"] = dict(found)
    return found


def _say_types(fitted: Any, asked: dict[str, str], talk: Talk) -> None:
    """The family of each column, where some were inferred."""
    found = fitted.column_families()
    if found and isinstance(fitted.get_params(deep=False).get("family"), dict | None) and len(asked) < len(found):
        shown = ", ".join(f"{name} {word}" for name, word in found.items())
        inferred = "inferred" if not asked else f"{len(found) - len(asked)} of them inferred"
        talk.say(f"types: {shown} ({inferred}; --types says otherwise)")


def _checkpoint(path: Path | None, talk: Talk) -> Any:
    if path is None:
        return None
    from emkit.io.checkpoint import Checkpoint

    if path.exists():
        talk.say(f"taking up the fit from {str(path)!r}")
    return Checkpoint(path)


def _print(fitted: Any, as_json: bool, out: Path | None) -> None:
    from emkit import __version__
    from emkit.cli.outcome import outcome
    from emkit.cli.writing import print_json

    if as_json:
        print_json({**outcome(fitted, __version__), "out": None if out is None else str(out)})
    else:
        print(fitted.summary())


def _leave(fitted: Any, out: Path | None, talk: Talk) -> None:
    """Say where the model is; exit code 3 if the stop rule was not met although there was one, or a search was cut off."""
    result = fitted.result_ if fitted.has_result else None
    as_ordered = result is not None and (
        (result.tolerance == 0 and result.reason.name == "MAX_ITER") or result.reason.name == "PASSES"
    )
    where = "no --out, so the model is not kept" if out is None else f"model written to {str(out)!r}"
    cut_off = fitted.cut_off()
    if cut_off is None and (result is None or as_ordered or result.converged):
        talk.say(where)
        return
    why = "not converged" if cut_off is None else f"the search was cut off ({cut_off})"
    talk.say(f"{why}; {where}" + ("" if out is None else " all the same"))
    raise typer.Exit(NOT_CONVERGED)


def _with_online(settings: dict[str, Any], online: bool) -> dict[str, Any]:
    if online and "algorithm" in settings:
        raise Refusal("--online and --set algorithm=... both name an algorithm; leave one out")
    return settings | ({"algorithm": "online"} if online else {})


def _json_object(text: str) -> dict[str, Any]:
    example = """e.g. '{"covariances": 4.0, "weights": [0.5, 0.5]}'"""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refusal(f"--fixed is not JSON ({error}); give an object, {example}") from error
    if not isinstance(value, dict):
        raise Refusal(f"--fixed {text!r}: give a JSON object, {example}")
    return value
