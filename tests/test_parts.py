"""The option --slow-part: what it leaves out, and what it never does."""

import pytest

from tests.parts import part_of

pytest_plugins = ["pytester"]
FILE = """
import pytest

@pytest.mark.slow
def test_slow_{0}(): pass

def test_quick_{0}(): pass
"""


def test_each_file_is_in_one_part():
    files = {f"test_{i}.py" for i in range(11)}
    parts = [part_of(files, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(x for part in parts for x in part) == sorted(files)
    assert [len(part) for part in parts] == [4, 4, 3]


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/2", "1/0", "-1/2", ""])
def test_other_words_are_refused(part):
    with pytest.raises(ValueError, match="give I/N"):
        part_of(set(), part)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["quick_a", "quick_b", "quick_c", "slow_a", "slow_b", "slow_c"]),
        (["--slow-part=1/2"], ["quick_a", "quick_b", "quick_c", "slow_a", "slow_c"]),
        (["--slow-part=2/2"], ["quick_a", "quick_b", "quick_c", "slow_b"]),
        (["--slow-part=2/2", "-m", "slow"], ["slow_b"]),
    ],
)
def test_quick_tests_always_run_and_slow_ones_in_their_part(pytester, words, names):
    pytester.makepyfile(**{f"test_{x}": FILE.format(x) for x in "abc"})
    options = ["-p", "tests.parts", "-W", "ignore", "-v", "-p", "no:randomly", *words]
    result = pytester.runpytest(*options)
    passed = [
        x.split("::test_")[1].split()[0] for x in result.outlines if "PASSED" in x
    ]
    assert sorted(passed) == names


def test_a_malformed_part_is_refused_in_one_line(pytester):
    pytester.makepyfile(test_a=FILE.format("a"))
    result = pytester.runpytest("-p", "tests.parts", "-W", "ignore", "--slow-part=3/2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --slow-part: 3/2: give I/N with I from 1 to N"]
    )
