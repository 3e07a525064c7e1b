import pytest

from kinetune.motion.io.amass import write_amass
from kinetune.tasks.generate import GenerateRequest
from kinetune.tasks.requests.music_options import MusicOptions
from tests.conftest import swaying_clip


@pytest.fixture
def request_of_five(tmp_path, tiny_model):
    """Four dances and a file that is none."""
    motions = tmp_path / "motions"
    motions.mkdir()
    for number, name in enumerate("abcd"):
        write_amass(motions / f"{name}.npz", swaying_clip(duration_s=2.0, bpm=100.0 + 5 * number))
    (motions / "e.npz").write_bytes(b"no dance")
    return GenerateRequest(
        (motions,), output=tmp_path / "out", model=str(tiny_model), device="cpu",
        options=MusicOptions(genre="house", steps=2),
    )  # fmt: skip
