"""Run the guide's commands on the bundled dance, and redraw its pictures.

    python benchmarks/guide.py [--out docs/guide] [--only bodies beats ...]

Every part runs what the guide shows, prints the command's output, and leaves its picture in the
folder. What no command draws is drawn here from the files the commands wrote: the same dance read
from other bodies' files, the beat maps over the sound, a tempo that drifts, deliveries, a film.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
from beat_grid import Danced
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from tempo_drift import drifting, f_measure

from kinetune.audio.beat_map import read_beats
from kinetune.audio.loudness import integrated_lufs, true_peak_dbtp
from kinetune.audio.sound import read_sound, write_sound
from kinetune.corpus.pairs import make_pair
from kinetune.motion import kinematics, rotations, skeleton
from kinetune.motion.clip import MotionClip, resample
from kinetune.motion.io.formats import read_motion, write_motion

ROOT = Path(__file__).resolve().parent.parent
DANCE = ROOT / "examples" / "gBR_sBM_cAll_d04_mBR2_ch08.pkl"
COLOURS = 128
# How much quicker the end of the drifting dance is than its beginning.
DRIFT = 0.12
BODY, BEAT, GRID = "#2a6f97", "#d1495b", "#8d99ae"
# How the guide makes its piece.
PIECE = ("generate", "dance.pkl", "--genre", "break", "--seed", "1", "--first-beat", "0.1")
SCORE = """\
[[sections]]
start_s = 4.9
end_s = 9.6
genre = "house"
energy = 1.5

[[accents]]
at_s = 2.3
[[accents]]
at_s = 7.8
strength = 1.5

