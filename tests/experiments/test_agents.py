"""The agents that go by a name are the parts that the name stands for."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from experiments import agents, options
from ramac_jax.scaling import Scaling

TINY = "--actor-widths 8 --critic-width 8 --embedding-width 8 --num-cosines 4".split()
PENALTIES = {"codac": rj.losses.quantile_gap, "cql": rj.losses.value_gap}
SQUARED, HUBER = rj.losses.squared_error, rj.losses.quantile_huber
NEUTRAL = rj.risk.neutral
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
    told = {}

    def ramac(actor, critic, distortion, num_quantiles, **options):
        told.update(options, distortion=distortion, loss=critic.loss)
        return wire(actor, critic, distortion, num_quantiles, **options)

    wire = rj.ramac
    monkeypatch.setattr(agents.rj, "ramac", ramac)
    preset = ["--task", "hopper-medium-replay", "--out", "x", "--preset", name]
    arguments = options.parse([*preset, *TINY, "--num-candidates", "3"])
    options.check(arguments)
    spec = agents.policy_spec(arguments, UNITS)
    agent, batch = agents.build_agent(arguments, spec), make_batch()
    if name != "bc-vae":
        assert told == {
            "num_candidates": 3,
            "conservative": PENALTIES.get(name),
            "normalize_value": name in ("cvae-ql", "diffusion-ql", "fql"),
            "loss": SQUARED if arguments.critic == "value" else HUBER,
            "distortion": NEUTRAL if arguments.critic == "value" else rj.risk.cvar,
        }
    state = agent.init(jax.random.key(0), batch)
    knobs = arguments.hyperparams._replace(risk_warmup=0.0, risk_ramp=0.0)
    update = jax.jit(agent.update)
    new, metrics = update(state, batch, jax.random.key(1), knobs)
    assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves((new, metrics)))
    assert ("conservative_gap" in metrics) == (name in ("codac", "cql"))
    # Who minds a value is moved by it alone, and who clones alone is not.
    silent = knobs._replace(bc_weight=0.0)
    moved, _ = update(state, batch, jax.random.key(1), silent)
    far = distance(moved.actor_params, state.actor_params)
    assert (far > 0.0) == (not name.startswith("bc-"))
    # One program, whatever the numbers; what comes out can go in again.
    assert update._cache_size() == 1
    chex.assert_trees_all_equal_shapes_and_dtypes(new, state)
    # Layers with weight and bias: three of a plain value, six of a quantile network.
    sizes = {"value": 6, "quantile": 12} if arguments.num_critics else {"quantile": 1}
    assert len(jax.tree.leaves(state.critic_params)) == sizes[arguments.critic]


def test_the_radius_is_an_option_of_perturbed_actors_alone(make_batch):
    base = ["--dataset", "x", "--out", "y", "--radius", "0.05"]
    spec = agents.policy_spec(options.parse([*base, "--actor", "perturbed-vae"]), UNITS)
    assert spec.actor_options["radius"] == 0.05
    with pytest.raises(
        rj.InputError, match="unknown option of the flow actor 'radius'"
    ):
        agents.policy_spec(options.parse([*base, "--actor", "flow"]), UNITS)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--radius 0", "--radius is 0: it must be above 0"),
        ("--radius nan", "--radius is nan"),
        ("--critic value", "knows no risk, and --distortion is cvar: give"),
        ("--conservative-weight 2", "nothing to weigh: give --conservative"),
    ],
)
def test_options_that_could_not_count_are_refused(words, message):
    arguments = options.parse(["--dataset", "x", "--out", "y", *words.split()])
    with pytest.raises(rj.InputError, match=message):
        options.check(arguments)
