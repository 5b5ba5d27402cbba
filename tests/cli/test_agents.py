"""The agents that go by a name are the parts that the name stands for."""

import dataclasses
import re
from types import SimpleNamespace

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax.cli.options import train as options
from ramac_jax.cli.options.checks import check_options
from ramac_jax.cli.runs import agents, training
from ramac_jax.compute.flat_params import unpack
from ramac_jax.critics import implicit_quantile
from ramac_jax.normalization import Scaling
from ramac_jax.policy import build_actor, build_critic
from ramac_jax.population import Callbacks
from ramac_jax.registry import HEADS, PRECISIONS

pytestmark = pytest.mark.slow

RANGE = "--value-range -9 9".split()
TINY = (
    "--num-atoms 7 --actor-widths 8 --critic-width 16 --embedding-width 8 "
    "--num-cosines 4"
).split()
PENALTIES = {"codac": rj.losses.quantile_gap, "cql": rj.losses.value_gap}
NEUTRAL = rj.risk.neutral
BASE = ["--dataset", "x", "--out", "y", *TINY]
UNITS = Scaling(jnp.zeros(3), jnp.ones(3), -jnp.ones(2), jnp.ones(2))


@pytest.mark.parametrize(
    "name",
    [
        "cvae-ql",
        "diffusion-ql",
        "fql",
        "oraac",
        "oraac-diffusion",
        "oraac-flow",
        "rafmac-distilled",
        "codac",
        "cql",
        "bc-vae",
    ],
)
def test_an_agent_by_name_learns(name, make_batch, distance, monkeypatch):
    built = {}

    def ramac_agent(actor, critic, risk_measure, *num_quantiles, **options):
        built.update(options, risk_measure=risk_measure)
        return wire(actor, critic, risk_measure, *num_quantiles, **options)

    wire = rj.ramac_agent
    monkeypatch.setattr(agents.rj, "ramac_agent", ramac_agent)
    preset = ["--task", "hopper-medium-replay", "--out", "x", "--preset", name]
    words = [*preset, *TINY, "--num-candidates", "3"]
    found = options.parse(words)
    if found.agent.critic == "categorical":
        found = options.parse([*words, *RANGE])
    check_options(found)
    asked = found.agent
    spec = agents.policy_spec(asked, UNITS)
    agent, batch = agents.build_agent(asked, spec), make_batch()
    if name != "bc-vae":
        assert built == {
            "num_candidates": 3,
            "num_penalty_quantiles": 2 if name == "codac" else None,
            "ood_actions": False,
            "micro_batch": built["micro_batch"],
            "num_risk_quantiles": 32,
            "conservative": PENALTIES.get(name),
            "normalize_value": name in ("cvae-ql", "diffusion-ql", "fql"),
            "target_steps": 3 if asked.critic == "categorical" else 1,
            "independent_targets": asked.critic == "categorical",
            "risk_measure": NEUTRAL if asked.critic == "value" else rj.risk.cvar,
        }
    state = agent.init(jax.random.key(0), batch)
    hyperparams = found.hyperparams._replace(risk_warmup=0.0, risk_ramp=0.0)
    update = jax.jit(agent.update)
    new, metrics = update(state, batch, jax.random.key(1), hyperparams)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves((new, metrics)))
    assert ("conservative_gap" in metrics) == (name in ("codac", "cql"))
    # The value alone moves every actor but those of behaviour cloning.
    silent = hyperparams._replace(bc_weight=0.0)
    moved, _ = update(state, batch, jax.random.key(1), silent)
    far = distance(moved.actor_params, state.actor_params)
    assert (far > 0.0) == (not name.startswith("bc-"))
    # One program, whatever the numbers; what comes out can go in again.
    assert update._cache_size() == 1
    chex.assert_trees_all_equal_shapes_and_dtypes(new, state)
    layers = [x.shape[-1] for x in jax.tree.leaves(unpack(state.critic_params))]
    if asked.num_critics:  # weights and biases; the categorical's also of two norms
        ends = {"categorical": (10, 1 + 7), "value": (6, 1), "quantile": (12, 1)}
        last = layers[5] if asked.critic == "categorical" else layers[-1]
        assert (len(layers), last) == ends[asked.critic]
    else:
        assert len(layers) == 1


