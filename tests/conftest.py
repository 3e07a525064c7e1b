"""Shared fixtures: real motions and synthetic clips."""

import os
from pathlib import Path

import numpy as np
import pytest

from kinetune.motion.clip import MotionClip, clip_from_axis_angle

# As the tasks have it, see kinetune/tasks/__init__.py; before torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker a core: threads on top would only get in each other's way.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

REPOSITORY = Path(__file__).parent.parent
SHARED_MOTIONS = REPOSITORY.parent / "shared" / "motions"
EXAMPLE = REPOSITORY / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"


# What a corpus of the presets mono and paper has.
MONO = {"rate_hz": 22_050, "channels": 1}


def swaying_clip(
    *, fps: float = 60.0, duration_s: float = 4.0, bpm: float = 120.0, seed: int = 0
) -> MotionClip:
    """A body whose joints all swing smoothly and reverse on each beat."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(duration_s * fps)) / fps
    axes = rng.normal(size=(24, 3)) * 0.3
    swing = np.cos(np.pi * times * bpm / 60.0)
    pose = swing[:, None, None] * axes[None]
    root = np.stack([0.2 * np.sin(times), 0.9 + 0.05 * swing, 0.1 * times], axis=1)
    return clip_from_axis_angle(pose, root, fps=fps, name="sway", source="test")


@pytest.fixture
def clip() -> MotionClip:
    return swaying_clip()


@pytest.fixture(scope="session")
def shared_motions() -> Path:
    if not SHARED_MOTIONS.is_dir():
        pytest.skip("the real motions are not beside this checkout")
    return SHARED_MOTIONS


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory) -> Path:
    """The folder of a small untrained checkpoint."""
    from tests.model.conftest import tiny_mono

    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_mono().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True, scope="session")
def _settled_terminal():
    # Help and tables are laid out for the terminal's width.
    os.environ["COLUMNS"] = "120"
    os.environ["HF_HUB_OFFLINE"] = "1"


# What `make quick` leaves out, beside the tests marked slow: files that take seconds.
SLOW_FILES = (
    "training/test_diffusion.py", "model/sampling/test_editing.py", "test_fuzz_readers.py",
    "motion/io/test_positions.py", "test_examples.py", "motion/beats/test_beat_grid.py",
    "metrics/test_latency.py", "model/test_seams.py", "corpus/test_folder.py",
    "cli/test_evaluate.py", "metrics/networks/test_ms_sincresnet.py", "corpus/test_pairs.py",
    "model/test_condition.py", "render/test_skeleton_video.py", "model/test_real_motions.py",
    "metrics/evaluation/test_embedding_scores.py", "metrics/evaluation/test_runner.py",
    "corpus/test_listening.py", "test_api.py", "cli/test_existing.py",
    "metrics/evaluation/test_protocol.py", "cli/test_generate.py",
    "metrics/evaluation/test_report.py", "training/data/test_dataset.py", "tasks/test_again.py",
    "cli/test_together.py", "training/test_vocoder.py", "cli/test_inspect.py",
    "metrics/evaluation/test_hostile_files.py", "corpus/choreography/test_choreographer.py",
    "model/conditioning/test_accents.py", "tasks/composing/test_engine.py",
    "model/sampling/test_loops.py", "metrics/test_bundled_genre.py", "composer/test_rendering.py",
    "cli/test_fit.py", "fitting/test_search.py",
)  # fmt: skip


def pytest_sessionstart() -> None:
    """Before tests use librosa in several processes at once."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        from kinetune.audio.beats import compile_librosa

        compile_librosa()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.as_posix().endswith(SLOW_FILES):
            item.add_marker(pytest.mark.slow)
    put_slow_files_first(items)


def put_slow_files_first(items: list[pytest.Item]) -> None:
    """Long files come first, so that no process is left with one at the end; else as they were."""
    long = {item.path for item in items for name in ("slow", "processes")
            if item.get_closest_marker(name)}  # fmt: skip
    items.sort(key=lambda item: item.path not in long)
