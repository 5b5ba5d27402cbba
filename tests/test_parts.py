import pytest

from tests.parts import part_of


def test_each_file_is_in_one_part():
    files = {f"test_{i}.py" for i in range(11)}
    parts = [part_of(files, f"{i}/3") for i in (1, 2, 3)]
    assert sorted(x for part in parts for x in part) == sorted(files)
    assert [len(part) for part in parts] == [4, 4, 3]


@pytest.mark.parametrize("part", ["0/3", "4/3", "1", "a/2", "1/0", "-1/2", ""])
def test_other_words_are_refused(part):
    with pytest.raises(ValueError, match="give I/N"):
        part_of(set(), part)
