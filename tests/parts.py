"""A part of the slow tests: `.ci/run` runs one, and commits differ in which."""


def part_of(files, part):
    """Return every N-th file in the order of names, from the I-th; `part` is "I/N"."""
    index, _, count = part.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        raise ValueError(f"{part}: give I/N with I from 1 to N")
    return {*sorted(files)[int(index) - 1 :: int(count)]}
