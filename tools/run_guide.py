"""Runs every command of the guide, page by page, on a dance of your choice.

    python tools/run_guide.py [--pages games films] [--keep FOLDER] [DANCE ...]

A page's ``sh`` and ``python`` blocks are run from top to bottom in a folder of their own. The files
that the page names (``dance.bvh``, ``dance.glb``, ``takes/``, ``long.bvh``, ``my_film.mp4``,
``beats.txt``, songs and curves) are made from the dance; a BVH file keeps its own skeleton.
``runs/mine/model`` is the bundled checkpoint; ``toml`` blocks become ``score.toml``. Without a
dance, the bundled one and a choreographed one are taken. Stops at the first command that fails.
"""

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from kinetune.audio.sound import write_sound  # noqa: E402
from kinetune.corpus.choreography.choreographer import choreograph  # noqa: E402
from kinetune.corpus.choreography.dance import DanceRequest  # noqa: E402
from kinetune.corpus.pairs import make_pair  # noqa: E402
from kinetune.files import WEIGHTS  # noqa: E402
from kinetune.motion.beats.beat_grid import beat_grid  # noqa: E402
from kinetune.motion.clip import MotionClip, cut, resample  # noqa: E402
from kinetune.motion.io.formats import read_motion, write_motion  # noqa: E402
from tests.motion.glb_writer import gltf_of  # noqa: E402

GUIDE = ROOT / "docs" / "guide"
SECONDS = 6.5
# Commands that run until Ctrl-C.
ENDLESS = ("serve", "studio")
# Read from the page itself, so that the guide can't promise what is never run.
_BLOCK = re.compile(r"^```(sh|toml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return (language, text) of the ``sh``, ``toml`` and ``python`` blocks of a page, in order."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def first_frames(bvh: bytes, count: int) -> bytes:
    """Return a BVH file with its first frames only."""
    head, rate, frames = re.split(rb"(?m)^(\s*Frame Time:.*)$", bvh, maxsplit=1)
    head = re.sub(rb"(?m)^(\s*Frames:).*$", rb"\1 %d" % count, head)
    return head + rate + b"\n" + b"\n".join(frames.split(b"\n")[1 : count + 1]) + b"\n"


def prepare(folder: Path, clip: MotionClip, own: Path | None) -> None:
    """Write what the pages name."""
    from kinetune.audio.sound import Sound
    from kinetune.render import mux, skeleton_video

    if own is not None and own.suffix.lower() == ".bvh":
        (folder / "dance.bvh").write_bytes(first_frames(own.read_bytes(), clip.frame_count))
    else:
        write_motion(folder / "dance.bvh", clip)
    shutil.copytree(WEIGHTS / "default", folder / "runs" / "mine" / "model")
    (folder / "dance.glb").write_bytes(gltf_of(resample(clip, 30.0)).glb())
    for number in (1, 2):
        write_motion(folder / "takes" / f"take{number}.bvh", cut(clip, 0.0, 3.0 + number))
    beats = beat_grid(clip).beats_s
    (folder / "beats.txt").write_text("\n".join(f"{t:.3f}" for t in beats), encoding="utf-8")
    scene = skeleton_video.Scene(clip, np.array(beats), np.array(beats[::4]), "my film")
    silence = Sound(np.zeros(22_050, np.float32), 22_050)
    mux.write_film(folder / "my_film.mp4", scene, silence)
    prepare_songs(folder, clip)


def prepare_songs(folder: Path, clip: MotionClip) -> None:
    """Write songs that nearly fit, curves, and the music of two systems and the originals."""
    bpm = beat_grid(clip).bpm
    song = make_pair(5, genre="house", bpm=1.04 * bpm, duration_s=16.0, metre=4).sound
    (folder / "songs").mkdir()
    for path in (folder / "song.wav", folder / "songs" / "one.wav"):
        write_sound(path, song)
    times = np.arange(0.0, 12.0, 1.0 / 30.0)
    rows = [f"{time:.4f},{abs(np.sin(np.pi * time / 0.55)):.4f}" for time in times]
    (folder / "curves.csv").write_text("\n".join(["time,height", *rows]), encoding="utf-8")
    for system in ("music", "other", "originals"):
        for name in ("one", "two"):
            write_sound(folder / system / f"{name}.wav", song)
            write_motion(folder / "dances" / f"{name}.bvh", clip)


def run_page(page: Path, clip: MotionClip, folder: Path, own: Path | None = None) -> int:
    """Run a page's commands and return how many there were."""
    folder.mkdir(parents=True)
    (folder / "takes").mkdir()
    prepare(folder, clip, own)
    count = 0
    for language, text in blocks_of(page):
        if language == "toml":
            (folder / "score.toml").write_text(text, encoding="utf-8")
            continue
        if language == "python":
            print(f"python:\n{text}", end="", flush=True)
            run(page, [sys.executable, "-c", text], text, folder)
            count += 1
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["kinetune"] or "ROOT" in words or words[1] in ENDLESS:
                continue
            if "long.bvh" in words:
                write_motion(folder / "long.bvh", longer(clip))
            print(f"$ {line}", flush=True)
            run(page, [sys.executable, "-m", "kinetune", *words[1:]], line, folder)
            count += 1
    return count


def run(page: Path, command: list[str], text: str, folder: Path) -> None:
    """Run one command of a page, print what it prints and makes, and exit if it fails."""
    before = set(folder.rglob("*"))
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    print(done.stdout + (done.stderr if done.returncode else ""), end="")
    if done.returncode:
        sys.exit(f"{page.name}: exit code {done.returncode}: {text}")
    made = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - before)
    print(f"  -> {', '.join(made[:12])}", flush=True)


def longer(clip: MotionClip) -> MotionClip:
    """Return the clip three times, forwards, backwards and forwards."""
    turns = np.concatenate([clip.rotations, clip.rotations[::-1], clip.rotations])
    path = np.concatenate([clip.root_m, clip.root_m[::-1], clip.root_m])
    return MotionClip(turns, path, clip.fps, clip.name, clip.source)


def dances(paths: list[Path]) -> list[tuple[MotionClip, Path | None]]:
    """Return the dances to run the guide on, and the files they are from."""
    if paths:
        return [(cut(read_motion(path), 0.0, SECONDS), path) for path in paths]
    bundled = read_motion(next((ROOT / "examples").glob("*.pkl")))
    made = choreograph(5, DanceRequest("HO", 118.0, 8.0)).clip
    return [(cut(bundled, 0.0, SECONDS), None), (made, None)]


def main() -> None:
    """Run the pages on the dances."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dances", nargs="*", type=Path)
    parser.add_argument("--pages", nargs="*", help="index, games, films, daw, blender, research")
    parser.add_argument("--keep", type=Path, help="leave everything that was written here")
    options = parser.parse_args()
    pages = (
        [GUIDE / f"{n}.md" for n in options.pages] if options.pages else sorted(GUIDE.glob("*.md"))
    )
    work = options.keep or Path(tempfile.mkdtemp(prefix="kinetune-guide-"))
    total = 0
    for clip, own in dances(options.dances):
        for page in pages:
            print(f"== {page.name}, {clip.name}, {clip.duration_s:.1f} s", flush=True)
            total += run_page(page, clip, work / clip.name / page.stem, own)
    print(f"{total} commands ran")
    if options.keep is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
