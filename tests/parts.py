"""A part of the slow tests: `.ci/run` runs one, and commits differ in which."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--slow-part",
        metavar="I/N",
        help="of the files with slow tests, run those of every N-th file from the I-th",
    )


@pytest.hookimpl(trylast=True)  # after -m
def pytest_collection_modifyitems(config, items):
    part = config.getoption("--slow-part")
    if part is None:
        return
    slow = [x for x in items if x.get_closest_marker("slow")]
    try:
        kept = part_of({str(x.path) for x in slow}, part)
    except ValueError as fault:
        raise pytest.UsageError(f"--slow-part: {fault}") from None
    left_out = {x for x in slow if str(x.path) not in kept}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [x for x in items if x not in left_out]


def part_of(files, part):
    """Return every N-th file in the order of names, from the I-th; `part` is "I/N"."""
    index, _, count = part.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise ValueError(f"{part}: give I/N with I from 1 to N")
    return {*sorted(files)[int(index) - 1 :: int(count)]}
