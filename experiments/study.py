"""Studies as command lines of `ramac`, read from study.toml."""

import itertools
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ramac_jax import InputError
from ramac_jax.cli.main import COMMANDS
from ramac_jax.errors import check_names

FOLDER = Path(__file__).parent
STEP = ("command", "out", "each", "runs", "join", "options")
"""Keys of a step."""
STUDIES = tuple(sorted(path.parent.name for path in FOLDER.glob("*/study.toml")))


class CommandLine(NamedTuple):
    """One command of `ramac` with the words after it."""

    command: str
    words: list[str]


def read_study(name: str, out: Path) -> list[CommandLine]:
    """Return the command lines of a study in their order.

    A step of study.toml has a command and a table of its options. A table `each` of
    lists repeats the step for every combination of their entries; `out` is the folder
    of the step under the folder of the study, which may name entries such as {task};
    `runs` are folders of earlier steps that the command reads, named likewise, and
    `join` those whose rows a comparison takes. A table `options` before the steps has
    those of every step that reads no runs. `STEP` are all keys.

    Args:
      name: one of `STUDIES`.
      out: folder of the study's results.

    Raises `InputError` for an unknown study and a malformed file.
    """
    check_names("study", [name], STUDIES)
    path = FOLDER / name / "study.toml"
    try:
        study = tomllib.loads(path.read_text())
        common = study.get("options", {})
        for step in study["steps"]:
            check_step(step)
        return [
            line
            for step in study["steps"]
            for line in command_lines(step, {} if "runs" in step else common, out)
        ]
    except InputError as error:
        raise InputError(f"{path} is no study: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no study: {error!r}") from None


def check_step(step: dict[str, Any]) -> None:
    """Raise `InputError` for a step with an unknown key or command, or no lists."""
    check_names("key", step.keys(), STEP)
    check_names("command", [str(step["command"])], COMMANDS)
    for name in ("runs", "join"):
        if not isinstance(step.get(name, []), list):
            raise InputError(f"{name} is {step[name]!r}: give a list of folders")


def command_lines(
    step: dict[str, Any], common: dict[str, Any], out: Path
) -> Iterator[CommandLine]:
    """Yield the command lines of one step, one for each combination of its lists."""
    each = step.get("each", {})
    for values in itertools.product(*each.values()):
        chosen = dict(zip(each, values, strict=True))
        words, joined = (
            [str(out / x.format(**chosen)) for x in step.get(name, ())]
            for name in ("runs", "join")
        )
        for name, value in (common | chosen | step.get("options", {})).items():
            words += option_words(name, value)
        if joined:
            words += option_words("join", joined)
        folder = out / step.get("out", "").format(**chosen)
        yield CommandLine(step["command"], [*words, "--out", str(folder)])


def option_words(name: str, value: Any) -> list[str]:
    """Return the words of an option on a command line; a true flag is its name."""
    option = f"--{name.replace('_', '-')}"
    if value is True:
        return [option]
    values = value if isinstance(value, list) else [value]
    return [option, *map(str, values)]
