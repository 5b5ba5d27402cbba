"""The program `ramac`: its commands, its help and what its help imports."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

import ramac_jax
from ramac_jax import devices
from ramac_jax.cli import main, process
from ramac_jax.extras import MissingExtra

ROOT = Path(ramac_jax.__file__).parents[1]
HEAVY = {"jax", "flax", "optax", "gymnasium", "minari", "matplotlib", "orbax", "scipy"}
EVERY_COMMAND = tuple("train sweep evaluate report compare data export bandit".split())


def start(*words, program=("-m", "ramac_jax"), **options):
    """Start the program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *program, *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def imported_by(*words):
    """Return the modules that the program imports for these words."""
    code = (
        "import sys\nfrom ramac_jax.cli.main import main\n"
        f"try:\n    main({list(words)!r})\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    with start(program=("-c", code)) as process_:
        _, modules = process_.communicate()
    assert process_.returncode == 0, modules
    return {name.partition(".")[0] for name in modules.split()}


def test_the_program_lists_every_command(capsys):
    main.main(["--help"])
    said = capsys.readouterr().out
    assert tuple(main.COMMANDS) == EVERY_COMMAND
    for name, command in main.COMMANDS.items():
        assert f"  {name}" in said
        assert command.summary in said


def test_no_words_are_a_request_for_help(capsys):
    main.main([])
    bare = capsys.readouterr().out
    main.main(["-h"])
    assert bare == capsys.readouterr().out


def test_the_version_is_the_librarys(capsys):
    main.main(["--version"])
    assert capsys.readouterr().out == f"ramac {ramac_jax.__version__}\n"


def test_an_unknown_command_is_one_line_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["trian", "--task", "x"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "error: unknown command 'trian': did you mean train?\n"
    )


def test_the_programs_help_imports_no_array_library():
    assert not imported_by("--help") & {*HEAVY, "numpy", "tyro", "rich"}


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_the_help_of_a_command_imports_no_jax(command):
    words = [command, "convert"] if command == "data" else [command]
    assert not imported_by(*words, "--help") & HEAVY


def test_a_reader_that_leaves_early_sees_no_traceback():
    """Python would complain of the closed pipe when it flushes at its end."""
    with start("train", "--help") as program:
        program.stdout.close()
        said = program.stderr.read()
    assert said == ""
    assert program.returncode == main.CLOSED_PIPE


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("train", "Missing from ramac train: --out PATH (see ramac train --help)"),
        (
            "train --num-stesp 3 --out x",
            "Unrecognized options: --num-stesp, 3; Perhaps you meant: --num-steps INT, "
            "--num-seeds INT (see ramac train --help)",
        ),
        (
            "evaluate run --episodes many",
            "Error parsing --episodes: invalid literal for int() with base 10: 'many' "
            "(see ramac evaluate --help)",
        ),
        ("report run --out", "Missing value for argument '--out'. Expected 1 values"),
        ("compare --out x", "Missing from ramac compare: --tasks [STR [STR ...]]"),
        ("data", "Expected one of {convert, relabel} (see ramac data --help)"),
    ],
)
def test_a_malformed_command_line_is_one_line(words, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(words.split())
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {line}") and printed.err.count("\n") == 1


def test_bad_input_is_one_line_without_jax_and_ends_with_status_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["train", "--task", "hoper-medium-expert", "--out", "x"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: unknown task 'hoper-medium-expert': did you mean ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            ModuleNotFoundError("no", name="gymnasium.envs"),
            "error: ramac train needs gymnasium: pip install 'ramac_jax[data]'\n",
        ),
        (MissingExtra("it needs more"), "error: it needs more\n"),
    ],
)
def test_a_missing_package_is_one_line_with_its_extra(error, line, capsys):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac train"):
        raise error
    assert ended.value.code == 2
    assert capsys.readouterr().err == line


def test_a_missing_module_of_no_extra_is_an_error_of_the_program():
    with pytest.raises(ModuleNotFoundError), process.exit_status("ramac train"):
        raise ModuleNotFoundError("no", name="ramac_jax.nothing")


@pytest.mark.parametrize(
    ("chosen", "advice"),
    [
        (
            "cuda",
            "JAX_PLATFORMS=cuda asks for devices that it does not have; unset it, or "
            "install JAX for them",
        ),
        (None, "see the error of python -c 'import jax; jax.devices()'"),
    ],
)
def test_a_jax_that_cannot_start_is_one_line(chosen, advice, monkeypatch, capsys):
    def no_devices():
        raise AssertionError  # as JAX 0.10 does without a GPU

    monkeypatch.setattr(jax, "devices", no_devices)
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.delenv("JAX_NUM_CPU_DEVICES", raising=False)
    if chosen is not None:
        monkeypatch.setenv("JAX_PLATFORMS", chosen)
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac train"):
        jax.devices()
    assert ended.value.code == 2
    line = f"error: JAX cannot start on this machine (AssertionError): {advice}\n"
    assert capsys.readouterr().err == line


def test_an_error_of_the_program_keeps_its_traceback():
    with pytest.raises(AssertionError), process.exit_status("ramac train"):
        raise AssertionError


def test_a_platform_that_is_not_there_ends_a_command_before_any_work(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("JAX_PLATFORMS", "no_such")
    ended = start("bandit", "--out", str(tmp_path / "run"))
    printed, line = ended.communicate()
    assert ended.returncode == 2 and printed == ""
    assert line.count("\n") == 1 and "JAX_PLATFORMS=no_such" in line
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(("given", "started"), [(None, "1"), ("3", "3"), ("", "1")])
def test_an_evaluation_starts_jax_on_one_thread(monkeypatch, given, started):
    """XLA reads NPROC when it starts; afterwards it is as before."""
    seen = []
    monkeypatch.delenv("NPROC", raising=False)
    if given is not None:
        monkeypatch.setenv("NPROC", given)
    record = lambda: seen.append(os.environ["NPROC"])  # noqa: E731
    monkeypatch.setattr(devices, "start_devices", record)
    monkeypatch.setattr(process, "handle_signals", lambda: None)
    process.set_up(keep_programs=False, one_thread=True)
    assert seen == [started]
    assert os.environ.get("NPROC") == given
    assert main.COMMANDS["evaluate"].one_thread
