"""The levdyn command."""

import sys
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from backtest import __version__
from backtest.commands import output
from backtest.commands.compare import compare
from backtest.commands.coverage import coverage
from backtest.commands.demo import demo
from backtest.commands.download import download
from backtest.commands.fingerprint import fingerprint
from backtest.commands.importing import import_files
from backtest.commands.lab import lab
from backtest.commands.margin import margin
from backtest.commands.new import app as new
from backtest.commands.record import record
from backtest.commands.repair import repair
from backtest.commands.replay import replay
from backtest.commands.report import report
from backtest.commands.run import run
from backtest.commands.validate import validate
from backtest.commands.venues import venues
from feeds.errors import LevdynError

INTERRUPTED = 130  # what typer makes of Ctrl-C
PACKAGES = ("feeds", "venues", "backtest", "strategies")

app = typer.Typer(
    name="levdyn",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command()(demo)
app.add_typer(new, name="new")
app.command()(run)
app.command()(compare)
app.command()(download)
app.command()(record)
app.command("import")(import_files)
for command in (validate, coverage, repair, fingerprint, report, margin, venues, replay):
    app.command()(command)
app.add_typer(lab, name="lab", short_help="Ask where a leveraged market breaks, and at what cost.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"levdyn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="With an error, show where in the code it arose (in any place).")
    ] = False,
) -> None:
    """Backtest leveraged derivative strategies on models of real venues.

    Exit codes: 0 done, 1 done with findings to look at, 2 cannot (the reason is on standard error).

    \b
    Start here:
      levdyn demo                       a position is closed by force, every cent explained
      levdyn run --example > my.toml    a configuration to begin with
      levdyn run my.toml --out result
      levdyn new strategy my_trend      a strategy of your own, with a test
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process when absent.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    is_traced = "--traceback" in words
    try:
        app(args=[word for word in words if word != "--traceback"], prog_name="levdyn")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            output.line("interrupted", errors=True)
        return end.code if isinstance(end.code, int) else output.CANNOT if end.code else output.DONE
    except LevdynError as error:
        if is_traced:
            _print_traceback(error)
        output.report_error(f"{error}{_place(error)}")
    except OSError as error:
        if is_traced:
            _print_traceback(error)
        output.report_error(f"{error.strerror}: {error.filename}" if error.filename else str(error))
    except Exception as error:
        _print_traceback(error)
        output.report_error(f"{type(error).__name__}: {error}{_place(error)}")
    return output.CANNOT


def _print_traceback(error: BaseException) -> None:
    """Print a traceback from the command's own function on; what leads there is the same for all."""
    frames = error.__traceback__
    commands = str(Path(__file__).resolve().parent / "commands")
    while frames is not None and not str(Path(frames.tb_frame.f_code.co_filename).resolve()).startswith(commands):
        frames = frames.tb_next
    traceback.print_exception(type(error), error, frames if frames is not None else error.__traceback__)


def _place(error: BaseException) -> str:
    """Say where in the user's own code an error arose; nothing when it did not go through any."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(Path(frame.filename))]
    return f"\nin {own[-1].filename}, line {own[-1].lineno}, {own[-1].name}" if own else ""


def _is_users(path: Path) -> bool:
    """Return whether a file is neither ours nor of Python or a library."""
    ours = Path(__file__).resolve().parents[1]
    compiled = not path.is_absolute() and path.parts[0] in PACKAGES  # as Cython names them
    libraries = {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    known = [ours / name for name in PACKAGES] + [Path(name) for name in libraries]
    return not compiled and path.is_file() and not any(path.resolve().is_relative_to(folder) for folder in known)


if __name__ == "__main__":
    sys.exit(main())
