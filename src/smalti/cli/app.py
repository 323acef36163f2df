"""The group of subcommands, and the rule that `smalti FILE...` compresses."""

import difflib
import os
from importlib import import_module

import click

from .. import __version__
from ..files import shown
from .terminal import say

__all__ = ["smalti"]

ALMOST = 0.75  # how alike a word and the command that it is meant for are, as difflib counts

SHELLS = ("bash", "zsh", "fish")

SUBCOMMANDS = (
    "compress", "sweep", "converge", "palette", "compare",
    "batch", "fit", "apply", "verify", "survey",
)  # fmt: skip
"""Each is a module of this package that holds a command of its name; loaded when it is used."""

ELSEWHERE = {"web": "smalti.web.command"}
"""Commands of the other faces, by the module that holds them; loaded when they are used, too."""


class _CompressByDefault(click.Group):
    """A group whose arguments go to `compress` unless they start with a subcommand.

    Thus `smalti photo.png`, and pngquant's `smalti 256 --ext .png photo.png`, work.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*SUBCOMMANDS, *ELSEWHERE, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in (*SUBCOMMANDS, *ELSEWHERE):
            module = ELSEWHERE.get(cmd_name, f".{cmd_name}")
            command = getattr(import_module(module, __package__), cmd_name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {*self.list_commands(ctx), "--help", "-h", "--version", "-V", "--self-test"}
        if not args:
            args = ["--help"]
        elif args[0] not in own:
            _refuse_misspelled(args[0], own)
            args = ["compress", *args]
        elif args[0] == "--self-test" and len(args) > 1:
            raise click.UsageError(f"--self-test stands alone, got {shown(args[1])}, too")
        return super().parse_args(ctx, args)


def _refuse_misspelled(word: str, commands: set[str]) -> None:
    """Refuse what can only be meant as a command: no file, no number, no suffix, nearly a name."""
    if word.startswith("-") or "." in word or os.sep in word or os.path.exists(word):
        return
    if nearest := difflib.get_close_matches(word, commands, 1, ALMOST):
        raise click.UsageError(
            f"there is no command and no file {shown(word)}; did you mean smalti {nearest[0]}?"
        )


def _show_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        say(f"smalti {__version__}")
        ctx.exit()


def _test_itself(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ..selftest import self_test

        found = self_test()
        say(str(found))
        ctx.exit(0 if found.ok else 1)


@click.group(cls=_CompressByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@click.option(
    "--self-test",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_test_itself,
    help="Compare 50 small results with the stored ones and exit: with 1 if any differs.",
)
def smalti() -> None:
    """Palette image compression: k-means in color space, done properly.

    `smalti FILE...` is short for `smalti compress FILE...`; see `smalti compress --help`.
    """


@smalti.command(
    help="Print the script that lets a shell complete smalti's options.\n\n"
    "Add one line to the shell's start-up file:\n\n"
    "\b\n"  # click keeps the lines of this block as they are
    'bash  ~/.bashrc                    eval "$(smalti completion bash)"\n'
    'zsh   ~/.zshrc                     eval "$(smalti completion zsh)"\n'
    "fish  ~/.config/fish/config.fish   smalti completion fish | source\n"
)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None  # the choice lists what click knows
    say(script(smalti, {}, "smalti", "_SMALTI_COMPLETE").source())
