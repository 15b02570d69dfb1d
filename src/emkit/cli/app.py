"""The application: commands from their registry, and errors as one line instead of a traceback."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emkit.cli.commands import COMMANDS
from emkit.cli.exits import BAD_INPUT, Refusal
from emkit.core.errors import EmkitError

# typer carries its own click in newer versions and imports the real one in older ones; either way this is its base of usage errors.
_UsageError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


class OneLineErrors(TyperGroup):
    """A bad option, unreadable data or a full disk is one line on stderr and exit code 2. A bug still shows its traceback."""

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, standalone_mode: bool = True, **more: Any
    ) -> Any:
        """Run, then leave through ``sys.exit``."""
        try:
            code = super().main(args, prog_name, standalone_mode=False, **more)
        except _UsageError as error:
            context = getattr(error, "ctx", None)
            hint = f" (see {context.command_path} --help)" if context is not None else ""
            _fail(f"{error.format_message()}{hint}")
        except Refusal as error:
            _fail(str(error))
        except EmkitError as error:
            _fail(f"{error}{_option(error.parameter)}")
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except MemoryError:
            _fail("not enough memory for these data")
        except typer.Abort:
            _fail("aborted")
        sys.exit(code if isinstance(code, int) else 0)


def _option(parameter: str | None) -> str:
    """How the command line calls the setting that a library's message is about."""
    from inspect import signature

    from emkit.cli.commands import fit, predict
    from emkit.cli.estimators import is_setting
    from emkit.cli.networks import CALLED

    if parameter is None:
        return ""
    if parameter in CALLED:
        return f" (here: --{CALLED[parameter]})"
    if any(parameter in signature(module.command).parameters for module in (fit, predict)):
        return f" (here: --{parameter.replace('_', '-')})"
    return f" (here: --set {parameter}=...)" if is_setting(parameter) else ""


def _fail(text: str) -> None:
    print(f"emkit: error: {' '.join(text.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Models with hidden variables, fitted by expectation-maximization. Data go to stdout, talk to stderr.",
    epilog="Exit codes: 0 done; 2 usage or bad input; 3 not converged (the model is written all the same).",
)


def _version(wanted: bool) -> None:
    if wanted:
        from emkit import __version__

        print(f"emkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Nothing to do here: the commands do the work."""


for _name in COMMANDS:
    app.command(_name)(import_module(f"emkit.cli.commands.{_name}").command)
