"""The words of a sweep's command line as settings, programs, rungs and seeds."""

import re

import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli import process
from ramac_jax.cli.options.sections import values_of
from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.runs.search import STATIC, make_search
from ramac_jax.cli.runs.selection import SELECTION_SEED, Selection
from ramac_jax.population import Rung

BASE = ["--out", "x", "--dataset", "y"]


def options(words="", *more):
    return parse([*BASE, *words.split(), *more])


def search(words="", *more):
    return make_search(options(words, *more))


def test_every_static_choice_meets_every_value_and_every_draw():
    found = search(
        "--grid risk_weight=0.25,0.5 num-quantiles=4,6 actor_widths=8x4 "
        "--random actor-learning-rate=1e-4..1e-2 --num-draws 3 --search-seed 7 "
        "--discount 0.5"
    )
    assert [
        (x.agent.num_quantiles, x.agent.actor_widths, x.agent.num_critics)
        for x in found.variants
    ] == [(4, (8, 4), 2), (6, (8, 4), 2)]
    assert found.variant.tolist() == [0] * 6 + [1] * 6
    h = found.hyperparams
    assert h.risk_weight.tolist() == ([0.25] * 3 + [0.5] * 3) * 2
    assert h.discount.tolist() == [0.5] * 12
    draws = h.actor_learning_rate[:3]
    assert len(set(draws.tolist())) == 3
    assert ((draws >= 1e-4) & (draws <= 1e-2)).all()
    np.testing.assert_array_equal(h.actor_learning_rate, np.tile(draws, 4))
    assert list(found.labels) == list(range(12))
    assert found.labels[0] == (
        f"num_quantiles=4 actor_widths=8x4 risk_weight=0.25 "
        f"actor_learning_rate={draws[0]:g}"
    )
    assert found.labels[10] == (
        f"num_quantiles=6 actor_widths=8x4 risk_weight=0.5 "
        f"actor_learning_rate={draws[1]:g}"
    )
    assert found.rungs == [Rung(12, 100_000)]


def test_the_seed_of_the_search_decides_the_draws():
    words = "--random risk_weight=0.1..1 --num-draws 2 --search-seed "
    one, again, other = (
        search(words + seed).hyperparams.risk_weight.tolist() for seed in "112"
    )
    assert one == again
    assert not set(one) & set(other)


def test_every_static_option_is_read_as_the_agent_takes_it():
    words = (
        "actor=flow risk_measure=wang actor_widths=16x8 sampler_steps=3 "
        "num_quantiles=4 num_risk_quantiles=3 num_critics=1 critic_width=8 "
        "critic=quantile num_atoms=9 target_steps=2 independent_targets=false "
        "embedding_width=6 num_cosines=5 head=rematerialized precision=bfloat16 "
        "batch_size=7"
    )
    (variant,) = search("--grid " + words).variants
    found = values_of(variant.agent) | {"batch_size": variant.batch_size}
    found = {name: found[name] for name in STATIC}
    assert found == {
        "actor": "flow",
        "risk_measure": "wang",
        "actor_widths": (16, 8),
        "sampler_steps": 3,
        "num_quantiles": 4,
        "num_risk_quantiles": 3,
        "critic": "quantile",
        "num_critics": 1,
        "num_atoms": 9,
        "target_steps": 2,
        "independent_targets": False,
        "critic_width": 8,
        "embedding_width": 6,
        "num_cosines": 5,
        "head": "rematerialized",
        "precision": "bfloat16",
        "batch_size": 7,
    }


def test_a_precision_must_suit_every_actor_that_it_meets():
    words = "--grid precision=float32,bfloat16 actor="
    found = search(words + "diffusion,flow").variants
    assert [(x.agent.precision, x.agent.actor) for x in found] == [
        ("float32", "diffusion"),
        ("float32", "flow"),
        ("bfloat16", "diffusion"),
        ("bfloat16", "flow"),
    ]
    with pytest.raises(rj.InputError, match="bfloat16: the vae actor computes in"):
        search(words + "diffusion,vae")


@pytest.mark.parametrize(
    "words",
    [
        "--value-range -9 9 --grid critic=categorical,quantile",
        "--head fused --grid critic=quantile",
        "--actor vae --sampler-steps 3 --grid actor=flow,diffusion",
        "--conservative values --num-critics 0 --grid num_critics=1,2",
    ],
)
def test_an_option_that_some_setting_uses_is_accepted(words):
    assert search(words).variants


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--head fused --grid num_atoms=9,11", "--head has no effect"),
        ("--grid head=plain,fused", "--head has no effect"),
        ("--value-range -9 9 --grid critic=quantile", "--value-range has no effect"),
        ("--sampler-steps 3 --grid actor=flow,vae", "the vae actor has no such option"),
        (
            "--conservative values --num-critics 0 --grid batch_size=8,9",
            "--conservative has no effect",
        ),
    ],
)
def test_an_option_that_no_setting_uses_is_refused(words, message):
    with pytest.raises(rj.InputError, match=message):
        search(words)


@pytest.mark.parametrize(
    "words",
    [
        "--risk-level .3 --grid risk_level=.3",
        "--acting-risk-level .2 --grid risk_level=.1,.2",
    ],
)
def test_candidates_are_ranked_at_a_level_that_all_settings_share(words):
    assert search(f"--acting-num-candidates 4 {words}").labels


