import json
import os
import signal
import subprocess
import sys
import time

import pytest

from kinetune.errors import ConfigError, OutputError
from kinetune.training.run import EVENTS, RunLog, open_run


def test_one_folder_has_one_writer(tmp_path):
    with (
        open_run(tmp_path),
        pytest.raises(OutputError, match="another process trains"),
        open_run(tmp_path),
    ):
        pass
    with open_run(tmp_path):
        pass


def test_the_lock_of_a_killed_run_is_free_and_its_rubbish_removed(tmp_path):
    code = (
        "import sys, time; from pathlib import Path\n"
        "from kinetune import files; from kinetune.training.run import open_run\n"
        "folder = Path(sys.argv[1])\n"
        "with open_run(folder), files.atomic_file(folder / 'latents.bin'):\n"
        "    with files.atomic_folder(folder / 'state', markers=()):\n"
        "        print('writing', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout.readline() == "writing\n"
    with pytest.raises(OutputError, match="another process trains"), open_run(tmp_path):
        pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len([p for p in tmp_path.iterdir() if p.name.startswith(".")]) == 2
    with open_run(tmp_path):
        assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    child.stdout.close()


def test_a_state_is_recovered_if_its_replacement_was_killed(tmp_path):
    (tmp_path / ".state-old").mkdir()
    (tmp_path / ".state-old" / "state.json").write_text("{}")
    with open_run(tmp_path, resume=True):
        assert (tmp_path / "state" / "state.json").is_file()
        assert not (tmp_path / ".state-old").exists()


@pytest.mark.parametrize("minutes", [-1.0, float("nan")])
def test_impossible_minutes_are_one_line(tmp_path, minutes):
    with (
        pytest.raises(ConfigError, match="--minutes: expected 0 or more"),
        open_run(tmp_path, minutes=minutes),
    ):
        pass


def test_a_resumed_log_has_each_step_once(tmp_path):
    lines = [json.dumps({"step": k, "time": time.time(), "loss": 1.0}) for k in range(1, 8)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines) + '\n{"step": 8, "lo')
    with RunLog(tmp_path, 5) as log:
        log.write(6, {"loss": 0.5})
    rows = [json.loads(row) for row in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(row["step"], row["loss"]) for row in rows] == [
        *((k, 1.0) for k in range(1, 6)),
        (6, 0.5),
    ]


def test_a_resumed_run_has_each_step_once_in_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path, 0) as log:
        for step in range(1, 8):
            log.write(step, {"loss": 1.0})
    with RunLog(tmp_path, 5) as log:
        log.write(6, {"loss": 0.5})
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload().Scalars("loss")
    assert [(event.step, event.value) for event in events] == [
        *((k, 1.0) for k in range(1, 6)),
        (6, 0.5),
    ]


def test_a_folder_that_can_not_be_written_to_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="can't be written"), open_run(tmp_path / "file" / "run"):
        pass
    assert os.listdir(tmp_path) == ["file"]
