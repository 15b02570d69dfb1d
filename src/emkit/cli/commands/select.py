"""``emkit select``: which model, and how many components, from a data file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emkit.cli import options
from emkit.cli.estimators import find_estimator, known_settings, settings_of
from emkit.cli.exits import INTERRUPTED, NOT_CONVERGED, Refusal
from emkit.cli.reading import DataFile
from emkit.cli.talk import Talk

Sizes = Annotated[
    str, typer.Option("-k", "--components", metavar="RANGE", help="Numbers of components or states to try: 1:9, or 2,3,5, or 4.")
]
Shapes = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Covariance types to try, with commas between them, or all: mclust's 14.")
]
Families = Annotated[str | None, typer.Option(metavar="NAMES", help="Families to try for all columns of a mixture.")]
Emissions = Annotated[str | None, typer.Option(metavar="NAMES", help="Emissions of an hmm to try.")]
By = Annotated[str, typer.Option(help="The criterion: bic, icl, aic, sabic, caic, cv or cheeseman_stutz.")]
Folds = Annotated[int | None, typer.Option("--cv", min=2, help="Hold out each of so many parts of the data once.")]
Processes = Annotated[int | None, typer.Option(help="Processes that share out small fits, or threads of each large one.")]
KeepAll = Annotated[bool, typer.Option("--keep-all", help="Fit candidates too that have no hope of being chosen.")]
Plot = Annotated[Path | None, typer.Option(help="Picture of the criterion to write, e.g. picture.png.")]
TimeLimit = Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="End the search after this time.")]


def command(
    data: options.Data,
    model: options.Model = "gaussian-mixture",
    components: Sizes = "1:9",
    shapes: Shapes = None,
    families: Families = None,
    emissions: Emissions = None,
    by: By = "bic",
    cv: Folds = None,
    columns: options.Columns = None,
    weights: options.Weights = None,
    sequence: options.Sequence = None,
    order: options.Order = None,
    out: options.Out = None,
    plot: Plot = None,
    seed: options.Seed = 0,
    n_jobs: Processes = None,
    keep_all: KeepAll = False,
    setting: options.Setting = None,
    checkpoint: options.Checkpoint = None,
    time_limit: TimeLimit = None,
    separator: options.Separator = None,
    decimal: options.Decimal = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Fit every model of a grid, print a table, write the best one.

    Ctrl-C or --time-limit end the search and keep what was found so far, with exit code 3.
    """
    talk = Talk(quiet)
    kind = find_estimator(model)
    settings = {name: value for name, value in (("sequence", sequence), ("order", order)) if value is not None}
    settings |= settings_of(setting or [])
    lists = {"covariance_type": shapes, "family": families, "emission": emissions}
    grid: dict[str, Any] = {kind.size_setting: sizes(components)} if kind.size_setting else {}
    grid |= {name: "all" if text == "all" else _names(text) for name, text in lists.items() if text is not None}
    known = known_settings(kind)
    wrong = [name for name in (*grid, *settings) if name not in known and name != kind.size_setting]
    if not grid or wrong:
        what = "gaussian-mixture, mixture, latent-class or hmm, with --emissions for what its states emit"
        raise Refusal(
            f"{model} cannot be searched; take {what}" if not grid else f"{model} has no setting {', '.join(map(repr, wrong))}"
        )
    how = {"grid": grid, "by": by, "cv": cv, "n_jobs": n_jobs, "drop": not keep_all, "time_limit": time_limit}
    file = DataFile(data, separator, decimal)
    with talk.warnings():
        found = _search(kind(**settings), seed, how, file, columns, weights, [out, checkpoint, plot], talk)
        _print(found, as_json)  # a table is worth having even where nothing can be written
        if found.best_index_ is None and found.reason_ is None:
            raise Refusal("no candidate was chosen; the table says why")
        _write(found, out, plot, talk)
    if found.reason_ is not None:
        raise typer.Exit(NOT_CONVERGED)


def _search(
    estimator: Any,
    seed: int,
    how: dict[str, Any],
    file: DataFile,
    columns: str | None,
    weights: str | None,
    paths: list[Path | None],
    talk: Talk,
) -> Any:
    """Read the data, search."""
    from emkit.cli.choosing import choose, columns_aside, numbers, split_names, with_keys
    from emkit.cli.interrupts import Interrupts
    from emkit.cli.writing import check_writable
    from emkit.estimators.select import select

    for path in paths:
        if path is not None:
            check_writable(path)
    table = file.read(say=talk.say)
    aside, keys = columns_aside(estimator, table, file, weights=weights)
    estimator.set_params(random_state=seed, **keys)
    row_weights = numbers(table, aside["weights"], file) if "weights" in aside else None
    texts = "family" not in how["grid"] and estimator.takes_texts()
    chosen = choose(table, None if columns is None else split_names(columns), aside, file, talk, texts)
    rows = with_keys(table, chosen, keys, file)
    with Interrupts() as interrupts, talk.progress() as shown:
        interrupts.carry(shown)
        try:
            return select(estimator, rows, monitors=[interrupts], checkpoint=paths[1], sample_weight=row_weights, **how)
        except KeyboardInterrupt:
            talk.say("interrupted before there was anything to keep")
            raise typer.Exit(INTERRUPTED) from None


def _write(found: Any, out: Path | None, plot: Path | None, talk: Talk) -> None:
    from emkit.cli.writing import cannot_write

    if found.reason_ is not None:
        talk.say(found.reason_.value)
    if out is not None:
        try:
            found.best_.save(out)
        except OSError as error:
            raise cannot_write(out, error) from error
        talk.say(f"model written to {str(out)!r}")
    if plot is not None:
        try:
            found.plot().figure.savefig(plot, dpi=150)
        except OSError as error:
            raise cannot_write(plot, error) from error
        talk.say(f"picture written to {str(plot)!r}")


def _print(found: Any, as_json: bool) -> None:
    from emkit.cli.writing import print_json

    if not as_json:
        print(found)
        return
    table = {name: [value if _plain(value) else str(value) for value in column] for name, column in found.table.items()}
    best = (
        None
        if found.best_index_ is None
        else {name: value if _plain(value) else str(value) for name, value in found.best_params_.items()}
    )
    reason = None if found.reason_ is None else found.reason_.name
    print_json({"by": found.by, "best": best, "best_index": found.best_index_, "reason": reason, "table": table})


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def sizes(text: str) -> list[int]:
    """``1:9`` is 1 to 9, ``2,3,5`` these three. Refuses anything else."""
    found: list[int] = []
    for part in text.split(","):
        first, colon, last = (piece.strip() for piece in part.partition(":"))
        if not (first.isdigit() and int(first) >= 1 and (not colon or (last.isdigit() and int(last) >= int(first)))):
            raise Refusal(f"-k {text!r}: give numbers of at least 1, such as 1:9, or 2,3,5")
        found += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(found))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise Refusal(f"{text!r}: give names with commas between them")
    return names
