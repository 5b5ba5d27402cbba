"""The benchmark of a sweep's agent-updates/s."""

import json

import pytest

import ramac_jax as rj
from benchmarks.search import throughput
from tests.benchmarks.tiny import TINIEST

pytestmark = pytest.mark.slow


def test_both_train_the_same_updates_and_the_ratio_is_that_of_their_rates(
    tmp_path, monkeypatch, capsys
):
    """Two rounds of two settings x three seeds, after a population that compiles."""
    monkeypatch.setitem(throughput.CASES, "tiniest", TINIEST)
    trained, train = [], throughput.train_population

    def counted(agent, dataset, members, schedule, **options):
        trained.append((len(members.seed), schedule.num_steps))
        return train(agent, dataset, members, schedule, **options)

    monkeypatch.setattr(throughput, "train_population", counted)
    out = tmp_path / "found.json"
    words = "--case tiniest --batch 2 --num-seeds 3 --num-steps 4 --turns 1"
    throughput.main([*words.split(), "--out", str(out)])
    assert trained == [(6, 4)] * (1 + 1 + 2)
    record = json.loads(out.read_text())
    printed = capsys.readouterr().out
    for kind in ("clock", "processor"):
        found = record[kind]
        (plain,), (sweep,), (ratio,) = (found[x] for x in ("plain", "sweep", "ratio"))
        assert ratio == pytest.approx(sweep / plain)
        assert found["median_ratio"] == ratio > 0.0
        assert f"median ratio, {kind}: {ratio:.3f}" in printed


def test_a_rate_is_of_all_agents_and_updates(monkeypatch):
    runs = throughput.Runs.__new__(throughput.Runs)
    runs.arguments = throughput.Arguments(batch=8, num_seeds=2, num_steps=300)
    monkeypatch.setattr(throughput, "clocks", lambda: (12.0, 9.0))
    found = runs.rates(2, (2.0, 4.0))
    assert found == (2 * 8 * 2 * 300 / 10.0, 2 * 8 * 2 * 300 / 5.0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--case huge", "unknown case 'huge'"),
        ("--rounds 0", "--rounds is 0: give 1 or more"),
        ("--num-seeds 0", "--num-seeds is 0: give 1 or more"),
    ],
)
def test_bad_options_are_refused_before_the_measurement(words, message, monkeypatch):
    monkeypatch.setattr(
        throughput, "measure", lambda *_: pytest.fail("it starts the measurement")
    )
    with pytest.raises(rj.InputError, match=message) as caught:
        throughput.main(words.split())
    assert "\n" not in str(caught.value)
