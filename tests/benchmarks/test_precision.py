"""The benchmark of precisions rounds like TF32, only in its context."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ramac_jax as rj
from benchmarks import precision
from benchmarks.precision import rounded_as_tf32

ULP = 2.0**-10  # of TF32, for numbers from 1 to 2
FACTORS = {
    1.0 + ULP: 1.0 + ULP,
    1.0 + 0.4 * ULP: 1.0,
    1.0 + 0.5 * ULP: 1.0,  # a tie, rounded to even
    1.0 + 1.5 * ULP: 1.0 + 2.0 * ULP,
    -1.0 - 0.6 * ULP: -1.0 - ULP,
    2.0**-120 * (1.0 + 0.6 * ULP): 2.0**-120
    * (1.0 + ULP),  # within float32's exponents
}


def times_one(number):
    return float((jnp.full((1, 1), number) @ jnp.ones((1, 1)))[0, 0])


@pytest.mark.parametrize("number", FACTORS)
def test_factors_are_rounded_to_ten_bits(number):
    before = times_one(number)
    with rounded_as_tf32():
        assert times_one(number) == FACTORS[number]
    assert times_one(number) == before == np.float32(number)


def test_sums_stay_in_float32():
    ones = jnp.array([1.0, 1e-5])
    with rounded_as_tf32():
        assert float(jnp.ones(2) @ ones) == pytest.approx(1.0 + 1e-5, abs=1e-7)


def test_gradients_are_products_of_rounded_factors():
    fine = jnp.array([1.0 + 0.4 * ULP])

    @jax.jit
    def slope(x):
        return jax.grad(lambda x, y: jnp.dot(x, y), argnums=(0, 1))(x, fine)

    np.testing.assert_array_equal(slope(jnp.ones(1))[0], fine)
    with rounded_as_tf32():  # compiles again
        np.testing.assert_array_equal(slope(jnp.ones(1))[0], 1.0)


def test_integers_are_not_rounded():
    with rounded_as_tf32():
        assert int(jnp.array([4097]) @ jnp.array([1])) == 4097


def test_the_rounding_ends_after_an_error():
    with pytest.raises(ZeroDivisionError), rounded_as_tf32():
        1 / 0  # noqa: B018
    assert times_one(1.0 + 0.4 * ULP) != 1.0


def test_the_record_agrees_with_the_table(tmp_path, capsys, monkeypatch):
    seen = {}

    def run(arguments):
        seen[arguments.precision] = times_one(1.0 + 0.4 * ULP)
        assert (arguments.num_seeds, arguments.bc_steps) == (2, 7)
        share = 0.5 if arguments.precision == "tf32" else 0.25
        seed = dict.fromkeys(("mean", "cvar", "ring", "centre", "ood"), share)
        policy = {"seeds": [seed, seed], "diverged": [], "dynamics": None}
        return {"policies": [{"name": name} | policy for name in arguments.agents]}

    monkeypatch.setattr(precision.bandit, "run", run)
    out = tmp_path / "new" / "found.json"
    precision.main(["--num-seeds", "2", "--bc-steps", "7", "--out", str(out)])
    assert seen["tf32"] == 1.0  # as these tests run on a CPU
    assert seen["float32"] == seen["bfloat16"] == np.float32(1.0 + 0.4 * ULP)
    record = json.loads(out.read_text())
    found = [(x["name"], x["precision"], x["imitated"]) for x in record["policies"]]
    assert found == [
        (name, each, each == "tf32")
        for each in ("float32", "tf32", "bfloat16")
        for name in ("radac", "rafmac")
    ]
    assert record["policies"][2]["seeds"][0]["ood"] == 0.5
    assert record["num_seeds"] == 2 and record["git_commit"] and record["device"]
    printed = capsys.readouterr().out
    assert printed.count("imitated") == 2 and printed.count("[50.0, 50.0]") == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--precisions", "--precisions has no value: give at least one"),
        ("--num-seeds 0", "--num-seeds is 0: give 1 or more"),
        ("--bc-steps 0", "--bc-steps is 0: give 1 or more"),
        ("--out /dev/null/x.json", "cannot write to /dev/null"),
    ],
)
def test_bad_options_are_refused_before_training(words, message, monkeypatch):
    monkeypatch.setattr(
        precision, "measure", lambda *_: pytest.fail("it starts training")
    )
    with pytest.raises(rj.InputError, match=message) as caught:
        precision.main(words.split())
    assert "\n" not in str(caught.value)
