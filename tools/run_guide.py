"""Runs every command of the guide, page by page, on a dance of your choice.

    python tools/run_guide.py [--pages games films] [--keep FOLDER] [DANCE ...]

A page's ``sh`` blocks are run from top to bottom in a folder of their own. The files that the page
names (``dance.bvh``, ``dance.glb``, ``takes/``, ``long.bvh``, ``my_film.mp4``, ``beats.txt``) are
made from the dance; ``toml`` blocks become ``score.toml``. Without a dance, the bundled one and a
choreographed one are taken. Stops at the first command that fails.
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

from kinetune.corpus.choreography.choreographer import choreograph  # noqa: E402
from kinetune.corpus.choreography.dance import DanceRequest  # noqa: E402
from kinetune.motion.beats.beat_grid import beat_grid  # noqa: E402
from kinetune.motion.clip import MotionClip, cut, resample  # noqa: E402
from kinetune.motion.io.formats import read_motion, write_motion  # noqa: E402
from tests.motion.glb_writer import gltf_of  # noqa: E402

GUIDE = ROOT / "docs" / "guide"
SECONDS = 6.5
# Commands that run until Ctrl-C.
ENDLESS = ("serve", "studio")
# Read from the page itself, so that the guide can't promise what is never run.
_BLOCK = re.compile(r"^```(sh|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(page: Path) -> list[tuple[str, str]]:
    """Return (language, text) of the ``sh`` and ``toml`` blocks of a page, in order."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def prepare(folder: Path, clip: MotionClip) -> None:
    """Write what the pages name."""
    from kinetune.audio.sound import Sound
    from kinetune.render import mux, skeleton_video

    write_motion(folder / "dance.bvh", clip)
    (folder / "dance.glb").write_bytes(gltf_of(resample(clip, 30.0)).glb())
    for number in (1, 2):
        write_motion(folder / "takes" / f"take{number}.bvh", cut(clip, 0.0, 3.0 + number))
    beats = beat_grid(clip).beats_s
    (folder / "beats.txt").write_text("\n".join(f"{t:.3f}" for t in beats), encoding="utf-8")
    scene = skeleton_video.Scene(clip, np.array(beats), np.array(beats[::4]), "my film")
    silence = Sound(np.zeros(22_050, np.float32), 22_050)
    mux.write_film(folder / "my_film.mp4", scene, silence)


def run_page(page: Path, clip: MotionClip, folder: Path) -> int:
    """Run a page's commands and return how many there were."""
    folder.mkdir(parents=True)
    (folder / "takes").mkdir()
    prepare(folder, clip)
    count = 0
    for language, text in blocks_of(page):
        if language == "toml":
            (folder / "score.toml").write_text(text, encoding="utf-8")
            continue
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["kinetune"] or "ROOT" in words or words[1] in ENDLESS:
                continue
            if "long.bvh" in words:
                write_motion(folder / "long.bvh", longer(clip))
            before = set(folder.rglob("*"))
            print(f"$ {line}", flush=True)
            command = [sys.executable, "-m", "kinetune", *words[1:]]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            print(done.stdout + (done.stderr if done.returncode else ""), end="")
            if done.returncode:
                sys.exit(f"{page.name}: exit code {done.returncode}: {line}")
            made = sorted(str(p.relative_to(folder)) for p in set(folder.rglob("*")) - before)
            print(f"  -> {', '.join(made[:12])}", flush=True)
            count += 1
    return count


def longer(clip: MotionClip) -> MotionClip:
    """Return the clip three times, forwards, backwards and forwards."""
    turns = np.concatenate([clip.rotations, clip.rotations[::-1], clip.rotations])
    path = np.concatenate([clip.root_m, clip.root_m[::-1], clip.root_m])
    return MotionClip(turns, path, clip.fps, clip.name, clip.source)


def dances(paths: list[Path]) -> list[MotionClip]:
    """Return the dances to run the guide on."""
    if paths:
        return [cut(read_motion(path), 0.0, SECONDS) for path in paths]
    bundled = read_motion(next((ROOT / "examples").glob("*.pkl")))
    return [cut(bundled, 0.0, SECONDS), choreograph(5, DanceRequest("HO", 118.0, 8.0)).clip]


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
    for clip in dances(options.dances):
        for page in pages:
            print(f"== {page.name}, {clip.name}, {clip.duration_s:.1f} s", flush=True)
            total += run_page(page, clip, work / clip.name / page.stem)
    print(f"{total} commands ran")
    if options.keep is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
