"""The protocol of a run without a task is that of its data."""

from types import SimpleNamespace

import gymnasium
import pytest

from ramac_jax.cli.options.train import parse
from ramac_jax.cli.runs.protocol import find_protocol

WORDS = ["--dataset", "made/own-v0", "--actor", "flow", "--out", "unused"]
DATA = SimpleNamespace(env_spec=gymnasium.spec("Reacher-v5"), reference=(-40.0, -4.0))


@pytest.mark.parametrize(("words", "horizon"), [([], 50), (["--horizon", "20"], 20)])
def test_limit_and_references_are_those_of_the_data(words, horizon):
    protocol = find_protocol(parse([*WORDS, *words]), DATA)
    assert protocol.horizon == horizon
    assert protocol.reference == (-40.0, -4.0)
    assert protocol.reference_horizon == 50
    assert protocol.record()["task"] is None


def test_no_episodes_ask_for_no_environment():
    assert find_protocol(parse([*WORDS, "--episodes", "0"]), DATA) is None
