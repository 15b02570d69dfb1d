"""``emkit demo``: the starting document's problem, solved, printed and drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emkit.cli.options import Quiet
from emkit.cli.talk import Talk

if TYPE_CHECKING:
    from emkit.demo.problem import DemoRun

_WHY = (
    "Why they differ: the document's E-step has the squared distance outside the exponential, so the constant cancels and every\n"
    "point is weighted by its squared distance from the mean: the farther mean gets the larger share, and the two change places\n"
    "at every iteration, where Bayes' rule gives the nearer mean the larger share."
)


def command(
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the values.")] = 0,
    out: Annotated[Path, typer.Option(help="Picture to write (PNG).")] = Path("emkit-demo.png"),
    animate: Annotated[
        Path | None, typer.Option(help="Moving picture to write: .gif, or .mp4 where there is ffmpeg. Takes ten seconds.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Of EM.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Numbers as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Find the means of two normals in 2,000 values, from a start of (0, 1); write a picture of it.

    Half of the values come from N(1, sd 2), half from N(9, sd 2); which from which is hidden. The sd and the weights are known.
    """
    from emkit.cli.writing import check_writable, print_json, replacing
    from emkit.demo.figure import draw_demo
    from emkit.demo.problem import run_demo

    talk = Talk(quiet)
    check_writable(out)
    if animate is not None:
        _check_animation(animate)
    with talk.warnings():
        run = run_demo(seed, iterations)
    if as_json:
        more = {} if animate is None else {"animation": str(animate)}
        print_json({**_numbers(run), "seed": seed, "picture": str(out), **more})
    else:
        print(_text(run, seed))
    with replacing(out) as temporary:
        draw_demo(run, temporary)
    talk.say(f"picture written to {str(out)!r}")
    if animate is not None:
        from emkit.demo.animation import draw_animation

        with replacing(animate) as temporary:
            draw_animation(temporary, animate.suffix.lower(), seed=seed, iterations=iterations)
        talk.say(f"moving picture written to {str(animate)!r}")


def _check_animation(path: Path) -> None:
    """Refuse, before any work, what cannot be written."""
    from emkit.cli.exits import Refusal
    from emkit.cli.writing import check_writable
    from emkit.demo.animation import FORMATS, can_write

    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise Refusal(f"{str(path)!r}: moving pictures are written as {' and '.join(FORMATS)}, not as {kind!r}")
    if not can_write(kind):
        raise Refusal(f"{str(path)!r}: an mp4 needs ffmpeg, which is not found; install it, or give a .gif")
    check_writable(path)


def _numbers(run: "DemoRun") -> dict[str, Any]:
    from emkit.demo.problem import PRINTED_MEANS

    return {
        "n_values": len(run.values),
        "sigma": run.sigma,
        "weights": run.weights,
        "true_means": run.true_means,
        "start": run.means[0],
        "iterations": len(run.means) - 1,
        "emkit": {"means": run.means[-1], "error": run.error, "trace": run.means, "log_likelihood": run.objective},
        "document_formula": {"means": run.document_means[-1], "error": run.document_error, "trace": run.document_means},
        "document_printed": {"means": PRINTED_MEANS},
    }


def _text(run: "DemoRun", seed: int) -> str:
    from emkit.demo.problem import PRINTED_MEANS

    lines = [
        f"{len(run.values)} values (seed {seed}): half from N({run.true_means[0]:g}, sd {run.sigma:g}), half from "
        f"N({run.true_means[1]:g}, sd {run.sigma:g}); sd and weights known, means to be found",
        "",
        f"{'':>9}   {'emkit':^43}   {'document' + chr(39) + 's formula':^20}",
        f"{'iteration':>9}   {'mean 0':>10} {'mean 1':>10} {'log-likelihood':>21}   {'mean 0':>9} {'mean 1':>9}",
    ]
    for i, (ours, value, theirs) in enumerate(zip(run.means, run.objective, run.document_means, strict=True)):
        lines.append(f"{i:>9}   {ours[0]:>10.6f} {ours[1]:>10.6f} {value:>21.6f}   {theirs[0]:>9.6f} {theirs[1]:>9.6f}")
    lines += ["", f"{'means, in increasing order':<42} {'lower':>19} {'upper':>19}   off by"]
    for name, pair in (
        ("true", run.true_means),
        ("discovered by emkit", sorted(run.means[-1])),
        ("the document's formula on the same values", sorted(run.document_means[-1])),
        ("printed in the document (its own values)", PRINTED_MEANS),
    ):
        off = [abs(m - t) for m, t in zip(pair, run.true_means, strict=True)]
        shown = "" if name == "true" else f"   {off[0]:.3f} and {off[1]:.3f}"
        lines.append(f"{name:<42} {float(pair[0])!r:>19} {float(pair[1])!r:>19}{shown}")
    return "\n".join([*lines, "", _WHY])
