"""The options of `ramac train`: presets, their names and what overrides them."""

from types import SimpleNamespace

import pytest

import ramac_jax as rj
from ramac_jax.cli.agents import ROBOT_AGENTS
from ramac_jax.cli.options import presets
from ramac_jax.cli.options import train as options
from ramac_jax.cli.options.checks import check_options
from ramac_jax.tasks import TASKS


def parse(argv):
    """Return the options as one flat table, with the hyperparameters in a container."""
    found = options.parse(argv)
    flat = options.recorded_options(found) | {"hyperparams": found.hyperparams}
    return SimpleNamespace(**flat)


@pytest.mark.parametrize(
    ("preset", "rates", "weights", "quantiles", "bound"),
    [
        ("halfcheetah-medium-expert", (3e-4, 5e-5, 5), (0.02, 1, 0), (32, 128), 300),
        ("halfcheetah-medium-replay", (3e-4, 5e-5, 5), (0.02, 1, 0), (16, 64), 300),
        ("hopper-medium-expert", (3e-4, 1e-5, 5), (0.05, 1, 300e3), (16, 64), 300),
        ("hopper-medium-replay", (3e-4, 1e-5, 5), (0.05, 1.5, 300e3), (16, 64), 150),
        ("walker2d-medium-expert", (3e-4, 1e-5, 5), (0.05, 1.5, 300e3), (16, 64), 300),
        ("walker2d-medium-replay", (3e-4, 5e-6, 3), (0.02, 1, 300e3), (8, 32), 300),
    ],
)
def test_presets_are_the_published_table(preset, rates, weights, quantiles, bound):
    found = parse(["--dataset", "x", "--out", "y", "--preset", f"published/{preset}"])
    h = found.hyperparams
    assert (h.actor_learning_rate, h.critic_learning_rate, h.max_grad_norm) == rates
    assert (h.risk_weight, h.bc_weight, h.risk_warmup) == weights
    assert (found.num_quantiles, found.embedding_width) == quantiles
    assert found.num_cosines == found.num_quantiles
    assert (h.value_min, h.value_max) == (-bound, bound)
    assert (found.actor, found.num_steps, found.num_seeds) == (
        "diffusion",
        2_000_000,
        5,
    )
    assert (h.risk_level, h.discount, found.batch_size) == (0.1, 0.99, 256)


def test_options_override_the_preset_wherever_they_stand():
    given = ["--risk-weight", "0.5", "--out", "y", "--preset", "published/rafmac"]
    found = parse([*given, "--dataset", "a", "--dataset", "b"])
    assert found.dataset == ("a", "b")
    assert (found.actor, found.sampler_steps) == ("flow", 10)
    assert found.hyperparams == rj.Hyperparams(
        risk_weight=0.5,
        actor_learning_rate=3e-4,
        critic_learning_rate=3e-4,
        max_grad_norm=0.7,
        target_rate=0.005,
        value_min=-300.0,
        value_max=300.0,
    )


