"""The command line: `eyebright VERB SOURCES... [--options]`.

Each verb is a file beside this one, imported when it is called. Results go to stdout, all else to stderr. Here is the
one place where an EyebrightError becomes a line and an exit code: 0 all went well, 1 inputs could not be read, 2 the
request itself is wrong, 130 stopped by Ctrl-C.
"""

import contextlib
import errno
import gc
import io
import os
import sys
import warnings
from importlib import import_module

import click
from click.shell_completion import shell_complete

from eyebright import __version__
from eyebright.cli.options import one_line
from eyebright.errors import EyebrightError

VERBS = {
    "predict": "Name what is in photos, folders and videos.",
    "embed": "Write the embeddings of pictures, for search and for teaching.",
    "index": "Bring the library up to date with folders of photos.",
    "search": "Find photos of the library, by picture or by words.",
    "teach": "Let the library learn a label from a few photos, at once.",
    "duplicates": "Find copies in the library, and the one of each to keep.",
    "correct": "Tell the library what is in photos; it never forgets.",
    "undo": "Take back what was said of photos.",
    "history": "Show what is known of a photo, and who said it.",
    "library": "Look after the library: status, check, backup, export.",
    "data": "Show or check a set of labeled pictures.",
    "inspect": "Show the card of a model file.",
    "verify": "Run the self-test of a model file on this machine.",
    "import": "Wrap an ONNX classifier from elsewhere as a model file.",
    "encoders": "List the networks that can be trained, or look inside one.",
    "train": "Teach a network your own labels, from a folder of pictures.",
    "evaluate": "Judge a model by pictures whose labels are known.",
    "tune": "Set thresholds from a goal; teach a model when to be silent.",
    "compare": "Tell whether one of two models is better, or it is chance.",
    "leaderboard": "List runs and model files by how good they are.",
    "fit": "Make a model that is within a budget of size and time.",
    "quantize": "Make a model smaller and faster in 8 bits, with proof.",
    "corrupt": "Judge a model under noise, blur and bad light.",
    "explain": "Show where in a picture the evidence for a label lies.",
    "frontier": "Draw which networks are best for what they cost.",
    "prune": "Take out what a trained network needs least.",
    "pack": "Pack a model file into one small file, bit for bit.",
    "unpack": "Write the model file that a packed file holds.",
    "bench": "Measure what model files cost on this machine.",
    "device": "Profile a device, and predict what a model costs there.",
    "models": "List or build models; keep only some of their labels.",
    "doctor": "Check this installation.",
    "completion": "Print the completion script for your shell.",
}


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""What a disk says that takes no more."""


class Verbs(click.Group):
    """Knows every verb's line without importing any, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = "import_" if cmd_name == "import" else cmd_name  # a Python keyword cannot name a module
        command: click.Command = import_module(f"eyebright.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="eyebright %(version)s")
def eyebright() -> None:
    """Name what is in pictures, on this machine, and say how sure it is.

    \b
      eyebright predict photo.jpg
      eyebright predict holiday/ --format json --output names.jsonl
    """


def main() -> None:
    """The console script."""
    gc.set_threshold(100_000)  # starting up makes many objects and no garbage
    warnings.filterwarnings("ignore", module="PIL")  # what it finds odd in a picture that it reads all the same
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that a screen cannot show must not end the run
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    if instruction := os.environ.get("_EYEBRIGHT_COMPLETE"):  # a shell asks, by the script of `completion`
        sys.exit(shell_complete(eyebright, {}, "eyebright", "_EYEBRIGHT_COMPLETE", instruction))
    code = run(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)  # taking everything apart would take a tenth of the whole time of a short command


def run(arguments: list[str]) -> int:
    """One command; the exit code."""
    try:
        # not eyebright.main(): that has exit codes of its own for a broken pipe and Ctrl-C
        with eyebright.make_context("eyebright", arguments) as context:
            code = eyebright.invoke(context)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:  # --help, --version
        return ended.exit_code
    except EyebrightError as error:
        click.echo(f"eyebright: {one_line(str(error))}", err=True)
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        verb = next((f" {word}" for word in arguments[:1] if word in VERBS), "")
        asked = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else f"eyebright{verb}"
        click.echo(f"eyebright: {error.format_message().rstrip('.')}; see {asked} --help.", err=True)
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("eyebright: stopped.", err=True)
        return 130
    except BrokenPipeError:  # `eyebright predict ... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in FULL:
            raise
        click.echo(f"eyebright: not all could be written: {(error.strerror or '').lower()}.", err=True)
        return 1