@pytest.mark.parametrize(
    ("words", "rungs"),
    [
        # 6 / 3^k settings, to 100 / 3^(1 - k) updates, rounded down.
        ("risk_weight=1,2,3 num_quantiles=4,6 --halving 3", [(6, 33), (2, 100)]),
        ("risk_weight=1,2,3,4,5 --halving 2", [(5, 25), (2, 50), (1, 100)]),
    ],
)
def test_halving_trains_the_fewer_the_longer(words, rungs):
    found = search(f"--num-steps 100 --grid {words}")
    assert found.rungs == [Rung(*x) for x in rungs]


def test_a_level_is_checked_for_each_risk_measure():
    words = "--grid risk_level=0.5,2 risk_measure="
    assert len(search(words + "wang,power").labels) == 4
    with pytest.raises(rj.InputError, match="^risk_level is 2: for cvar it must be"):
        search(words + "wang,cvar")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            "--grid risk_wieght=1",
            "unknown option 'risk_wieght': did you mean risk_weight",
        ),
        (
            "--random actor_rate=1..2",
            "unknown option 'actor_rate': did you mean actor_learning_rate, target_",
        ),
        ("--grid discount=0.5,1.5", "discount is 1.5: it must be at least 0 and at"),
        ("--grid risk_weight=", "risk_weight= lacks a value: write risk_weight=VALUE"),
        ("--grid risk_weight=1,,2", "risk_weight=1,,2 lacks a value"),
        (
            "--grid actor=flwo",
            "actor is flwo: unknown choice 'flwo': did you mean flow?",
        ),
        (
            "--grid risk_measure=cvar,cvra",
            "risk_measure is cvra: unknown choice 'cvra': did you mean cvar?",
        ),
        ("--grid num_quantiles=4,0", "num_quantiles is 0: it must be a whole number"),
        ("--grid batch_size=8.5", "batch_size is 8.5: it must be a whole number, 1"),
        ("--grid actor_widths=8x", "actor_widths is 8x: it must be a whole number, 1"),
        (
            "--grid independent_targets=True,no",
            "independent_targets is no: it must be True or False",
        ),
        (
            "--acting-num-candidates 4 --num-critics 0 --grid batch_size=8,9",
            "--acting-num-candidates is 4, and behaviour cloning has no critics to",
        ),
        (
            "--acting-num-candidates 4 --grid risk_level=.1,.2",
            "the settings have risk levels of their own, and none ranks the candidates "
            "of --acting-num-candidates: give --acting-risk-level",
        ),
        (
            "--acting-temperature -1 --grid discount=.1,.2",
            "--acting-temperature is -1: it must be at least 0",
        ),
        ("--grid risk_weight=1 --grid actor=flow", "--grid is given twice: give it on"),
        ("--random=discount=.1...2 --random x=1..2", "--random is given twice"),
        ("--random risk_weight=1..2 --num-draws 0", "--num-draws is 0: give 1 or more"),
        (
            "--num-seeds 3 --selection-seeds 3",
            "--selection-seeds is 3 of 3 seeds: leave one to report",
        ),
        ("--selection-seeds 2", "--selection-seeds is 2 of 1 seeds"),
        ("--selection-seeds 0", "--selection-seeds is 0: give 1 or more"),
        ("--selection-episodes 0", "--selection-episodes is 0: give 1 or more"),
        ("--halving 2 --episodes 0", "--halving selects by episodes: --episodes 0 pl"),
        (
            "--grid risk_weight=1,2,3,4 --halving 2 --num-steps 3",
            "num_steps is 3: halving 4 settings by 2 needs 4 updates or more",
        ),
        ("--halving 2", "nothing to search: give --grid or --random"),
        ("--grid --halving 2", "--grid is empty: give NAME=VALUES after it"),
        ("--random=discount=.1...2 --grid", "--grid is empty: give NAME=VALUES aft"),
        ("--grid discount=.1,.2 --halving 1", "factor is 1 and num_settings 2: give"),
        (
            "--grid discount=.1,.2 --halving 3",
            "--halving is 3 for 2 settings: none would be left out",
        ),
        (
            "--grid discount=.1,.10000000001",
            "discount=.1,.10000000001 has .10000000001 twice: give each value",
        ),
        (
            "--grid discount=.1,.2 --selection-episodes 2000000000",
            "--selection-episodes is 2000000000 for 2 agents: give fewer",
        ),
        ("--select median", "unknown measure 'median': did you mean mean?"),
        ("--select risky_share", "unknown measure 'risky_share': give one of cvar, m"),
        (
            "--grid risk_weight=1,2 --num-seeds 3 --episodes 10 --eval-seed 999999941",
            "--eval-seed is 999999941: the episodes from 1,000,000,000 on select",
        ),
    ],
)
def test_what_is_no_search_is_one_line(words, line, capsys):
    with pytest.raises(SystemExit) as ended, process.exit_status("ramac"):
        search(words)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {line}")
    assert said.count("\n") == 1


def test_no_episode_is_both_selected_on_and_reported():
    """The last of 2 settings x 3 seeds x 10 episodes that score is the one before."""
    words = "--grid risk_weight=1,2 --num-seeds 3 --episodes 10 --eval-seed 999999940"
    assert len(search(words).labels) == 2
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
            "--num-seeds 2 --select mean",
            "selected by the mean return of 100 .* seed 0, and reported .* seed 1\\.$",
        ),
        (
            "--num-seeds 5 --selection-seeds 4 --eval-level 0.05",
            "by the CVaR 0.05 of .* seeds? 0, 1, 2, 3, and reported .* seed 4\\.$",
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