@pytest.mark.parametrize("preset", ["walker2d-medium-replay", "published/rafmac"])
def test_help_shows_the_values_of_the_preset(preset, capsys):
    name = preset if "/" in preset else f"published/{preset}"
    with pytest.raises(SystemExit) as ended:
        options.parse(["--preset", name, "--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for value in presets.PRESETS[name].values():
        assert str(value) in said


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_every_preset_is_one_that_a_run_would_accept(preset):
    found = options.parse(["--dataset", "x", "--out", "y", "--preset", preset])
    check_options(found)
    assert found.settings.preset == preset


AGENTS = {  # name: actor, critics, risk_measure, penalty
    "radac": ("diffusion", "categorical", "cvar", None),
    "rafmac": ("flow", "categorical", "cvar", None),
    "rafmac-distilled": ("distilled-flow", "categorical", "cvar", None),
    "neutral": ("diffusion", "categorical", "neutral", None),
    "bc-vae": ("vae", None, None, None),
    "bc-diffusion": ("diffusion", None, None, None),
    "bc-flow": ("flow", None, None, None),
    "cvae-ql": ("vae", "value", "neutral", None),
    "diffusion-ql": ("diffusion", "value", "neutral", None),
    "fql": ("distilled-flow", "value", "neutral", None),
    "oraac": ("perturbed-vae", "categorical", "cvar", None),
    "oraac-diffusion": ("perturbed-diffusion", "categorical", "cvar", None),
    "oraac-flow": ("perturbed-flow", "categorical", "cvar", None),
    "codac": ("gaussian", "quantile", "cvar", "quantiles"),
    "cql": ("gaussian", "value", "neutral", "values"),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_every_agent_and_radac_unless_told(task):
    assert set(ROBOT_AGENTS) == set(AGENTS)
    for agent, (actor, critic, risk_measure, penalty) in AGENTS.items():
        found = parse(["--task", task, "--out", "y", "--preset", agent])
        assert found.preset == f"{task}/{agent}"
        assert (found.actor, found.conservative) == (actor, penalty)
        assert found.num_critics == (2 if critic else 0)
        if critic:
            assert (found.critic, found.risk_measure) == (critic, risk_measure)
        assert (found.hyperparams.conservative_weight > 0.0) == (penalty is not None)
        assert found.normalize
    assert parse(["--task", task, "--out", "y"]).preset == f"{task}/radac"


def test_the_published_preset_of_a_task():
    argv = ["--task", "hopper-medium-replay", "--out", "y", "--preset", "published"]
    found = parse(argv)
    assert found.preset == "published/hopper-medium-replay"
    assert found.hyperparams.value_max == 150.0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--task", "hoper-medium-expert"], "unknown task .*mean hopper-medium-expert"),
        (
            ["--task", "hopper-medium-replay", "--preset", "radak"],
            "unknown preset .*radac",
        ),
        (["--preset", "radac"], "--preset radac needs a task: give --task"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(argv, message):
    with pytest.raises(rj.InputError, match=message):
        options.parse([*argv, "--out", "y"])


def test_an_unknown_preset_is_answered_with_a_short_line():
    with pytest.raises(rj.InputError) as caught:
        options.parse(["--preset", "zzz", *BASE])
    line = str(caught.value)
    assert line.endswith(f"and {len(presets.PRESETS) - 5} others")
    assert "\n" not in line and len(line) < 300


BASE = ["--dataset", "x", "--out", "y"]


def test_how_training_computes_is_an_option():
    found = parse(BASE)
    assert (found.num_risk_quantiles, found.head, found.precision) == (
        None,
        "plain",
        "tf32",
    )
    words = "--num-risk-quantiles 8 --precision bfloat16 ".split()
    words += "--critic quantile --head rematerialized".split()
    found = options.parse([*BASE, *words])
    check_options(found)
    lasting = options.lasting_options(found)
    assert [lasting[x] for x in ("num_risk_quantiles", "head", "precision")] == [
        8,
        "rematerialized",
        "bfloat16",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--precision bfloat", "unknown precision 'bfloat': did you mean bfloat16"),
        ("--head fuse", "unknown head 'fuse': did you mean fused"),
        ("--num-risk-quantiles 0", "--num-risk-quantiles is 0: give 1 or more"),
        (
            "--precision bfloat16 --actor vae",
            "--precision bfloat16: the vae actor computes in float32 alone",
        ),
        (
            "--precision bfloat16 --actor distilled-flow",
            "the distilled-flow actor computes in float32 alone",
        ),
        (
            "--precision bfloat16 --critic value --risk-measure neutral",
            "the value critic computes in float32 alone",
        ),
    ],
)
def test_what_cannot_be_computed_so_is_refused(words, message):
    found = options.parse([*BASE, *words.split()])
    with pytest.raises(rj.InputError, match=message) as caught:
        check_options(found)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "--critic quantile --head fused",
        "--num-critics 0 --critic value --risk-measure neutral",
    ],
)
def test_a_fused_head_and_clones_may_be_trained_in_bfloat16(words):
    words += " --precision bfloat16"
    check_options(options.parse([*BASE, *words.split()]))