def test_a_range_of_values_holds_the_returns_at_every_discount():
    """A constant reward of 3 has the return 3 / (1 - discount), also if cut off."""
    column = np.zeros((8, 1))
    data = rj.Transition(
        column, column, np.full(8, 3.0), column, np.zeros(8), np.arange(8.0, 0.0, -1.0)
    )
    base = ["--dataset", "x", "--out", "y"]
    asked = parse_agent(*base, "--target-steps", "8")
    found = agents.fit_to_data(asked, data, [0.5, 0.99])
    low, high = found.value_range
    assert low < 6.0 and high > 300.0
    for more in [], ["--critic", "quantile"]:
        longer = parse_agent(*base, "--target-steps", "9", *more)
        with pytest.raises(rj.InputError, match="the longest episode has 8 steps"):
            agents.fit_to_data(longer, data, [0.5])
    cloning = parse_agent(*base, "--num-critics", "0")
    assert agents.fit_to_data(cloning, data, [1.0]).value_range is None


def parse_agent(*words):
    return options.parse(words).agent


def test_the_radius_is_an_option_of_perturbed_actors_alone(make_batch):
    base = ["--dataset", "x", "--out", "y", "--radius", "0.05"]
    spec = agents.policy_spec(parse_agent(*base, "--actor", "perturbed-vae"), UNITS)
    assert spec.actor_options["radius"] == 0.05
    with pytest.raises(
        rj.InputError, match="unknown option of the flow actor 'radius'"
    ):
        agents.policy_spec(parse_agent(*base, "--actor", "flow"), UNITS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--radius 0", "--radius is 0: it must be above 0"),
        ("--radius nan", "--radius is nan"),
        ("--critic value", "knows no risk, and --risk-measure is cvar: give"),
        ("--conservative-weight 2", "nothing to weigh: give --conservative"),
        (
            "--actor vae --sampler-steps 3",
            "--sampler-steps is 3, and the vae actor has no such option: leave it at "
            "None, or give --actor, one of diffusion, flow, distilled-flow, perturbed",
        ),
        ("--actor flow --radius 0.05", "--radius is 0.05, and the flow actor has no "),
        ("--critic quantile --value-range -1 1", "--value-range has no effect: give"),
        ("--head fused", "--head has no effect: give --critic quantile, or leave it"),
        ("--critic quantile --ood-weight .1", "--ood-weight has no effect: give"),
        ("--num-critics 0 --ood-weight .1", "--ood-weight has no effect: give"),
        ("--num-critics 0 --conservative values", "--conservative has no effect: give"),
    ],
)
def test_options_that_could_not_count_are_refused(words, message):
    arguments = options.parse(["--dataset", "x", "--out", "y", *words.split()])
    with pytest.raises(rj.InputError, match=message) as caught:
        check_options(arguments)
    assert "\n" not in str(caught.value)


def program(agent, batch):
    """The update of an agent as text, without the addresses of its functions."""
    state = jax.eval_shape(agent.init, jax.random.key(0), batch)
    args = state, batch, jax.random.key(0), rj.Hyperparams()
    return re.sub(r"0x[0-9a-f]+", "", str(jax.make_jaxpr(agent.update)(*args)))


def build(words):
    found = options.parse([*BASE, *words.split()])
    if found.agent.critic == "categorical":
        found = options.parse([*BASE, *words.split(), *RANGE])
    check_options(found)
    spec = agents.policy_spec(found.agent, UNITS)
    with agents.training_in(found.agent.precision):
        pretraining = agents.build_pretraining_agent(found.agent, spec)
        return agents.build_agent(found.agent, spec), pretraining, spec


@pytest.mark.parametrize(
    ("words", "sampled"),
    [
        ("", False),
        ("--ood-weight 0.003", True),
        ("--ood-weight 0.003 --critic quantile", False),
    ],
)
def test_ood_actions_are_sampled_where_their_weight_asks(words, sampled, make_batch):
    bounds = [] if "quantile" in words else RANGE
    plan = training.training_plan(options.parse([*BASE, *bounds, *words.split()]))
    agent, _ = training.Compiled().agents(plan, UNITS)
    key, batch = jax.random.key(0), make_batch()
    state = jax.eval_shape(agent.init, key, batch)
    _, metrics = jax.eval_shape(agent.update, state, batch, key, rj.Hyperparams())
    assert ("ood_loss" in metrics) == sampled


