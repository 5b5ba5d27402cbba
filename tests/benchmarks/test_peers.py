"""Turns beside other people's agents, and our cases of their sizes."""

import pytest

from benchmarks.peers import turns
from benchmarks.peers.cases import CASES
from benchmarks.throughput.operation_counts import update_flop


def test_ratios_are_those_of_neighbours():
    order, rates = [], {"ours": [4.0, 9.0, 2.0], "theirs": [2.0, 3.0, 2.0]}

    def rate(name):
        def call(seconds):
            assert seconds == 0.5
            order.append(name)
            return rates[name][(len(order) - 1) // 2]

        return call

    found = turns.take_turns(rate("ours"), rate("theirs"), 3, 0.5)
    assert order == ["ours", "theirs"] * 3
    assert found["ratio"] == 2.0 and found["ratio_range"] == [1.0, 3.0]
    assert found["ours_per_s"] == 4.0 and found["theirs_per_s"] == 2.0


@pytest.mark.parametrize(("name", "gflop"), [("fql", 1.84), ("diffusion-ql", 2.459)])
def test_flop_of_agents_with_plain_values(name, gflop):
    assert update_flop(CASES[name]) / 1e9 == pytest.approx(gflop, rel=1e-3)
