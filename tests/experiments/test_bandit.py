import json

import matplotlib.image
import numpy as np
import pytest

from experiments import bandit

TINY = ["--bc-steps", "40", "--critic-steps", "20", "--risk-steps", "4"]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bandit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(folder))  # restored afterwards
        patch.setattr(bandit, "actors", tiny_actors)
        patch.setattr(bandit, "small_critic", tiny_critic)
        patch.chdir(folder.parent)  # a relative --out, as most people give
        bandit.main(["--out", folder.name, "--num-seeds", "2", *TINY])
    return folder


def tiny_actors():
    return {
        "diffusion": bandit.rj.diffusion_actor(2, 3, widths=(8,)),
        "flow": bandit.rj.flow_actor(2, 3, widths=(8,)),
    }


def tiny_critic():
    return bandit.rj.iqn_critic(width=8, embedding_width=8, num_cosines=4)


def test_the_record_has_every_policy_and_seed(out):
    record = json.loads((out / "bandit.json").read_text())
    names = [policy["name"] for policy in record["policies"]]
    assert names == ["bc-diffusion", "bc-flow", "neutral", "radac", "rafmac"]
    for policy in record["policies"]:
        assert len(policy["seeds"]) == 2
        for seed in policy["seeds"]:
            assert seed.keys() == {"mean", "cvar", "ring", "centre", "ood"}
            assert seed["ring"] + seed["centre"] + seed["ood"] == pytest.approx(1.0)
    assert record["constants"]["penalty_probability"] == 0.05
    assert record["versions"]["jax"]


def test_the_risk_phase_moves_the_policy_it_started_from(out):
    record = json.loads((out / "bandit.json").read_text())
    scores = {policy["name"]: policy["seeds"][0] for policy in record["policies"]}
    assert scores["radac"] != scores["neutral"] != scores["bc-diffusion"]


def test_the_figure_is_drawn(out):
    image = matplotlib.image.imread(out / "bandit.png")
    assert image.shape[0] > 800 and image[..., :3].std() > 0.05


def test_a_score_by_hand():
    actions = np.array([[0.8, 0.0]] * 5 + [[0.0, 0.0]] * 4 + [[0.5, 0.0]])
    rewards = np.array([2.0, 2, 2, 2, -10, 1, 1, 1, 1, 0])
    score = bandit.score(actions, rewards)
    shares = [score[name] for name in ("ring", "centre", "ood")]
    np.testing.assert_allclose(shares, [0.5, 0.4, 0.1])
    assert (score["mean"], score["cvar"]) == pytest.approx((0.2, -10.0))


@pytest.mark.parametrize("option", ["--num-seeds", "--risk-steps"])
def test_a_count_of_none_is_refused(tmp_path, option):
    with pytest.raises(bandit.rj.InputError, match=f"{option} is 0: give 1 or more"):
        bandit.main(["--out", str(tmp_path / "new"), option, "0"])
    assert not (tmp_path / "new").exists()