[[silences]]
start_s = 4.35
end_s = 4.93
"""


@dataclass(frozen=True)
class Folders:
    """Where the commands run, and where the pictures go."""

    work: Path
    out: Path

    def run(self, *words: str, fails: bool = False) -> str:
        """Run a command of kinetune, show and return its output."""
        print("$ kinetune", " ".join(words), flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "kinetune.cli.main", *words],
            cwd=self.work, capture_output=True, text=True, check=False,
        )  # fmt: skip
        printed = done.stdout + done.stderr
        print(printed, flush=True)
        if (done.returncode != 0) != fails:
            raise SystemExit(f"rc {done.returncode}")
        return printed

    def keep(self, name: str, as_name: str) -> None:
        """Take a picture that a command drew."""
        shutil.copy(self.work / name, self.out / as_name)

    def music(self) -> None:
        """See that the piece is there that others change."""
        if not (self.work / "dance.wav").exists():
            self.run(*PIECE, "-o", "dance.wav")

    def draw(self, rows: int, name: str, height: float = 1.7) -> tuple[Any, Callable[[], None]]:
        """Return rows of axes, and what writes them."""
        figure = Figure(figsize=(13, height * rows + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
        return axes, lambda: figure.savefig(self.out / name, dpi=100)


def score(folders: Folders) -> None:
    """Accents, a silence, another genre and energy."""
    (folders.work / "score.toml").write_text(SCORE, encoding="utf-8")
    folders.run(*PIECE, "-o", "score.wav", "--score", "score.toml", "--plot")
    folders.keep("score.png", "score.png")


def takes(folders: Folders) -> None:
    """Four takes, ranked."""
    folders.run(*PIECE, "-o", "takes.wav", "--variations", "4")
    folders.keep("takes-variations.png", "takes.png")


def loop(folders: Folders) -> None:
    """A loop."""
    folders.run(*PIECE, "-o", "loop.wav", "--loop", "--plot")
    folders.keep("loop.png", "loop.png")


def edits(folders: Folders) -> None:
    """A stretch anew, a variation, another style, going on."""
    folders.music()
    how = ("--motion", "dance.pkl", "--first-beat", "0.1", "--plot")
    folders.run("edit", "dance.wav", *how, "--redo", "3:5", "-o", "redo.wav")
    folders.run("edit", "dance.wav", *how, "--strength", "0.3", "-o", "varied.wav")
    folders.run("edit", "dance.wav", *how, "--genre", "house", "-o", "house.wav")
    sound = read_sound(folders.work / "dance.wav")
    import soundfile

    first = sound.samples[: round(5.3 * sound.rate_hz)]
    soundfile.write(folders.work / "short.wav", first, sound.rate_hz)
    folders.run("edit", "short.wav", *how, "--continue", "4.3", "-o", "longer.wav")
    for name in ("redo", "varied", "house", "longer"):
        folders.keep(f"{name}.png", f"{name}.png")


def bodies(folders: Folders) -> None:
    """The same dance as six kinds of file."""
    sys.path.insert(0, str(ROOT))
    from tests.motion.glb_writer import gltf_of

    dance = resample(read_motion(folders.work / "dance.pkl"), 60.0)
    mixamo = [f"mixamorig:{name}" for name in MIXAMO]
    write_motion(folders.work / "dance.npz", dance)
    write_motion(folders.work / "dance.bvh", dance)
    (folders.work / "mixamo.glb").write_bytes(gltf_of(dance, names=mixamo).glb())
    (folders.work / "unreal.glb").write_bytes(gltf_of(dance, names=UNREAL, unit=100.0).glb())
    points = kinematics.joint_positions(resample(dance, 20.0)).astype(np.float32)
    np.save(folders.work / "points.npy", points[:, :22])
    files = {
        "dance.pkl": "AIST++", "dance.npz": "AMASS", "dance.bvh": "BVH",
        "mixamo.glb": "glTF, Mixamo's joints", "unreal.glb": "glTF, Unreal's joints, centimetres",
        "points.npy": "joint positions, HumanML3D's 22",
    }  # fmt: skip
    axes, write = folders.draw(len(files), "bodies.png", 1.25)
    for row, (name, kind) in zip(axes, files.items(), strict=True):
        folders.run("inspect", name)
        clip = read_motion(folders.work / name)
        apart = apart_mm(dance, clip)
        strip(row, clip, f"{name}: {kind}; joints {apart:.1f} mm from the original (mean)")
    write()
    robot(folders, dance)


def robot(folders: Folders, dance: MotionClip) -> None:
    """A rig with meaningless names: drafted, filled in, used."""
    from tests.motion.glb_writer import gltf_of

    names = [f"bone_{number:02d}" for number in range(24)]
    (folders.work / "robot.glb").write_bytes(gltf_of(dance, names=names).glb())
    folders.run("generate", "robot.glb", fails=True)
    folders.run("inspect", "robot.glb", "--make-mapping", "robot.toml")
    print((folders.work / "robot.toml").read_text(encoding="utf-8"))
    lines = [f'{joint} = "{name}"' for joint, name in zip(skeleton.JOINT_NAMES, names,
                                                            strict=True)]  # fmt: skip
    (folders.work / "robot.toml").write_text(
        "[joints]\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )
    folders.run("generate", "robot.glb", "--mapping", "robot.toml", "--genre", "break")


MIXAMO = (
    "Hips", "LeftUpLeg", "RightUpLeg", "Spine", "LeftLeg", "RightLeg", "Spine1", "LeftFoot",
    "RightFoot", "Spine2", "LeftToeBase", "RightToeBase", "Neck", "LeftShoulder", "RightShoulder",
    "Head", "LeftArm", "RightArm", "LeftForeArm", "RightForeArm", "LeftHand", "RightHand",
    "LeftHandMiddle1", "RightHandMiddle1",
)  # fmt: skip
UNREAL = (
    "pelvis", "thigh_l", "thigh_r", "spine_01", "calf_l", "calf_r", "spine_02", "foot_l", "foot_r",
    "spine_03", "ball_l", "ball_r", "neck_01", "clavicle_l", "clavicle_r", "head", "upperarm_l",
    "upperarm_r", "lowerarm_l", "lowerarm_r", "hand_l", "hand_r", "middle_01_l", "middle_01_r",
)  # fmt: skip


def apart_mm(one: MotionClip, other: MotionClip) -> float:
    """Return how far the joints of two clips are apart, seen from the pelvis, mean, mm."""
    positions = [kinematics.joint_positions(resample(clip, 20.0))[:, :22] for clip in (one, other)]
    count = min(map(len, positions))
    first, second = (p[:count] - p[:count, :1] for p in positions)
    return 1000.0 * float(np.linalg.norm(first - second, axis=-1).mean())


def strip(axes: Any, clip: MotionClip, title: str) -> None:  # noqa: ANN401
    """Draw a row of stick figures over time."""
    times = np.linspace(0.3, clip.duration_s - 0.3, 15)
    poses = kinematics.joint_positions(clip)[(times * clip.fps).astype(int)]
    metre_s = 0.36
    for time_s, pose in zip(times, poses, strict=True):
        x = time_s + (pose[:, 0] - pose[0, 0]) * metre_s
        for joint, parent in enumerate(skeleton.PARENTS):
            if parent >= 0:
                axes.plot(x[[joint, parent]], pose[[joint, parent], 1], color=BODY, linewidth=1.4)
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_yticks([])


def beats(folders: Folders) -> None:
    """The four beat maps of one piece, drawn over its sound."""
    kinds = [word for kind in ("json", "csv", "labels", "midi") for word in ("--beat-map", kind)]
    folders.run(*PIECE, "-o", "map.wav", *kinds)
    for name in ("map.beats.csv", "map.beats.txt"):
        print(name, (folders.work / name).read_text(encoding="utf-8").splitlines()[:4])
    sound = read_sound(folders.work / "map.wav")
    (axes,), write = folders.draw(1, "beats.png", 2.6)
    times = np.arange(len(sound.samples)) / sound.rate_hz
    axes.plot(times[::8], sound.mono[::8], color=BODY, linewidth=0.4)
    beats_by_file = {name: read_beats(folders.work / name) for name in
             ("map.beats.json", "map.beats.csv", "map.beats.txt", "map.mid")}  # fmt: skip
    for height, (name, at) in zip((0.95, 0.8, 0.65, 0.5), beats_by_file.items(), strict=True):
        axes.plot(at, np.full(len(at), height), "v", markersize=6, label=name)
        apart_ms = 1000.0 * np.abs(at - beats_by_file["map.beats.json"]).max()
        print(f"{name}: {len(at)} beats, at most {apart_ms:.2f} ms from the JSON's")
    axes.set_ylim(-1.05, 1.05)
    axes.set_xlim(0.0, sound.duration_s)
    axes.set_xlabel("seconds")
    axes.legend(loc="lower right", ncols=4, fontsize=8)
    axes.set_title("one piece, and its beats as read back from each file", loc="left", fontsize=9)
    write()


def repeated(clip: MotionClip, times: int) -> MotionClip:
    """Return the clip so many times over, each but the first begun out of the last's end."""
    turns, root_m = np.tile(clip.rotations, (times, 1, 1)), np.tile(clip.root_m, (times, 1))
    count = round(0.25 * clip.fps)
    share = np.linspace(0.0, 1.0, count, endpoint=False)
    for start in range(clip.frame_count, len(turns), clip.frame_count):
        part = slice(start, start + count)
        shares = np.broadcast_to(share[:, None], turns[part].shape[:2])
        last = np.broadcast_to(turns[start - 1], turns[part].shape)
        turns[part] = rotations.slerp(last, turns[part], shares)
        root_m[part] = root_m[start - 1] + share[:, None] * (root_m[part] - root_m[start - 1])
    return replace(clip, rotations=rotations.make_continuous(turns), root_m=root_m)


