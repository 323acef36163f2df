"""Flags made from the library's table of options, and the way out for flags we do not have."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from ..errors import BadOption
from ..folders import is_called_like_a_picture
from ..options import OPTIONS, Option

__all__ = ["Command", "came_from_user", "flag", "knob"]

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

SPELLED_OUT = 1_000_000
"""Ranges up to here are shown in the help; longer ones say nothing to people."""

OF_PNGQUANT = {
    "--posterize": "use -k",
    "--fs": "use --floyd",
    "--ordered": "use --nofs, which is what it means today, or --dither bayer",
    "--map": "use --palette",
    "--transbug": "leave it out",
    "--iebug": "leave it out",
}
"""What to do instead of those options of pngquant that would mean something else here."""


EMPTY_SAID = ("ext", "name", "keep")
"""Options that say by themselves what they take, rather than nothing."""


def knob(name: str | Option, *flags: str) -> Decorator:
    """Return the click option for one row of the library's table of options, or one like it."""
    option = OPTIONS[name] if isinstance(name, str) else name
    spelled = flags or (f"--{option.name.replace('_', '-')}",)
    common: dict[str, Any] = {
        "default": option.default,
        "show_default": option.default is not None,
        "help": option.help,
    }
    if option.choices:
        return click.option(*spelled, option.name, type=click.Choice(option.choices), **common)
    called = option.name if len(option.name) == 1 else spelled[-1]
    return click.option(
        *spelled,
        option.name,
        type=click.UNPROCESSED,
        callback=_checked(option, called),
        metavar=_range(option),
        **common,
    )


def _checked(option: Option, called: str) -> Callable[..., Any]:
    """Return the click callback that refuses what the library would, in the same words."""

    def check(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value is None:
            return None
        try:
            word = value in option.words
            return option.check(value if word else _number(value, option.integer))
        except BadOption as error:
            raise click.UsageError(called + str(error).removeprefix(option.name)) from error

    return check


def _number(value: Any, integer: bool) -> Any:
    """Return what was typed as a number; as it is, if it is none."""
    try:
        return int(value) if integer else float(value)
    except ValueError:
        return value


def _range(option: Option) -> str:
    if option.low is None or option.high is None or option.high > SPELLED_OUT:
        return "N"
    return "|".join([f"{option.low}..{option.high}", *option.words])


def flag(*names: str, help: str) -> Decorator:  # noqa: A002
    """Return a click option that is on or off."""
    return click.option(*names, is_flag=True, help=help)


def came_from_user(name: str) -> bool:
    """Whether the option of the running command was given rather than left at its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


class Command(click.Command):
    """A command that knows what people mean by flags it does not have."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        args = _with_value(args, "--floyd", "1")
        dashed = _dashed_files(args)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            wanted = error.option_name
            if dashed:
                raise _is_a_file(dashed) from error
            if wanted in OF_PNGQUANT:
                raise click.UsageError(f"smalti has no {wanted}; {OF_PNGQUANT[wanted]}") from error
            raise
        if dashed and not ctx.params.get("sources"):  # -f.png is taken for a row of flags
            raise _is_a_file(dashed)
        _refuse_empty(self.params, ctx.params)
        return rest


def _refuse_empty(parameters: Sequence[click.Parameter], given: dict[str, Any]) -> None:
    """Refuse names that are empty: they would mean the folder that we are in, or nothing."""
    for parameter in parameters:
        value = given.get(parameter.name or "")
        if parameter.name in EMPTY_SAID or not _has_empty(value):
            continue
        is_input = isinstance(parameter, click.Argument)
        called = "the name of an input" if is_input else max(parameter.opts, key=len)
        raise click.UsageError(f"{called} is empty; perhaps a variable of the shell is not set")


def _has_empty(value: Any) -> bool:
    return "" in value if isinstance(value, tuple) else value == ""


def _with_value(args: list[str], name: str, value: str) -> list[str]:
    """Give a flag its value where it stands alone: what follows it is a file."""
    end = args.index("--") if "--" in args else len(args)
    flags = [f"{name}={value}" if argument == name else argument for argument in args[:end]]
    return flags + args[end:]


def _dashed_files(args: list[str]) -> str:
    """Return the first argument that looks like a flag and is, or is called like, a picture."""
    flags = args[: args.index("--")] if "--" in args else args
    for argument in flags:
        dashed = argument.startswith("-") and "=" not in argument
        if dashed and is_called_like_a_picture(argument):
            return argument
    return ""


def _is_a_file(name: str) -> click.UsageError:
    return click.UsageError(f"{name} looks like a flag; put -- before file names like that")
