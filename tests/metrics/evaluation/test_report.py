import csv
import io
import json
import math
from dataclasses import replace

import pytest

from kinetune.metrics.evaluation import report
from kinetune.metrics.evaluation.embedding_scores import NetworkOptions
from kinetune.metrics.evaluation.pairing import Folders
from kinetune.metrics.evaluation.protocol import Settings, evaluate
from kinetune.metrics.evaluation.statistics import Estimate
from tests.metrics.conftest import write_world


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory):
    world = write_world(tmp_path_factory.mktemp("report"))
    (world.system / "dance2.wav").write_bytes(b"broken")
    folders = Folders({"ours": world.system}, world.reference, world.motions)
    return evaluate(folders, Settings(networks=NetworkOptions(genre=False), workers=1))


@pytest.fixture(scope="module")
def written(evaluation, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    report.write_report(evaluation, out)
    return out


def test_everything_is_written(written):
    assert {path.name for path in written.iterdir()} == {
        "results.json", "results.csv", "dances.csv", "notes.json", "results.md", "beats.png",
        "distributions.png",
    }  # fmt: skip
    for name in ("beats.png", "distributions.png"):
        assert (written / name).read_bytes().startswith(b"\x89PNG")


def test_results_have_the_promised_shape(written, evaluation):
    found = json.loads((written / "results.json").read_text())
    assert list(found) == list(evaluation.labels)
    for label, row in found.items():
        for name, figure in row.items():
            assert set(figure) == {"value", "low", "high", "n"}
            assert figure["n"] == evaluation.estimates[label][name].n
    assert found["silence"]["bas_as_published"] == {
        "value": None, "low": None, "high": None, "n": 0,
    }  # fmt: skip


def test_the_tables_equal_the_results(written):
    found = json.loads((written / "results.json").read_text())
    rows = list(csv.DictReader(io.StringIO((written / "results.csv").read_text())))
    assert len(rows) == sum(len(row) for row in found.values())
    for row in rows:
        value = found[row["label"]][row["metric"]]["value"]
        assert (
            row["value"] == ""
            if value is None
            else math.isclose(float(row["value"]), value, rel_tol=1e-5, abs_tol=1e-9)
        )


def test_every_dance_has_its_own_line(written, evaluation):
    rows = list(csv.DictReader(io.StringIO((written / "dances.csv").read_text())))
    assert len(rows) == len(evaluation.labels) * 8
    broken = next(r for r in rows if (r["label"], r["dance"]) == ("ours", "dance2"))
    assert broken["beat_f"] == ""
    fine = next(r for r in rows if (r["label"], r["dance"]) == ("reference", "dance2"))
    assert float(fine["beat_f"]) == 1.0


def test_the_report_lists_figures_limits_and_problems(written):
    page = (written / "results.md").read_text()
    assert "# Evaluation of 8 dances" in page
    assert "| metric | ours | reference | random_pairing | click | noise | silence |" in page
    (line,) = [
        k
        for k in page.splitlines()
        if k.startswith("- random_pairing is not significantly worse than the reference")
    ]
    assert "bas_as_published" in line
    assert "ours, random_pairing: no significant difference in" in page
    assert "| ours | can't be used | 1 |" in page
    assert "dance2.wav: not a sound file" in page
    assert "n 7" in page


def test_notes_are_for_machines(written):
    notes = json.loads((written / "notes.json").read_text())
    assert notes["against"] == "ours"
    assert notes["problem_counts"] == [{"label": "ours", "kind": "can't be used", "count": 1}]
    assert "bas_as_published" in notes["indistinguishable"]["random_pairing"]
    assert "bas_as_published" in notes["uninformative"]["random_pairing"]
    assert set(notes["differences"]["beat_f"]["noise"]) == {"mean", "p", "n"}
    assert notes["problems"][0]["clip"] == "dance2"


def test_rows_that_are_not_significantly_different_are_marked(evaluation):
    line = next(
        k
        for k in report.markdown_table(evaluation).splitlines()
        if k.startswith("| bas_as_published")
    )
    cells = line.split(" | ")
    assert cells[2].endswith("=")
    assert not cells[1].rstrip().endswith("=")


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (Estimate(0.51234, 0.4, 0.6, 9), "0.512 (0.400 to 0.600)"),
        (Estimate(-19.174, -20.0, -18.0, 9), "-19.17 (-20.00 to -18.00)"),
        (Estimate(123456.0, float("nan"), float("nan"), 1), "123456"),
        (Estimate(-1e-9, -1.0, 1.0, 9), "0.000 (-1.000 to 1.000)"),
    ],
)
def test_figures_are_printed_to_three_digits(found, text):
    assert report.format_estimate(found) == text


def test_pictures_can_be_left_out(evaluation, tmp_path):
    report.write_report(evaluation, tmp_path, pictures=False)
    assert not list(tmp_path.glob("*.png"))
    assert "png" not in (tmp_path / "results.md").read_text()


def test_the_minimum_number_of_dances_for_significance():
    # 2^(1 - n) is the smallest p-value of n dances: 1/32 of six, 1/128 of eight.
    assert report.min_dances_for_significance(1) == 6
    assert report.min_dances_for_significance(5) == 8


def test_too_few_dances_are_reported_instead_of_limits(evaluation):
    few = replace(evaluation, dances=evaluation.dances[:7])
    assert "With fewer than 8 dances no difference can be significant" in report.limits_section(few)
    assert "no significant difference" not in report.limits_section(few)
