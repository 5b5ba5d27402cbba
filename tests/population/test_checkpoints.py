"""What the settings kept beside checkpoints refuse, and in which words."""

import json

import pytest

import ramac_jax as rj
from ramac_jax.population.checkpoints import check_settings


def kept(folder, **settings):
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def test_the_same_settings_pass_and_what_only_the_file_tells_does_not_count(tmp_path):
    path = kept(tmp_path, format=2, options={"level": None}, more=1)
    check_settings(path, {"format": 2, "options": {"level": None}})
    check_settings(tmp_path / "nothing.json", {"format": 2})


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"format": 2, "level": 0.1}, "holds a run with level 0.1, not 0.5: ask"),
        ({"format": 2, "level": None}, "holds a run with level null, not 0.5: ask"),
        ({"format": 1, "level": 0.5}, "holds a run with format 1, not 2: ask"),
        ({"level": 0.1}, "of another version of ramac_jax, which told no format:"),
        ({"format": 2}, "of another version of ramac_jax, which told no level:"),
    ],
)
def test_other_settings_are_named_and_those_untold_are_another_version(
    tmp_path, held, words
):
    path = kept(tmp_path, **held)
    with pytest.raises(rj.InputError, match=words) as caught:
        check_settings(path, {"format": 2, "level": 0.5})
    assert "\n" not in str(caught.value)
