"""The README of an exported policy: how to act with it in ten lines."""

from collections.abc import Mapping, Sequence
from typing import Any

from ramac_jax.export import card as cards
from ramac_jax.export import onnx, stablehlo
from ramac_jax.export.program import BATCH

FILE = "README.md"

ONNX_LINES = """\
import numpy as np
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.enable_mem_reuse = 1, False  # the fastest
policy = onnxruntime.InferenceSession("policy.onnx", options)
{observation}inputs = {{
    "observation": observation,
    "noise": np.random.standard_normal({noise}).astype(np.float32),
    "temperature": np.array({temperature}, np.float32),
    "risk_level": np.array({level}, np.float32),
}}
action, ood_score = policy.run(None, inputs)
"""
STABLEHLO_LINES = """\
import jax, numpy as np
from jax import export

with open("policy.stablehlo", "rb") as file:
    policy = jax.jit(export.deserialize(bytearray(file.read())).call)
{observation}noise = np.random.standard_normal({noise}).astype(np.float32)
temperature, risk_level = np.float32({temperature}), np.float32({level})
action, ood_score = policy(observation, noise, temperature, risk_level)
"""
OBSERVATION_LINE = """\
observation = np.zeros({shape}, np.float32)  # put yours here{flat}
"""
CENTRED_LINES = """\
with open("policy.json") as file:
    centre = np.array(json.load(file)["observation_centre"])
observation = np.zeros({shape})  # put yours here{flat}, in float64
observation = (observation - centre).astype(np.float32)
"""
GUARD_LINES = """\
if ood_score[0] > {threshold}:
    print("this observation is far from the training data:", ood_score[0])
"""
FINITE_LINES = """\
if ood_score[0] > 0:
    print("this observation is not finite")
"""
WAYS = {
    onnx.FILE: ("ONNX Runtime and NumPy", ONNX_LINES),
    stablehlo.FILE: ("JAX", STABLEHLO_LINES),
}


def write(record: Mapping[str, Any], *, card: bool = False) -> str:
    """Return the README of an export.

    Args:
      record: what `policy.json` holds.
      card: make it a model card of the Hugging Face hub.
    """
    sections = [
        heading(record),
        *(usage(record, name) for name in sorted(record["files"])),
        "\n".join(["## Inputs and outputs", "", *port_table(record)]),
        guard_section(record),
        parity_section(record),
    ]
    if card:
        sections = [cards.front_matter(record), *sections, cards.sections(record)]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def heading(record: Mapping[str, Any]) -> str:
    """Return the title and what the policy is."""
    acting, run = record["acting"], record["run"]
    name = run.get("preset") or run.get("task") or acting["actor"]
    count = acting["num_candidates"]
    ranked = "It takes one draw."
    if count > 1:
        ranked = (
            f"It takes the best typical one of {count} draws by "
            f"{acting['risk_measure']}."
        )
    return (
        f"# {name}\n\nA policy of offline reinforcement learning, exported by "
        f"ramac_jax {record['versions']['ramac_jax']}. It draws actions with a "
        f"generative model ({acting['actor']}), in the environment's own units. "
        f"{ranked} `policy.json` describes it for programs."
    )


def usage(record: Mapping[str, Any], name: str) -> str:
    """Return the section that shows how to act with a program."""
    title, lines = WAYS[name]
    shapes = {port["name"]: port["shape"] for port in record["inputs"]}
    temperature, level = cards.numbers_of(record)
    centred = "observation_centre" in record
    observation = CENTRED_LINES if centred else OBSERVATION_LINE
    code = lines.format(
        observation=observation.format(
            shape=tuple(sized(shapes["observation"])),
            flat=", flattened" if "observation_layout" in record else "",
        ),
        noise=tuple(sized(shapes["noise"])),
        temperature=temperature,
        level=1.0 if level is None else level,
    )
    if centred:
        code = f"import json\n\n{code}"
    threshold = record["ood_threshold"]
    code += (
        FINITE_LINES if threshold is None else GUARD_LINES.format(threshold=threshold)
    )
    return f"## Act with {title}\n\n```python\n{code}```"


def sized(shape: Sequence[Any]) -> list[int]:
    """Return a shape for one observation."""
    return [1 if size == BATCH else size for size in shape]


def port_table(record: Mapping[str, Any]) -> list[str]:
    """Return the table of inputs and outputs, B the number of observations."""
    rows = ["| name | shape | |", "|---|---|---|"]
    for port in [*record["inputs"], *record["outputs"]]:
        shape = ", ".join(map(str, port["shape"]))
        rows.append(f"| `{port['name']}` | [{shape}] | {port['meaning']} |")
    return [*rows, "", f"All are float32; {BATCH} is any number of observations."]


def guard_section(record: Mapping[str, Any]) -> str:
    """Return how to read `ood_score`."""
    threshold = record["ood_threshold"]
    text = (
        "The run recorded nothing of its observations: `ood_score` is 0, or inf where "
        "an observation is not finite."
    )
    if threshold is not None:
        text = (
            f"`ood_score` above {threshold:.4g} means an observation farther from the "
            f"training data than all but {record['ood_share_above']:.1%} of them. It "
            "looks at one coordinate at a time: it does not see a combination of "
            "ordinary coordinates that never occurs."
        )
    return (
        f"## Guard\n\n{text} The action is computed whatever the score: check it "
        "before you act. An observation of another width is an error of the runtime."
    )


def parity_section(record: Mapping[str, Any]) -> str:
    """Return how far each program is from the policy."""
    rows = ["| file | largest difference | ties taken otherwise |", "|---|---|---|"]
    for name, difference in record["parity"].items():
        ties = record["parity_ties"][name]
        rows.append(f"| `{name}` | {difference:.2g} | {ties} |")
    return "\n".join(
        [
            "## Parity",
            "",
            f"On {record['parity_inputs']} random inputs, against the policy in JAX:",
            "",
            *rows,
        ]
    )
