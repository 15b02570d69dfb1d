"""The options of the commands, as typer wants them."""

from pathlib import Path
from typing import Annotated

import typer

from emkit.cli.estimators import model_names

Separator = Annotated[
    str | None,
    typer.Option(
        metavar="CHARACTER",
        help="Between the cells of a text file: a character, or comma, semicolon, tab, pipe or blank. Recognised by default.",
    ),
]
Decimal = Annotated[
    str | None, typer.Option(metavar="MARK", help="Decimal mark of a text file: point or comma. Recognised by default.")
]
Unseen = Annotated[str | None, typer.Option(help="What texts that were not there in the fit are: an error (default), or missing.")]

Data = Annotated[
    Path,
    typer.Argument(
        help="Rows: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy; or a folder, or a pattern such as 'sales/*.parquet', "
        "which is read as a stream. Empty cells are missing cells."
    ),
]
Model = Annotated[str, typer.Option(help=f"One of: {', '.join(model_names())}.")]
Components = Annotated[
    str | None,
    typer.Option("-k", "--components", metavar="N", help="How many components, or hidden states; auto: by BIC, of mixtures."),
]
Columns = Annotated[str | None, typer.Option(help="Columns to fit, with commas between them; all by default.")]
Target = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column to predict, of rbf, mixture-of-experts, regressions and the like.")
]
Concomitant = Annotated[str | None, typer.Option(metavar="A,B", help="Columns that the class weights of regressions depend on.")]
Weights = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Column of weights; 2 means the row (of an hmm: the sequence) twice.")
]
Out = Annotated[Path | None, typer.Option(help="Model file to write, e.g. model.safetensors.")]
CovarianceType = Annotated[
    str | None,
    typer.Option(
        help="full (a mixture's default), diag (an hmm's), tied, spherical, tied-diag, tied-spherical; or mclust's, e.g. VEV."
    ),
]
Types = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN=FAMILY,...",
        help="Families of columns of a mixture, e.g. age=gaussian,visits=poisson,region=categorical; others by what they hold.",
    ),
]
Structure = Annotated[
    Path | None, typer.Option(metavar="FILE", help="A network's graph and states: .bif, .xmlbif, .net, .xdsl or .uai.")
]
Edges = Annotated[str | None, typer.Option(metavar="A->B,A->C", help="A network's edges, from parents to children.")]
Latent = Annotated[
    str | None, typer.Option(metavar="NODE=STATES,...", help="Hidden nodes of a network and how many states each has, e.g. H=2.")
]
Learn = Annotated[
    bool,
    typer.Option(
        "--learn", help="Learn a network's edges from the rows, which may have holes; --edges are then those to begin with."
    ),
]
Score = Annotated[str | None, typer.Option(help="What --learn goes by: bic (default), aic, bdeu or k2.")]
MaxParents = Annotated[int | None, typer.Option(metavar="N", help="Parents of a node at most, with --learn.")]
Required = Annotated[str | None, typer.Option("--require", metavar="A->B,...", help="Edges that --learn must find.")]
Forbidden = Annotated[str | None, typer.Option("--forbid", metavar="A->B,...", help="Edges that --learn must not find.")]
Tiers = Annotated[
    str | None, typer.Option(metavar="A,B;C,D", help="Groups of columns: no edge runs from a later to an earlier one.")
]
Emission = Annotated[
    str | None,
    typer.Option(
        help="What the states of an hmm emit: gaussian (default), poisson, categorical, bernoulli, multinomial, or any family."
    ),
]
Sequence = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Which sequence a row of an hmm belongs to; without it all are one.")
]
OtherSequence = Annotated[
    str | None,
    typer.Option(
        "--sequence", metavar="COLUMN", help="Which sequence a row of an hmm belongs to, if another column says so than in the fit."
    ),
]
Order = Annotated[
    str | None,
    typer.Option(metavar="COLUMN", help="A row's place in its sequence: numbers or dates; without it, as in the file."),
]
Gaps = Annotated[
    str | None,
    typer.Option(help="Jumps in an --order of whole numbers: an error (default), steps that are missing, or ignore them."),
]
Labels = Annotated[
    str | None, typer.Option(metavar="COLUMN", help="Known components or states: 0, 1, ...; empty or -1 where unknown.")
]
Tol = Annotated[
    float | None,
    typer.Option(help="Stop when the estimated remaining gain is below `tol` nats; 0: make exactly --max-iter updates."),
]
MaxIter = Annotated[int | None, typer.Option(help="Iterations at most, for each start.")]
NInit = Annotated[str | None, typer.Option(metavar="N", help="Number of starts, or auto (default): see the estimators' n_init.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random choice.")]
NJobs = Annotated[int | None, typer.Option(help="Threads; all cores by default. The result does not depend on it.")]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="A Dask cluster to fit on, by its scheduler: tcp://host:8786. Needs emkit[dask]."),
]
NoPrior = Annotated[bool, typer.Option("--no-prior", help="Plain maximum likelihood, without the weak default prior.")]
Fixed = Annotated[
    str | None, typer.Option(metavar="JSON", help="""Parameters held at values: '{"covariances": 4, "weights": [0.5, 0.5]}'.""")
]
Online = Annotated[bool, typer.Option("--online", help="One pass over the rows, by online EM: the same as --set algorithm=online.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=JSON", help="Any other setting of the estimator, e.g. reg_covar=0.01."),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", "--resume", help="File to save progress to now and then; taken up again if it is there."),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="Read the data as a stream, and keep a copy in this folder that is read several times as fast."
    ),
]
OnError = Annotated[
    str | None, typer.Option(metavar="WORD", help="An unreadable file or row group of a stream: stop (default), or skip it.")
]
TimeLimit = Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="End the fit after this time.")]
AsJson = Annotated[bool, typer.Option("--json", help="The outcome as JSON instead of a summary.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]

# Of commands that take a fitted model.
FittedModel = Annotated[Path, typer.Argument(help="Model file that `emkit fit` or `save` wrote.")]
RowsOfTheFit = Annotated[Path, typer.Argument(help="The rows of the fit: .csv, .tsv, .txt, .dat, .parquet, .feather or .npy.")]
TableOut = Annotated[
    Path | None, typer.Option(help="File to write: .csv, .tsv, .parquet, .feather or .jsonl. CSV on stdout by default.")
]
GapsHere = Annotated[
    str | None, typer.Option(help="What jumps in an hmm's --order column mean here, if not what they meant in the fit.")
]
Level = Annotated[float, typer.Option(help="Of the intervals.")]
JsonLines = Annotated[bool, typer.Option("--json", help="JSON lines on stdout instead of CSV.")]
PlainJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
