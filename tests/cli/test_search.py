"""The words of a sweep's command line as settings, programs, rungs and seeds."""

import pytest

import ramac_jax as rj
from ramac_jax.cli import process
from ramac_jax.cli.options.sections import values_of
from ramac_jax.cli.options.sweep import parse
from ramac_jax.cli.runs.search import STATIC, make_search

BASE = ["--out", "x", "--dataset", "y"]


def options(words="", *more):
    return parse([*BASE, *words.split(), *more])


def search(words="", *more):
    return make_search(options(words, *more))


def test_every_static_choice_meets_every_value():
    found = search(
        "--grid risk_weight=0.25,0.5 num-quantiles=4,6 actor_widths=8x4 --discount 0.5"
    )
    assert [
        (x.agent.num_quantiles, x.agent.actor_widths, x.agent.num_critics)
        for x in found.variants
    ] == [(4, (8, 4), 2), (6, (8, 4), 2)]
    assert found.variant.tolist() == [0, 0, 1, 1]
    assert found.hyperparams.risk_weight.tolist() == [0.25, 0.5] * 2
    assert found.hyperparams.discount.tolist() == [0.5] * 4
    assert list(found.labels) == [0, 1, 2, 3]
    assert found.labels[2] == "num_quantiles=6 actor_widths=8x4 risk_weight=0.25"


def test_the_settings_of_a_round_find_their_programs():
    found = search(
        "--grid num_quantiles=4,6 actor_widths=8x4 --range risk_weight=.1..1 "
        "--sampler tpe --trials 9 --discount 0.5"
    )
    one = {"num_quantiles": 6, "actor_widths": (8, 4), "risk_weight": 0.25}
    round_ = found.of_settings({7: one, 9: {**one, "num_quantiles": 4}})
    assert round_.variant.tolist() == [1, 0]
    assert round_.numbers.tolist() == [7, 9]
    assert round_.labels[7] == "num_quantiles=6 actor_widths=8x4 risk_weight=0.25"
    assert round_.setting(9).risk_weight == 0.25
    assert round_.setting(9).discount == 0.5
    assert round_.variant_of(9) == 0
    assert found.of_settings({}).numbers.tolist() == []


@pytest.mark.parametrize(
    ("words", "weighted"),
    [
        ("--grid risk_weight=0,1", False),
        ("--grid ood_weight=0,0.003", True),
        ("--grid risk_weight=0,1 --ood-weight 0.003", True),
        ("--range ood_weight=.001..1 --sampler tpe --trials 9", True),
    ],
)
def test_a_weight_of_ood_actions_in_any_setting_is_seen(words, weighted):
    assert search(words).ood_weighted == weighted


def test_every_static_option_is_read_as_the_agent_takes_it():
    words = (
        "actor=flow risk_measure=wang actor_widths=16x8 sampler_steps=3 "
        "num_quantiles=4 num_risk_quantiles=3 num_penalty_quantiles=2 num_critics=1 "
        "critic_width=8 critic=quantile num_atoms=9 target_steps=2 "
        "independent_targets=false embedding_width=6 num_cosines=5 "
        "head=rematerialized precision=bfloat16 batch_size=7"
    )
    (variant,) = search("--conservative quantiles --grid " + words).variants
    found = values_of(variant.agent) | {"batch_size": variant.batch_size}
    found = {name: found[name] for name in STATIC}
    assert found == {
        "actor": "flow",
        "risk_measure": "wang",
        "actor_widths": (16, 8),
        "sampler_steps": 3,
        "num_quantiles": 4,
        "num_risk_quantiles": 3,
        "num_penalty_quantiles": 2,
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
        "--ood-weight .1 --grid critic=categorical,quantile",
        "--head fused --grid critic=quantile",
        "--actor vae --sampler-steps 3 --grid actor=flow,diffusion",
        "--conservative values --num-critics 0 --grid num_critics=1,2",
        "--conservative quantiles --grid num_penalty_quantiles=2,4",
    ],
)
def test_an_option_that_some_setting_uses_is_accepted(words):
    assert search(words).variants


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--head fused --grid num_atoms=9,11", "--head has no effect"),
        ("--grid head=plain,fused", "--head has no effect"),
        ("--critic quantile --grid ood_weight=0,.1", "--ood-weight has no effect"),
        ("--grid critic=quantile --ood-weight .1", "--ood-weight has no effect"),
        ("--value-range -9 9 --grid critic=quantile", "--value-range has no effect"),
        ("--num-penalty-quantiles 2 --grid num_atoms=9,11", "is 2 and has no effect"),
        (
            "--conservative values --critic value --risk-measure neutral "
            "--grid num_penalty_quantiles=2,4",
            "--num-penalty-quantiles is 2 and has no effect: give --conservative",
        ),
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
            "--range actor_rate=1..2",
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
        ("--range=discount=.1...2 --range x=1..2", "--range is given twice"),
        (
            "--num-seeds 3 --selection-seeds 3",
            "--selection-seeds is 3 of 3 seeds: leave one to report",
        ),
        ("--selection-seeds 2", "--selection-seeds is 2 of 1 seeds"),
        ("--selection-seeds 0", "--selection-seeds is 0: give 1 or more"),
        ("--selection-episodes 0", "--selection-episodes is 0: give 1 or more"),
        ("--sampler tpe --trials 9 --episodes 0", "--sampler learns from the obj"),
        ("--batch 2", "nothing to search: give --grid or --range"),
        ("--grid --batch 2", "--grid is empty: give NAME=VALUES after it"),
        ("--range=discount=.1...2 --grid", "--grid is empty: give NAME=VALUES aft"),
        ("--range risk_weight=1..2", "--range needs --sampler: give one, such as tpe"),
        ("--grid risk_weight=1 --pruner halving", "--pruner needs --sampler"),
        (
            "--grid risk_weight=1 --sampler tep",
            "unknown sampler 'tep': did you mean tp",
        ),
        ("--grid risk_weight=1 --sampler tpe", "--sampler tpe needs --trials"),
        (
            "--grid risk_weight=1,2 --sampler tpe --trials 0",
            "--trials is 0: give 1 or more",
        ),
        (
            "--grid risk_weight=1 --sampler grid --pruner median",
            "unknown pruner 'median'",
        ),
        (
            "--grid discount=1 --sampler grid --pruner halving --objective mean,cvar",
            "--pruner compares one objective",
        ),
        (
            "--range risk_weight=1..2 --sampler cmaes --trials 9 --objective mean,cvar",
            "--sampler cmaes has one objective",
        ),
        ("--max-risky 2", "--max-risky is 2: give a share from 0 to 1"),
        ("--objective cvar,cvar", "--objective is cvar,cvar: give each objective once"),
        (
            "--grid discount=.1,.10000000001",
            "discount=.1,.10000000001 has .10000000001 twice: give each value",
        ),
        (
            "--grid discount=.1,.2 --selection-episodes 2000000000",
            "--selection-episodes is 2000000000 for 2 agents: give fewer",
        ),
        ("--objective median", "unknown objective 'median': did you mean mean?"),
        (
            "--objective risky_share",
            "unknown objective 'risky_share': give one of cvar",
        ),
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
