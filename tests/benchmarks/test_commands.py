"""Every benchmark is a command with a help text and one-line errors."""

import runpy
import sys
from pathlib import Path

import pytest

import benchmarks
from ramac_jax.cli import process

BAD_OPTIONS = {
    "acting": "--calls 0",
    "checkpoints": "--repeats 0",
    "coverage": "--trials 0",
    "data": "--steps 0",
    "evaluation": "--threads 0",
    "fractions": "--level 2",
    "kernels": "--populations 0",
    "ood": "--num-data 0",
    "peers": "--rounds 0",
    "precision": "--num-seeds 0",
    "search": "--trials 0",
    "search.bandit": "--risk-steps 0",
    "search.throughput": "--turns 0",
    "stalls": "--horizon 0",
    "starts": "--repeats 0",
    "tails": "--updates 0",
    "tails.peers": "--updates 0",
    "throughput": "--cases unknown",
}
"""An option that each benchmark refuses."""


def run(name, words, monkeypatch):
    """Run `python -m benchmarks.NAME` in this process; return its exit status."""
    monkeypatch.setattr(process, "set_up", lambda **setup: None)
    monkeypatch.setattr(sys, "argv", [name, *words])
    for module in [x for x in sys.modules if x.startswith(f"benchmarks.{name}")]:
        monkeypatch.delitem(sys.modules, module)  # `runpy` warns about loaded modules
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{name}", run_name="__main__", alter_sys=True)
    return ended.value.code


def test_every_benchmark_is_listed():
    folder = Path(benchmarks.__file__).parent
    commands = [x for x in folder.rglob("*.py") if "run_command(" in x.read_text()]
    paths = [x.parent if x.name == "__main__.py" else x for x in commands]
    names = [".".join(x.relative_to(folder).with_suffix("").parts) for x in paths]
    assert sorted(names) == sorted(BAD_OPTIONS)


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_help_names_the_command(name, monkeypatch, capsys):
    assert run(name, ["--help"], monkeypatch) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"usage: python -m benchmarks.{name} ")
    assert "The command line." not in printed.out
    assert "--out" in printed.out and printed.err == ""


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_bad_options_end_with_one_line_and_status_2(name, monkeypatch, capsys):
    assert run(name, BAD_OPTIONS[name].split(), monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_an_unknown_option_ends_with_one_line_and_status_2(name, monkeypatch, capsys):
    assert run(name, ["--foo"], monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("error: Unrecognized options: --foo")
    assert printed.err.endswith(f"(see python -m benchmarks.{name} --help)\n")


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("/dev/null/x.json", "cannot write to /dev/null: "),
        ("/dev", "--out is /dev, a folder: give a file"),
    ],
)
@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_an_out_that_cannot_be_written_ends_with_status_2(
    name, out, message, monkeypatch, capsys
):
    assert run(name, ["--out", out], monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith(f"error: {message}")
    assert printed.err.count("\n") == 1