@pytest.mark.parametrize("critic", ["categorical", "quantile", "value"])
def test_the_critics_of_a_checkpoint_are_those_of_training(critic, make_batch):
    """Several settings share no level, and the one discount that they all have."""
    words = f"--critic {critic} --risk-measure neutral --num-quantiles 5 --risk-level 1"
    bounds = RANGE if critic == "categorical" else []
    found = options.parse([*BASE, *words.split(), *bounds])
    agent, spec = found.agent, agents.policy_spec(found.agent, UNITS)
    one = agents.with_critic(spec, agent, found.hyperparams, 0.1).critic
    assert (one.name, one.risk_measure, one.num_quantiles) == (critic, "neutral", 5)
    assert (one.risk_level, one.discount, one.reward_scale) == (1.0, 0.99, 0.1)
    two = found.hyperparams._replace(risk_level=np.array([0.1, 0.5]))
    several = agents.with_critic(spec, agent, two, 0.1).critic
    assert several == one._replace(risk_level=None)
    batch, key = make_batch(), jax.random.key(0)
    inits = build_critic(one).init, agents.build_critic(agent).init
    chex.assert_trees_all_equal(
        *(init(key, batch.observation, batch.action) for init in inits)
    )
    cloning = dataclasses.replace(agent, num_critics=0)
    assert agents.with_critic(spec, cloning, found.hyperparams, 0.1) is spec


@pytest.mark.parametrize("actor", ["diffusion", "flow"])
def test_a_precision_is_of_training_alone(actor, make_batch):
    batch, words = make_batch(), f"--actor {actor} --num-quantiles 4 --precision "
    programs, specs = {}, set()
    for name in PRECISIONS:
        agent, pretraining, spec = build(words + name)
        specs.add((spec.actor, *spec.actor_options.items()))
        with agents.training_in(name):
            programs[name] = program(agent, batch), program(pretraining, batch)
    assert len(specs) == 1
    for place in (0, 1):  # the agent, and that of pretraining
        float32, tf32, bfloat16 = (
            programs[x][place] for x in ("float32", "tf32", "bfloat16")
        )
        assert "HIGHEST" in float32
        assert "HIGHEST" not in tf32 + bfloat16
        assert "bf16" in bfloat16
        assert "bf16" not in float32 + tf32
    assert jax.config.jax_default_matmul_precision is None


def test_weights_trained_in_bfloat16_act_in_float32(make_batch):
    batch = make_batch()
    agent, _, spec = build("--precision bfloat16 --sampler-steps 2")
    state = agent.init(jax.random.key(0), batch)
    actor = build_actor(spec)
    text = str(
        jax.make_jaxpr(actor.sample)(
            state.actor_params, batch.observation, jax.random.key(1)
        )
    )
    assert "bf16" not in text


def test_a_population_trains_in_its_precision_and_warns_of_clipped_targets(
    tmp_path, monkeypatch, capsys
):
    seen = {}

    def train_population(agent, *others, storage, **options):
        matmul = jax.config.jax_default_matmul_precision
        seen.update(storage.settings, matmul=matmul)
        metrics = {"target_clipped": np.full((1, 2), 0.5)}
        return SimpleNamespace(history=SimpleNamespace(metrics=metrics))

    monkeypatch.setattr(training.populations, "train_population", train_population)
    rows = jnp.zeros((4, 3)), jnp.zeros((4, 2)), jnp.zeros(4), jnp.zeros((4, 3))
    dataset = SimpleNamespace(
        transitions=rj.Transition(*rows, jnp.zeros(4)), scaling=UNITS
    )
    for precision, products in [("float32", "highest"), ("tf32", None)]:
        plan = training.training_plan(
            options.parse([*BASE, *RANGE, "--precision", precision])
        )
        members = SimpleNamespace(seed=np.arange(2))
        training.train_members(plan, dataset, members, tmp_path, Callbacks())
        assert (seen["precision"], seen["matmul"]) == (precision, products)
        assert "50.0% of the critics' targets of 2 of 2" in capsys.readouterr().err


@pytest.mark.parametrize("name", HEADS)
def test_the_head_and_the_strata_reach_the_agent(name, make_batch, monkeypatch):
    found = []

    def iqn_critic(*args, head, **options):
        found.append(head)
        return make(*args, head=head, **options)

    make = rj.iqn_critic
    monkeypatch.setattr(implicit_quantile, "iqn_critic", iqn_critic)
    batch = make_batch()
    words = "--critic quantile --num-quantiles 5 --num-risk-quantiles 3 --head "
    agent, *_ = build(words + name)
    assert found == [HEADS[name].load()]
    if name == "plain":
        assert "2,8,3]" in program(agent, batch)  # critics, rows, strata
