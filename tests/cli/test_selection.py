"""Which seeds and episodes of a sweep select a setting, and which are reported."""

import re

import pytest

from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.runs.search import make_search
from ramac_jax.cli.runs.selection import SELECTION_SEED, Selection


def options(words):
    return parse(["--out", "x", "--dataset", "y", *words.split()])


def test_no_episode_is_both_selected_on_and_reported():
    """The last of 2 settings x 3 seeds x 10 episodes that score is the one before."""
    words = "--grid risk_weight=1,2 --num-seeds 3 --episodes 10 --eval-seed 999999940"
    assert len(make_search(options(words)).labels) == 2
    assert SELECTION_SEED == 999_999_940 + 2 * 3 * 10


@pytest.mark.parametrize(
    ("words", "selecting", "reported"),
    [
        ("--num-seeds 1", [0], [0]),
        ("--num-seeds 2", [0], [1]),
        ("--num-seeds 5", [0, 1], [2, 3, 4]),
        ("--num-seeds 5 --selection-seeds 4", [0, 1, 2, 3], [4]),
        ("--num-seeds 1 --selection-seeds 1", [0], [0]),
    ],
)
def test_the_first_seeds_select_and_the_others_are_reported(words, selecting, reported):
    assert Selection.of(options(words)).split() == (selecting, reported)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "--num-seeds 5 --seed 7 --episodes 30 --selection-episodes 20",
            "selected by the CVaR 0.1 of 20 episodes .* seeds? 7, 8, and reported on "
            "30 other episodes .* seeds? 9, 10, 11\\.$",
        ),
        (
            "--num-seeds 2 --acting-temperature .5",
            "seed 0, and reported .* seed 1\\. The agents act with temperature 0.5\\.$",
        ),
        (
            "--num-seeds 2 --objective mean",
            "selected by the mean return of 100 .* seed 0, and reported .* seed 1\\.$",
        ),
        (
            "--num-seeds 5 --selection-seeds 4 --eval-level 0.05",
            "by the CVaR 0.05 of .* seeds? 0, 1, 2, 3, and reported .* seed 4\\.$",
        ),
        (
            "--num-seeds 2 --objective mean,cvar --max-risky .25",
            "by the CVaR 0.1 of .* seed 1\\. Settings on the Pareto front of CVaR and "
            "mean return come first, and best/ is the setting on it with the highest "
            "CVaR 0.1\\. A setting with more than 25 % risky steps in .* without\\.$",
        ),
        (
            "--seed 3",
            "seed 3, and reported on 100 other episodes .* seed 3\\. The same agents "
            "do both: more seeds separate luck from merit\\.$",
        ),
    ],
)
def test_a_sentence_says_which_seeds_select_and_which_are_reported(words, said):
    assert re.search(said, Selection.of(options(words)).sentence())
