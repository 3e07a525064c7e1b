import json

import numpy as np
import pytest

from kinetune.errors import ConfigError, MetricError
from kinetune.tasks.listening_tests import ScoreListeningTestRequest, score_listening_test
from tests.cli.conftest import assert_one_clear_line, kinetune
from tests.tasks.listening_tests.conftest import result

TRUTH = {
    "reference": 4.5, "ours": 3.8, "theirs": 3.0, "anchor-7000": 2.6, "anchor-3500": 1.6,
    "random-pair": 2.9, "half-beat-off": 2.0, "click": 2.4,
}  # fmt: skip


def rater(seed, bias):
    rng = np.random.default_rng(seed)
    return lambda condition, item, section: np.clip(
        np.round(TRUTH[condition] + bias + rng.normal(0, 0.4)), 1, 5
    )


@pytest.fixture
def results(made, tmp_path):
    """Thirty careful listeners of known bias, and four careless ones of different kinds."""
    folder = tmp_path / "results"
    folder.mkdir()
    rng = np.random.default_rng(0)
    made_results = [
        result(made, f"l{k}", rater(k, rng.normal(0, 0.3)),
               choose=lambda a, b: "a" if a == "ours" else "b")
        for k in range(30)
    ]  # fmt: skip
    random = np.random.default_rng(1)
    made_results += [
        result(made, "l90", lambda *_: 3),
        result(made, "l91", rater(91, 0.0), headphones=[]),
        result(made, "l92", lambda *_: random.integers(1, 6), complete=False),
    ]
    skipping = result(made, "l93", rater(93, 0.0))
    for each in skipping["ratings"]:
        each["played_s"] = 0.1
    for each in [*made_results, skipping]:
        (folder / f"listener-{each['listener']}.json").write_text(json.dumps(each))
    return folder


def test_the_truth_of_simulated_listeners_is_found(made, results):
    scores = score_listening_test(ScoreListeningTestRequest((results,), made / "key.json"))
    assert scores.listeners == 30
    assert {each.listener: each.reasons[0] for each in scores.screened} == {
        "l90": "the same rating for everything",
        "l91": "headphone check 0 of 6 right",
        "l92": "not finished",
        "l93": "only 0 of 6 clips listened to",
    }
    quality = {each.condition: each for each in scores.means if each.section == "quality"}
    ranked = ["reference", "ours", "theirs", "anchor-7000", "anchor-3500"]
    assert sorted(quality, key=lambda name: -quality[name].mean) == ranked
    for name, each in quality.items():
        assert each.mean == pytest.approx(TRUTH[name], abs=0.35)
        assert each.low <= each.mean <= each.high
    assert scores.preferences[0].share == 1.0
    power = {each.section: each for each in scores.power}
    assert power["quality"].needed > 1
    assert power["quality"].smallest > 0.0


def test_the_table_has_a_row_a_condition_and_a_column_a_scale(made, results):
    scores = score_listening_test(ScoreListeningTestRequest((results,), made / "key.json"))
    lines = scores.table.splitlines()
    assert lines[0] == "| | Quality | Correspondence |"
    assert len(lines) == 2 + 8
    row = next(line for line in lines if line.startswith("| click |"))
    assert row.split("|")[2].strip() == ""
    assert " to " in row.split("|")[3]


def test_the_command_prints_table_power_and_reasons(made, results, tmp_path):
    key = made / "key.json"
    done = kinetune("listening-test", "score", results, "--key", key, "-o", tmp_path / "r.md")
    assert done.returncode == 0, done.stderr
    assert "30 listeners count, 4 were screened out." in done.stdout
    assert "listeners tell" in done.stdout
    assert "l91: headphone check 0 of 6 right" in done.stdout
    assert "| ours |" in (tmp_path / "r.md").read_text()
    done = kinetune("listening-test", "score", results, "--key", key, "-o", tmp_path / "r.md")
    assert_one_clear_line(done)
    done = kinetune("listening-test", "score", results, "--key", key, "--json")
    assert json.loads(done.stdout)["listeners"] == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "can't be read as JSON"),
        ("[]", "expected an object, found list"),
        ("{}", "expected a result of a listening test"),
        ('{"format": "kinetune-listening-test", "test": "other"}', "is of test 'other'"),
        ('{"format": "kinetune-listening-test", "test": "TEST"}', "the result is damaged"),
    ],
)
def test_damaged_results_are_one_line(made, tmp_path, text, message):
    key = json.loads((made / "key.json").read_text())
    (tmp_path / "bad.json").write_text(text.replace("TEST", key["test"]))
    done = kinetune("listening-test", "score", tmp_path / "bad.json", "--key", made / "key.json")
    assert_one_clear_line(done)
    assert message in done.stderr


def test_one_damaged_file_does_not_spoil_the_others(made, results):
    (results / "bad.json").write_text("{")
    done = kinetune("listening-test", "score", results, "--key", made / "key.json")
    assert done.returncode == 1
    assert "30 listeners count" in done.stdout
    assert "bad.json" in done.stderr


def test_no_listener_who_counts_is_an_error(made, tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(result(made, "l1", lambda *_: 3, complete=False)))
    with pytest.raises(MetricError, match=r"none of 1 listeners counts: l1: not finished"):
        score_listening_test(ScoreListeningTestRequest((path,), made / "key.json"))


def test_a_wrong_key_is_one_line(made, tmp_path):
    (tmp_path / "key.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"expected the key.json"):
        score_listening_test(ScoreListeningTestRequest((tmp_path,), tmp_path / "key.json"))
