"""Critics of a checkpoint: registered, one's own, of means, absent or unfit."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

import ramac_jax as rj
from ramac_jax import policy as checkpoints
from ramac_jax import policy_record
from tests.policy.populations import CRITIC, OBSERVATION


def edited(folder, target, change):
    """Copy a checkpoint and change the fields of its policy.json."""
    copy = shutil.copytree(folder, target)
    fields = json.loads((copy / "policy.json").read_text())
    del fields["checksum"]
    change(fields)
    fields["checksum"] = policy_record.text_checksum(fields)
    (copy / "policy.json").write_text(json.dumps(fields))
    return copy


def test_a_checkpoint_that_describes_no_critics_acts_and_ranks_nothing(flow, tmp_path):
    older = edited(flow[0], tmp_path / "older", lambda fields: fields.pop("critic"))
    policy, key = checkpoints.load_policy(older), jax.random.key(7)
    assert policy.critic is None and policy.critic_params is None
    whole = checkpoints.load_policy(flow[0])
    np.testing.assert_array_equal(policy(OBSERVATION, key), whole(OBSERVATION, key))
    with pytest.raises(rj.InputError, match="5 and there are no critics to rank"):
        policy(OBSERVATION, key, num_candidates=5, risk_level=0.1)
    given = checkpoints.load_policy(older, critic=checkpoints.build_critic(CRITIC))
    assert given(OBSERVATION, key, num_candidates=5, risk_level=0.1).shape == (2, 2)


def test_critics_of_ones_own_are_given_to_rank(flow, tmp_path):
    _, spec, states = flow
    own = spec._replace(critic=CRITIC._replace(name=None, options={}))
    checkpoints.save_policy(tmp_path / "own", states, own)
    key, options = jax.random.key(7), {"num_candidates": 9}
    with pytest.raises(rj.InputError, match="9 and there are no critics to rank"):
        checkpoints.load_policy(tmp_path / "own")(OBSERVATION, key, **options)
    critic = checkpoints.build_critic(CRITIC)
    found = checkpoints.load_policy(tmp_path / "own", critic=critic)
    expected = checkpoints.load_policy(flow[0])(OBSERVATION, key, **options)
    np.testing.assert_array_equal(found(OBSERVATION, key, **options), expected)
    with pytest.raises(rj.InputError, match="and the critic do not fit: "):
        checkpoints.load_policy(tmp_path / "own", critic=rj.value_critic())
    with pytest.raises(rj.InputError, match=r"of your own: give critic=\.\.\."):
        checkpoints.build_critic(own.critic)


def test_critics_of_means_rank_at_one_fraction(flow):
    policy = checkpoints.load_policy(flow[0])
    means = policy.critic._replace(mean_only=True)
    assert policy.rule(5).num_quantiles == CRITIC.num_quantiles > 1
    assert dataclasses.replace(policy, critic=means).rule(5).num_quantiles == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "quantil"}, "unknown critic 'quantil': did you mean quantile"),
        ({"risk_measure": "cvr"}, "unknown risk measure 'cvr': did you mean cvar"),
        ({"options": {"width": 9}}, "the states and the critic do not fit: "),
    ],
)
def test_critics_that_do_not_fit_are_not_saved(flow, tmp_path, changes, message):
    _, spec, states = flow
    other = spec._replace(critic=CRITIC._replace(**changes))
    with pytest.raises(rj.InputError, match=message):
        checkpoints.save_policy(tmp_path / "other", states, other)
    assert not list(tmp_path.iterdir())