def drift(folders: Folders) -> None:
    """A dance that quickens: the beat map follows it."""
    dance = repeated(read_motion(folders.work / "dance.pkl"), 5)
    moved, true_s = drifting(Danced(dance, 100.0, 0.1), "quickens", DRIFT)
    write_motion(folders.work / "drift.bvh", moved)
    folders.run("generate", "drift.bvh", "--genre", "break", "--beat-map", "json")
    at = read_beats(folders.work / "drift.beats.json")
    (axes,), write = folders.draw(1, "drift.png", 2.4)
    axes.plot(true_s[1:], 60.0 / np.diff(true_s), color=GRID, linewidth=3.0, label="the dance")
    axes.plot(at[1:], 60.0 / np.diff(at), "o-", color=BEAT, markersize=3, linewidth=0.8,
              label="the beat map")  # fmt: skip
    score = f_measure(true_s, at)
    print(f"F of the beat map against the dance's own beats, 70 ms: {score:.2f}")
    axes.set_ylim(80, 120)
    axes.set_ylabel("bpm")
    axes.set_xlabel("seconds")
    axes.legend(fontsize=8)
    write()


def sound(folders: Folders) -> None:
    """One piece as delivered in four ways."""
    kinds = {
        "as.wav": (), "as.flac": ("--rate", "48000", "--stereo", "--loudness", "-23"),
        "as.ogg": ("--rate", "44100", "--stereo", "--loudness", "-16"),
        "as.mp3": ("--rate", "44100", "--loudness", "-9"),
    }  # fmt: skip
    axes, write = folders.draw(len(kinds), "sound.png", 1.1)
    print("| file | rate | channels | loudness | true peak | size |")
    print("|---|---|---|---|---|---|")
    rows = []
    for row, (name, how) in zip(axes, kinds.items(), strict=True):
        folders.run(*PIECE, "-o", name, *how)
        sound = read_sound(folders.work / name)
        channels = 1 if sound.samples.ndim == 1 else sound.samples.shape[1]
        lufs, peak = integrated_lufs(sound), true_peak_dbtp(sound)
        size = (folders.work / name).stat().st_size / 1000
        rows.append(f"| `{name} {' '.join(how)}` | {sound.rate_hz} | {channels} | {lufs:.1f} LUFS "
                    f"| {peak:.1f} dBTP | {size:.0f} kB |")  # fmt: skip
        row.plot(np.arange(len(sound.samples))[::16] / sound.rate_hz, sound.mono[::16],
                 color=BODY, linewidth=0.4)  # fmt: skip
        row.set_ylim(-1.0, 1.0)
        row.set_title(f"{name} {' '.join(how)}", loc="left", fontsize=9)
    print("\n".join(rows))
    axes[-1].set_xlabel("seconds")
    write()


