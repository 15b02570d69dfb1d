"""``emkit fit``: from a data file to a model file."""

import json
from pathlib import Path
from typing import Any

import typer

from emkit.cli import options
from emkit.cli.choosing import split_names, split_types
from emkit.cli.estimators import build, find_estimator, known_settings, settings_of
from emkit.cli.exits import INTERRUPTED, NOT_CONVERGED, Refusal
from emkit.cli.networks import network_settings, search_settings
from emkit.cli.reading import DataFile, find_columns
from emkit.cli.rows_to_fit import RowsToFit
from emkit.cli.supervised import check_target, for_target, refuse_labels
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
    talk, file = Talk(quiet), DataFile(data, separator, decimal)
    kind, target = _kind(model, target, labels, file, talk)
    given: dict[str, Any] = {"order": order, "gaps": gaps, "tol": tol, "max_iter": max_iter, "n_init": n_init, "random_state": seed}
    given |= {"covariance_type": covariance_type, "concomitant": concomitant, "emission": emission, "sequence": sequence}
    given |= {"n_jobs": n_jobs, "fixed": fixed}
    how = {"score": score, "max_parents": max_parents, "required": required, "forbidden": forbidden, "tiers": tiers}
    graph = search_settings(network_settings(structure, edges, latent), learn, **how)
    settings = _settings(given, graph, setting or [], no_prior, online)
    estimator, asked = _estimator(kind, components, settings, types, scheduler)
    rows = RowsToFit(file, columns, target, weights, labels, cache, on_error, talk)
    _carry_out(estimator, settings, asked, rows, out, checkpoint, time_limit, as_json)


def _kind(model: str, target: str | None, labels: str | None, file: DataFile, talk: Talk) -> tuple[type[Any], str | None]:
    """The estimator's class, and the target as the file spells it, which decides between classes and numbers."""
    kind = find_estimator(model)
    check_target(model, kind, target)
    if target is None:
        return kind, None
    refuse_labels(f"--model {model}", labels)
    table = file.read(say=talk.say)
    target = find_columns(table.column_names, [target], file.path)[0]
    return find_estimator(for_target(model, table, target)), target


def _settings(given: dict[str, Any], graph: dict[str, Any], pairs: list[str], no_prior: bool, online: bool) -> dict[str, Any]:
    """An estimator's settings: ``given`` are those whose options are called like them, None where they were left out."""
    found = {name: value for name, value in (given | graph).items() if value is not None}
    if "concomitant" in found:
        found["concomitant"] = split_names(found["concomitant"], "--concomitant")
    if "fixed" in found:
        found["fixed"] = _json_object(found["fixed"])
    if found.get("n_init", "").lstrip("-").isdigit():
        found["n_init"] = int(found["n_init"])
    if no_prior:
        found["prior"] = None
    return found | _with_online(settings_of(pairs), online)


def _estimator(
    kind: type[Any], components: str | None, settings: dict[str, Any], types: str | None, scheduler: str | None
) -> tuple[Any, dict[str, str] | None]:
    """The unfitted estimator, whose E-steps run where the scheduler is, if one is named; and the types of columns by name."""
    found = None
    if types is not None:
        if settings.keys() & {"family", "types", "gaussian"}:
            raise Refusal("--types and --set family=... both give families; leave one out")
        found = split_types(types)
        if not {"types", "gaussian"} & set(known_settings(kind)):  # it is told of a family, which it refuses
            settings = settings | {"family": dict(found)}
    estimator = build(kind, components, settings)
    if scheduler is not None:
        from emkit.execute.dask import DaskExecutor

        estimator.set_params(executor=DaskExecutor(scheduler))
    return estimator, found


def _carry_out(
    estimator: Any,
    settings: dict[str, Any],
    types: dict[str, str] | None,
    rows: RowsToFit,
    out: Path | None,
    checkpoint: Path | None,
    time_limit: float | None,
    as_json: bool,
) -> None:
    """Fit, save and print; say where the model is, or raise what kept it from being written, once it is printed."""
    talk = rows.talk
    with talk.warnings():
        fitted, unsaved = _run(estimator, settings, types, rows, out, checkpoint, time_limit)
        _say_types(fitted, types or {}, talk)
        _print(fitted, as_json, out if unsaved is None else None)
        if unsaved is not None:
            raise unsaved
        _leave(fitted, out, talk)


def _run(
    estimator: Any,
    settings: dict[str, Any],
    types: dict[str, str] | None,
    rows: RowsToFit,
    out: Path | None,
    checkpoint: Path | None,
    time_limit: float | None,
) -> tuple[Any, Refusal | None]:
    """Read, fit, save; with the reason if the last of these failed: the fit is worth printing all the same."""
    from emkit.cli.interrupts import Interrupts
    from emkit.cli.streams import paces
    from emkit.cli.writing import cannot_write, check_writable

    talk = rows.talk
    for path in (out, checkpoint):
        if path is not None:
            check_writable(path)
    found = rows.read(estimator, settings, types)
    limits = _limits(estimator, time_limit)
    with Interrupts() as interrupts:
        try:
            with talk.progress() as shown:
                interrupts.carry([*shown, *limits, *paces(found.rows, estimator, talk)])
                estimator.set_params(monitors=[interrupts])
                if found.target is not None:
                    estimator.fit_target(found.rows, found.target, found.weights)
                else:
                    estimator.set_params(checkpoint=_checkpoint(checkpoint, talk))
                    estimator.fit_rows(found.rows, found.weights, found.labels)
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


def _limits(estimator: Any, seconds: float | None) -> list[Any]:
    """Monitors that end the fit in time: none for a search that has a clock of its own, which does not count compiling."""
    from emkit.core.monitor import TimeLimit

    if seconds is None:
        return []
    if "time_limit" in known_settings(type(estimator)):
        estimator.set_params(time_limit=seconds)
        return []
    return [TimeLimit(seconds)]


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
