#!/usr/bin/env bash
# ogbench 1.2.2 with gymnasium 1.4.0 and mujoco 4.0.0, CPU.
#
# In the teleport mazes `step` computes the observation first and moves the agent to the
# other end of the teleport afterwards. So the step that teleports returns the place in
# front of the teleport, in the observation and in info["qpos"], while the state is
# already elsewhere. An agent chooses its next action for a place where it no longer is,
# and data that are collected from what `step` returns hold, in place of "next to the
# entrance -> one of three exits", the pair "next to the entrance -> next to the
# entrance" and then a jump that belongs to the action after. A critic that learns from
# such pairs books the chance of the exits on another state and action than the one that
# entered the teleport. `env.unwrapped.get_ob()` after `step` is the true next state.
#
# The script walks a point into an entrance and prints what the step returns and the
# state. It needs no data.
#
# Seen on 2026-11-27:
#   the step that teleports returns x y: 21.32 12.00
#   its info says:                       21.32 12.00
#   the state after it:                  0.00 20.00
#   the next step, of no action, returns: 0.00 20.00
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
export TMPDIR="$place"
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q ogbench==1.2.2 gymnasium==1.4.0 mujoco==4.0.0 numpy==2.4.6
cat > "$place/teleport.py" <<'PYTHON'
import gymnasium
import numpy as np
import ogbench  # noqa: F401  registers the environments

np.random.seed(0)
env = gymnasium.make("pointmaze-teleport-v0")
env.reset(seed=0)
maze = env.unwrapped
x, y = maze._teleport_info["teleport_in_xys"][0]
maze.set_xy(np.array([x + 1.6, y]))  # the teleport reaches 1.5
returned, *_, info = env.step(np.array([-1.0, 0.0], np.float32))
state = maze.get_ob()
after = env.step(np.zeros(2, np.float32))[0]


def show(place):
    return " ".join(f"{number + 0.0:.2f}" for number in place)


print(f"the step that teleports returns x y: {show(returned)}")
print(f"its info says:                       {show(info['qpos'])}")
print(f"the state after it:                  {show(state)}")
print(f"the next step, of no action, returns: {show(after)}")
assert np.linalg.norm(returned - [x, y]) < 1.6, "the observation has moved on"
assert np.linalg.norm(state - [x, y]) > 4.0, "nothing was teleported"
assert np.allclose(after, state, atol=0.05), "the next step starts elsewhere"
PYTHON
"$place/venv/bin/python" "$place/teleport.py"