def film(folders: Folders) -> None:
    """The dancer on film, and the music on another's film."""
    folders.run(*PIECE, "--video", "dance.mp4")
    picture(folders.work / "dance.mp4", 4.87).save(folders.out / "film.png")
    # Somebody's own film: here the dancer's, silent, four seconds longer at its head.
    own_film(folders.work / "dance.mp4", folders.work / "my_film.mp4", 4.0)
    folders.run(*PIECE, "--video", "out.mp4", "--onto", "my_film.mp4", "--offset", "4")
    mine, out = packets(folders.work / "my_film.mp4"), packets(folders.work / "out.mp4")
    print(f"{len(mine)} coded pictures, untouched: {mine == out}")
    sound = sound_of(folders.work / "out.mp4")
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    (top, below) = figure.subplots(2, 1, height_ratios=(2, 1))
    shown = [
        picture(folders.work / "out.mp4", at).resize((320, 180)) for at in (1.0, 4.1, 7.0, 11.0)
    ]
    top.imshow(np.concatenate([np.asarray(one) for one in shown], axis=1))
    top.set_axis_off()
    below.plot(np.arange(len(sound))[::16] / 44100, sound[::16], color=BODY, linewidth=0.4)
    below.axvline(4.0, color=BEAT, linewidth=1.5)
    below.set_xlim(0.0, len(sound) / 44100)
    below.set_xlabel("seconds; the line: the requested start of the music")
    figure.savefig(folders.out / "onto.png", dpi=100)


