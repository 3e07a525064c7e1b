"""Long sounds are memory-mapped and otherwise behave the same."""

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from kinetune import memmap
from kinetune.audio import sound
from kinetune.audio.export import ExportFormat, export
from kinetune.audio.loudness import integrated_lufs, normalise_loudness, true_peak_dbtp
from kinetune.audio.sound import Sound, read_sound, resample, write_sound
from kinetune.errors import OutputError
from kinetune.model.sampling import windows


@pytest.fixture
def on_disk(monkeypatch):
    """Every sound counts as long."""
    whole = memmap.zeros_or_memmap
    for module in ("audio.sound", "audio.export", "memmap"):
        monkeypatch.setattr(
            f"kinetune.{module}.zeros_or_memmap", lambda *what: whole(*what, small=0)
        )


def music(seconds=70.0, rate_hz=8000, channels=None):
    rng = np.random.default_rng(3)
    shape = (int(seconds * rate_hz),) if channels is None else (int(seconds * rate_hz), channels)
    return Sound((0.2 * rng.standard_normal(shape)).astype(np.float32), rate_hz)


def in_a_file(samples):
    return memmap._mapping_of(samples) is not None


def test_small_arrays_are_in_memory_and_large_ones_in_a_file():
    assert not in_a_file(memmap.zeros_or_memmap((100,)))
    large = memmap.zeros_or_memmap((10, 2), small=79)
    assert in_a_file(large)
    assert large.shape == (10, 2)
    assert not large.any()


def mapped_mb():
    """Resident memory that belongs to files, MB."""
    fields = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return sum(int(fields[name].split()[0]) for name in ("RssFile", "RssShmem")) / 1024


STATUS = Path("/proc/self/status")


@pytest.mark.skipif(not STATUS.is_file(), reason="reads Linux's own figures")
@pytest.mark.parametrize("view", [lambda a: a, lambda a: a[5:].reshape(-1, 1)])
def test_chunks_keep_the_memory_of_one_chunk_and_all_values(view):
    array = memmap.zeros_or_memmap((12 * memmap.CHUNK_SIZE,), small=0)
    before = mapped_mb()
    rows = view(array)
    for part in memmap.chunks(rows):
        rows[part] = np.arange(part.start, part.stop).reshape(rows[part].shape) % 97
    # 48 MB went through.
    assert mapped_mb() - before < 8.0
    assert np.array_equal(rows.ravel(), np.arange(len(rows)) % 97)
    assert mapped_mb() - before > 40.0


@pytest.mark.skipif(not STATUS.is_file(), reason="reads Linux's own figures")
def test_views_of_a_spilled_tensor_release_its_pages(monkeypatch):
    whole = memmap.zeros_or_memmap
    monkeypatch.setattr(windows, "zeros_or_memmap", lambda shape: whole(shape, small=0))
    tensor = windows.zeros_like_spill(torch.zeros(1), (1, 4, 3 * memmap.CHUNK_SIZE))
    before = mapped_mb()
    for row in memmap.releasing(range(4), tensor[0, :, 10:]):
        tensor[0, row] = float(row)
    assert mapped_mb() - before < 16.0
    assert [float(tensor[0, row].mean()) for row in range(4)] == [0.0, 1.0, 2.0, 3.0]
    assert in_a_file(tensor[:, 1])
    assert not in_a_file(torch.zeros(3))


def test_arrays_of_others_are_left_alone(tmp_path):
    np.save(tmp_path / "own.npy", np.zeros(5_000))
    own = np.load(tmp_path / "own.npy", mmap_mode="c")
    own[:] = 1.0
    memmap.release_pages(own, np.zeros(3))
    # Giving back the pages of a private mapping would undo the change.
    assert (own == 1.0).all()


def test_slices_cover_all_rows():
    parts = list(memmap.slices(10, 4))
    assert [(p.start, p.stop) for p in parts] == [(0, 4), (4, 8), (8, 10)]
    assert list(memmap.slices(0)) == []


@pytest.mark.parametrize("reserves", [True, False])
def test_a_full_disk_is_one_clear_line(monkeypatch, reserves):
    def full(*_):
        raise OSError(28, "No space left on device")

    class Full:
        write = fileno = full

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    if reserves and hasattr(os, "posix_fallocate"):
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    with pytest.raises(
        OutputError, match="no room for 40 MB of temporary files.*No space left.*TMPDIR"
    ):
        memmap.zeros_or_memmap((10_000_000,), small=0)


def test_without_a_way_to_reserve_room_zeros_are_written(monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    array = memmap.zeros_or_memmap((300_000, 2), small=0)
    assert in_a_file(array)
    assert not array.any()


@pytest.mark.parametrize("channels", [None, 2])
def test_loudness_is_the_same_in_any_folder(on_disk, channels):
    given = music(channels=channels)
    far = Sound(memmap.copy(given.samples), given.rate_hz)
    assert in_a_file(far.samples)
    assert integrated_lufs(far) == integrated_lufs(given)
    assert true_peak_dbtp(far) == true_peak_dbtp(given)
    loud = normalise_loudness(far, target_lufs=-9.0)
    assert in_a_file(loud.samples)
    assert integrated_lufs(loud) == pytest.approx(-9.0, abs=0.3)
    assert true_peak_dbtp(loud) <= -0.99


def test_an_export_is_the_same_in_any_folder(on_disk, monkeypatch, tmp_path):
    given = music(seconds=20.0)
    how = ExportFormat(rate_hz=11_025, channels=2, target_lufs=-18.0)
    far = export(given, how)
    assert in_a_file(far.samples)
    write_sound(tmp_path / "far.wav", far)
    monkeypatch.undo()
    near = export(given, how)
    assert not in_a_file(near.samples)
    assert np.array_equal(far.samples, near.samples)
    written = read_sound(tmp_path / "far.wav")
    assert np.abs(written.samples - near.samples).max() < 1e-4


@pytest.mark.parametrize(("from_hz", "to_hz"), [(22_050, 44_100), (44_100, 22_050),
                                                (22_050, 48_000), (48_000, 22_050)])  # fmt: skip
@pytest.mark.parametrize("channels", [None, 2])
def test_another_rate_in_spans_is_another_rate_of_the_whole(monkeypatch, from_hz, to_hz, channels):
    monkeypatch.setattr(sound, "_STRETCH", 5000)
    given = music(1.7, from_hz, channels)
    common = np.gcd(from_hz, to_hz)
    whole = resample_poly(given.samples, to_hz // common, from_hz // common, axis=0)
    made = resample(given, to_hz).samples
    assert made.shape == whole.shape
    assert np.abs(made - whole).max() < 1e-6


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's allocator")
def test_freed_memory_is_used_again_instead_of_given_back():
    """Else every array of a loop would cost a page fault each four kilobytes."""
    code = (
        "import resource, sys, numpy as np\n"
        "from kinetune.memmap import reuse_freed_memory\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20):\n"
        "        arrays = [np.ones(1 << 18) for _ in range(3)]\n"
        "        del arrays\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "reuse_freed_memory()\n"
        "faults()\n"
        "print(faults())\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # Three arrays of 2 MB twenty times over have 30,720 pages.
    assert int(made.stdout) < 1_000