def own_film(source: Path, target: Path, head_s: float) -> None:
    """Write a silent film that begins with a still of ``head_s`` seconds."""
    with av.open(str(source)) as given, av.open(str(target), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        frames = [frame.to_image().resize((640, 360)) for frame in given.decode(video=0)]
        for image in [frames[0]] * round(30 * head_s) + frames:
            out.mux(stream.encode(av.VideoFrame.from_image(image)))
        out.mux(stream.encode(None))


def picture(path: Path, at_s: float) -> Image.Image:
    """Return the picture of a film at a moment."""
    with av.open(str(path)) as given:
        for frame in given.decode(video=0):
            if frame.time >= at_s:
                return frame.to_image()
    raise SystemExit(f"{path} ends before {at_s:g} s")


def packets(path: Path) -> list[bytes]:
    """Return the coded pictures of a film."""
    with av.open(str(path)) as given:
        return [bytes(packet) for packet in given.demux(video=0) if packet.size]


def sound_of(path: Path) -> np.ndarray:
    """Return the first channel of a film's sound, 44.1 kHz."""
    with av.open(str(path)) as given:
        return np.concatenate([frame.to_ndarray()[0] for frame in given.decode(audio=0)])


def refused(folders: Folders) -> None:
    """What can't be done, in one line each."""
    folders.music()
    (folders.work / "late.toml").write_text("[[accents]]\nat_s = 99.0\n", encoding="utf-8")
    overlap = "[[sections]]\nstart_s = 0\nend_s = 5\n[[sections]]\nstart_s = 4\nend_s = 8\n"
    (folders.work / "overlap.toml").write_text(overlap, encoding="utf-8")
    (folders.work / "backwards.txt").write_text("0.5\n1.1\n0.9\n", encoding="utf-8")
    (folders.work / "empty.gltf").write_text('{"asset": {"version": "2.0"}}', encoding="utf-8")
    (folders.work / "legless.toml").write_text('[joints]\npelvis = "Hips"\n', encoding="utf-8")
    write_motion(folders.work / "dance.bvh", read_motion(folders.work / "dance.pkl"))
    for words in (
        ("generate", "dance.pkl", "--score", "late.toml"),
        ("generate", "dance.pkl", "--score", "overlap.toml"),
        ("generate", "dance.pkl", "--beats", "backwards.txt"),
        ("generate", "empty.gltf"),
        ("generate", "dance.bvh", "--mapping", "legless.toml"),
        ("generate", "dance.pkl", "--video", "out.mp4", "--onto", "dance.wav"),
        ("edit", "dance.wav", "--motion", "dance.pkl", "--redo", "30:40"),
    ):
        folders.run(*words, fails=True)


def fit(folders: Folders) -> None:
    """A song of another tempo brought to the dance."""
    pair = make_pair(4_400_001, genre="break", bpm=106.0, duration_s=40.0, metre=4)
    write_sound(folders.work / "song.wav", pair.sound)
    folders.run("fit", "song.wav", "dance.pkl", "-o", "fitted.wav", "--plot")
    folders.keep("fitted.png", "fit.png")


PARTS: dict[str, Callable[[Folders], None]] = {
    "score": score, "takes": takes, "loop": loop, "edits": edits, "bodies": bodies,
    "beats": beats, "drift": drift, "sound": sound, "film": film, "fit": fit, "refused": refused,
}  # fmt: skip


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "guide")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        folders = Folders(Path(folder), options.out.resolve())
        shutil.copy(DANCE, folders.work / "dance.pkl")
        for name in options.only:
            PARTS[name](folders)
    for path in options.out.glob("*.png"):
        if path.stat().st_mtime < began:
            continue
        # A page of pictures should stay light.
        with Image.open(path) as large:
            small = large if large.mode == "P" else large.convert("RGB").quantize(COLOURS)
            small.save(path, optimize=True)


if __name__ == "__main__":
    main()
