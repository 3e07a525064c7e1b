#!/usr/bin/env python3
"""Mutates files and reads them: everything must be read, or refused with an error of our own.

    python tools/fuzz_readers.py --seconds 60 --seed 0 [--targets bvh,glb] [--keep FOLDER]

Each batch of inputs runs in a process of its own under limits of memory and time. Reported is
whatever raises anything but a KinetuneError, takes more than 1 GB or 20 s, ends the process, or is
accepted with absurd values. Input ``k`` of a seed is always the same. A reader is added by a row
of TARGETS. The exit code is 1 if anything was found.
"""

import argparse
import io
import json
import os
import pickle
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np

from kinetune.errors import KinetuneError
from kinetune.motion import skeleton
from kinetune.motion.clip import MotionClip, clip_from_axis_angle
from kinetune.motion.io.formats import read_motion_file, write_motion
from kinetune.motion.retargeting.joint_mapping import read_mapping

INPUT_LIMIT_S = 20
MEMORY_LIMIT_MB = 1000
# Address space is more than memory: libraries and thread stacks are mapped too.
_ADDRESS_SPACE_BYTES = 4 << 30
_BATCH = 250
_BATCH_LIMIT_S = 120
_RESULT = "RESULT "
_LONGEST_ERROR = 2000
# How the door of the motion readers words what no reader foresaw: refused, but worth a better line.
_UNFORESEEN = re.compile(r"it is damaged \((\w+: .{0,60})")

Mutator = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """One reader and what to feed it.

    Attributes:
        suffix: Of the files it reads.
        seeds: Returns valid files; the folder is for making them.
        read: Reads a file; raises a KinetuneError, or anything else, which is a finding.
        check: Returns what is wrong with a result, empty if nothing.
        mutators: How files of this kind are changed, beside changes to any bytes.
    """

    suffix: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]
    check: Callable[[object], str] = lambda result: ""
    mutators: tuple[Mutator, ...] = ()


# ---- mutations -----------------------------------------------------------------------------

_NUMBERS = ("0", "-1", "1e9", "-1e9", "1e154", "nan", "inf", "2147483648", "4294967295",
            "9" * 20, "9" * 5000, "0.0", "1e-300", "65536", "-0.5")  # fmt: skip
_WORDS = (b"\x00", b"\xff" * 8, b"\x1b[31m", b"{" * 500, b"[" * 500, b"(" * 500, b"\r", b"\r\n",
          b"\n", b"\xef\xbb\xbf", b"\x80", "左足".encode(), b"-" * 300,
          b"\xed\xa0\x80")  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_VALUES = (None, -1, 0, 1, 2**31, 2**64, 10**400, 0.5, 1e300, True, "", "x", "\ud800", [], {}, [0],
           [[]], "\x1b[2J" * 10)  # fmt: skip


def flip_bytes(data: bytes, rng: random.Random) -> bytes:
    """Replace some bytes by any others."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if out:
            out[_position(out, rng)] = rng.randrange(256)
    return bytes(out)


def cut(data: bytes, rng: random.Random) -> bytes:
    """Drop the end, or a part."""
    start = _position(data, rng)
    return data[:start] if rng.random() < 0.5 else data[:start] + data[start + rng.randrange(64) :]


def repeat(data: bytes, rng: random.Random) -> bytes:
    """Put a part in again, somewhere else or several times."""
    start = _position(data, rng)
    part = data[start : start + rng.randrange(1, 256)] * rng.choice((1, 1, 2, 50))
    at = _position(data, rng)
    return data[:at] + part + data[at:]


def insert_word(data: bytes, rng: random.Random) -> bytes:
    """Insert bytes that mean something to some parser."""
    at = _position(data, rng)
    return data[:at] + rng.choice(_WORDS) + data[at:]


def change_integer(data: bytes, rng: random.Random) -> bytes:
    """Overwrite four or eight bytes by a small or a huge integer."""
    at = _position(data, rng)
    value = rng.choice((0, 1, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1))
    packed = struct.pack(rng.choice(("<I", ">I", "<Q")), value)
    return data[:at] + packed + data[at + len(packed) :]


def change_number(data: bytes, rng: random.Random) -> bytes:
    """Replace a number written as text."""
    at = _position(data, rng)
    found = _NUMBER.search(data, at)
    if found is None:
        return flip_bytes(data, rng)
    return data[: found.start()] + rng.choice(_NUMBERS).encode() + data[found.end() :]


def change_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, drop or repeat a value anywhere in JSON text."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return flip_bytes(data, rng)
    holder: object = document
    while isinstance(holder, dict | list) and holder:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = rng.choice(keys)
        below = holder[key]  # type: ignore[index]
        if not (isinstance(below, dict | list) and below) or rng.random() < 0.15:
            if isinstance(holder, list) and rng.random() < 0.2:
                holder.extend([below] * rng.choice((1, 400)))
            else:
                holder[key] = rng.choice(_VALUES)  # type: ignore[index]
            break
        holder = below
    return json.dumps(document).encode()


def change_glb_json(data: bytes, rng: random.Random) -> bytes:
    """Change the JSON chunk of a .glb and mend the lengths around it."""
    if len(data) < 20:
        return data
    length = struct.unpack_from("<I", data, 12)[0]
    text = change_json(data[20 : 20 + length], rng)
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    head = struct.pack("<4sII", b"glTF", 2, 20 + len(text) + len(rest))
    return head + struct.pack("<II", len(text), 0x4E4F534A) + text + rest


def change_npz_member(data: bytes, rng: random.Random) -> bytes:
    """Change one array of a .npz and pack it again, so that its checksum is right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: archive.read(info) for info in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError):
        return flip_bytes(data, rng)
    name = rng.choice(list(members))
    members[name] = change_npy(members[name], rng)
    if rng.random() < 0.1:
        members.pop(rng.choice(list(members)))
    out = io.BytesIO()
    method = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA))
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def change_npy(data: bytes, rng: random.Random) -> bytes:
    """Change the header of an array, its type, its numbers, or blow it up."""
    kind = rng.randrange(4)
    if kind == 0:
        end = data.find(b"\n")
        return rng.choice((change_number, flip_bytes, insert_word))(data[:end], rng) + data[end:]
    if kind == 1:
        types = ("i1", "f2", "f8", "c16", "O", "S0", "U4", "M8[s]", "V8", "b1", "u8")
        return re.sub(rb"'[<>|][a-zA-Z]\d+'", f"'<{rng.choice(types)}'".encode(), data, count=1)
    if kind == 2:
        try:
            array = np.load(io.BytesIO(data), allow_pickle=False)
        except (ValueError, EOFError, OSError):
            return flip_bytes(data, rng)
        out = io.BytesIO()
        count = rng.choice(
            (0, 1, 100_000, 20_000_000 // max(1, array[:1].size if array.ndim else 1))
        )
        shape = (count, *array.shape[1:])
        np.save(out, np.zeros(shape, dtype=rng.choice((np.int8, np.float32))))
        return out.getvalue()
    return flip_bytes(data, rng)


ANY: tuple[Mutator, ...] = (
    flip_bytes, cut, repeat, insert_word, change_integer, change_number,
)  # fmt: skip


def mutated(target: Target, seeds: list[bytes], rng: random.Random) -> bytes:
    """Return a seed with one to three changes."""
    data = rng.choice(seeds)
    if rng.random() < 0.05:
        other = rng.choice(seeds)
        return data[: _position(data, rng)] + other[_position(other, rng) :]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        special = target.mutators and rng.random() < 0.6
        mutator = rng.choice(target.mutators if special else ANY)
        try:
            data = mutator(data, rng)
        except Exception:  # noqa: BLE001 - what is damaged already may not be changed so.
            data = flip_bytes(data, rng)
    return data


def _position(data: bytes | bytearray, rng: random.Random) -> int:
    """Return a position, half of the time near the beginning, where headers are."""
    size = max(1, len(data))
    return rng.randrange(min(size, 400)) if rng.random() < 0.5 else rng.randrange(size)


# ---- readers -------------------------------------------------------------------------------


def _dance(frame_count: int = 12) -> MotionClip:
    rng = np.random.default_rng(3)
    time_s = np.arange(frame_count) / 30.0
    pose = 0.3 * np.sin(2.0 * time_s[:, None, None] + rng.uniform(0, 6, (24, 3)))
    root_m = np.stack([0.1 * time_s, 0.9 + 0 * time_s, 0 * time_s], axis=1)
    return clip_from_axis_angle(pose, root_m, fps=30.0)


def _written(folder: Path, suffix: str) -> list[bytes]:
    path = folder / f"seed{suffix}"
    write_motion(path, _dance())
    return [path.read_bytes()]


def _pickles(folder: Path) -> list[bytes]:
    clip = _dance()
    pose = clip.axis_angle.reshape(-1, 72)
    aist = {"smpl_poses": pose, "smpl_trans": clip.root_m, "smpl_scaling": np.ones(1)}
    edge = {"pos": clip.root_m.astype(np.float32), "q": pose.astype(np.float32), "scale": 2.0}
    lists = {"pos": clip.root_m.tolist(), "q": pose.tolist()}
    return [pickle.dumps(each, protocol) for each in (aist, edge, lists) for protocol in range(6)]


def _gltf_document() -> tuple[dict[str, object], bytes]:
    """Return the JSON and the buffer of a dance: joints, a skin without matrices, animation."""
    clip = _dance()
    times = (np.arange(clip.frame_count) / clip.fps).astype("<f4")
    arrays = [times.reshape(-1, 1), clip.root_m.astype("<f4")]
    arrays += [np.roll(clip.rotations[:, j], -1, axis=-1).astype("<f4") for j in range(24)]
    views, accessors, blob = [], [], b""
    for array in arrays:
        kind = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[array.shape[1]]
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": array.nbytes})
        accessors.append({"bufferView": len(views) - 1, "componentType": 5126,
                          "count": len(array), "type": kind})  # fmt: skip
        blob += array.tobytes()
    nodes = []
    for joint, name in enumerate(skeleton.JOINT_NAMES):
        node: dict[str, object] = {"name": name, "translation": skeleton.OFFSETS_M[joint].tolist()}
        children = [child for child, parent in enumerate(skeleton.PARENTS) if parent == joint]
        nodes.append(node | ({"children": children} if children else {}))
    samplers = [{"input": 0, "output": index, "interpolation": "LINEAR"} for index in range(1, 26)]
    channels = [{"sampler": 0, "target": {"node": 0, "path": "translation"}}]
    channels += [{"sampler": j + 1, "target": {"node": j, "path": "rotation"}} for j in range(24)]
    document = {
        "asset": {"version": "2.0"}, "nodes": nodes, "skins": [{"joints": list(range(24))}],
        "animations": [{"name": "dance", "samplers": samplers, "channels": channels}],
        "accessors": accessors, "bufferViews": views,
    }  # fmt: skip
    return document, blob


def _glb(folder: Path) -> list[bytes]:
    document, blob = _gltf_document()
    text = json.dumps(document | {"buffers": [{"byteLength": len(blob)}]}).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<II", len(text), 0x4E4F534A) + text
    body += struct.pack("<II", len(blob), 0x004E4942) + blob
    return [struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body]


def _gltf(folder: Path) -> list[bytes]:
    import base64

    document, blob = _gltf_document()
    uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    return [json.dumps(document | {"buffers": [{"byteLength": len(blob), "uri": uri}]}).encode()]


def _positions(folder: Path) -> list[bytes]:
    from kinetune.motion.kinematics import joint_positions

    out = io.BytesIO()
    np.save(out, joint_positions(_dance()))
    return [out.getvalue()]


def _mappings(folder: Path) -> list[bytes]:
    rows = [f'{name} = "theirs_{name}"' for name in skeleton.JOINT_NAMES]
    return [("[joints]\n" + "\n".join(rows) + "\n").encode()]


def _check_motion(result: object) -> str:
    clip: MotionClip = result.clip  # type: ignore[attr-defined]
    if not np.isfinite(clip.rotations).all() or not np.isfinite(clip.root_m).all():
        return "values that aren't finite"
    if not np.allclose(np.linalg.norm(clip.rotations, axis=-1), 1.0, atol=1e-3):
        return "rotations that aren't unit quaternions"
    if np.abs(clip.root_m).max() > 1e4:
        return f"a path of {np.abs(clip.root_m).max():.3g} m"
    return "" if 5.0 <= clip.fps <= 1000.0 else f"a rate of {clip.fps:g} Hz"


def _motion(suffix: str, seeds: Callable[[Path], list[bytes]], *mutators: Mutator) -> Target:
    return Target(suffix, seeds, read_motion_file, _check_motion, mutators)


TARGETS: dict[str, Target] = {
    "bvh": _motion(".bvh", lambda folder: _written(folder, ".bvh"), change_number),
    "npz": _motion(".npz", lambda folder: _written(folder, ".npz"), change_npz_member),
    "npy": _motion(".npy", _positions, change_npy),
    "pkl": _motion(".pkl", _pickles, change_integer),
    "glb": _motion(".glb", _glb, change_glb_json),
    "gltf": _motion(".gltf", _gltf, change_json),
    "mapping": Target(".toml", _mappings, read_mapping),
}


# ---- running -------------------------------------------------------------------------------


def try_input(target: Target, data: bytes, folder: Path) -> tuple[str, str]:
    """Read one input; return "read", "refused" or "finding", and what is wrong.

    Args:
        target: The reader.
        data: The file's content.
        folder: Where the file is put.
    """
    path = folder / f"input{target.suffix}"
    path.write_bytes(data)
    try:
        with _time_limit(INPUT_LIMIT_S):
            wrong = target.check(target.read(path))
    except KinetuneError as error:
        line = str(error)
        if not line.isprintable() or len(line) > _LONGEST_ERROR:
            return "finding", f"an error text that isn't one line: {line[:200]!r}"
        unforeseen = _UNFORESEEN.search(line)
        return "refused", unforeseen[1] if unforeseen else ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for.
        return "finding", f"{type(error).__name__}: {str(error)[:200]}"
    return ("finding", f"accepted with {wrong}") if wrong else ("read", "")


@contextmanager
def _time_limit(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def run_batch(name: str, seed: int, first: int, count: int, folder: Path) -> None:
    """Try the inputs of one batch, printing a line for each that is a finding, and the counts."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    target = TARGETS[name]
    seeds = target.seeds(folder)
    counts = {"read": 0, "refused": 0, "finding": 0}
    peak_mb = max(MEMORY_LIMIT_MB, _peak_mb() + 1)
    for index in range(first, first + count):
        (folder / "index").write_text(str(index))
        data = mutated(target, seeds, random.Random(f"{seed}:{name}:{index}"))
        kind, wrong = try_input(target, data, folder)
        if _peak_mb() > peak_mb:
            peak_mb = _peak_mb()
            kind, wrong = "finding", f"{peak_mb:.0f} MB of memory"
        counts[kind] += 1
        if kind == "refused" and wrong:
            print(_RESULT + json.dumps({"index": index, "unforeseen": wrong}), flush=True)
        if kind == "finding":
            print(_RESULT + json.dumps({"index": index, "wrong": wrong}), flush=True)
    print(_RESULT + json.dumps(counts), flush=True)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def fuzz(names: list[str], seed: int, seconds: float, keep: Path | None) -> int:
    """Run batches of every target in turn until time is up; return how many findings there are."""
    totals = {"read": 0, "refused": 0, "finding": 0}
    unforeseen: dict[str, str] = {}
    end, batch = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        name = names[batch % len(names)]
        first = batch // len(names) * _BATCH
        left_s = end - time.monotonic()
        count = _BATCH if seconds > 30 else 40
        for line in _batch_results(name, seed, first, count, min(_BATCH_LIMIT_S, left_s + 30)):
            if "unforeseen" in line:
                unforeseen.setdefault(str(line["unforeseen"]), f"{name} {seed}:{line['index']}")
            elif "wrong" in line:
                print(f"{name} {seed}:{line['index']}: {line['wrong']}")
                _keep(keep, name, seed, line["index"])
            else:
                totals = {key: totals[key] + line[key] for key in totals}
        batch += 1
    for reason, example in unforeseen.items():
        print(f"refused without a line of its own: {reason} ({example})")
    tried = sum(totals.values())
    print(
        f"tried {tried} inputs of {', '.join(names)}: {totals['read']} read, "
        f"{totals['refused']} refused, {totals['finding']} findings"
    )
    return totals["finding"]


def _batch_results(
    name: str, seed: int, first: int, count: int, limit_s: float
) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="kinetune-fuzz-") as folder:
        command = [
            sys.executable,
            __file__,
            "--batch",
            name,
            str(seed),
            str(first),
            str(count),
            folder,
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=limit_s,
                check=False, env=os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": folder},
            )  # fmt: skip
            output, ended = done.stdout, f"the process ended with {done.returncode}"
            if done.returncode:
                ended += f" ({done.stderr.strip()[-200:]})"
        except subprocess.TimeoutExpired as error:
            output = (error.stdout or b"").decode(errors="replace")
            ended = ""
        lines = [json.loads(line[len(_RESULT) :]) for line in output.splitlines()
                 if line.startswith(_RESULT)]  # fmt: skip
        if lines and "read" in lines[-1]:
            return lines
        at = Path(folder, "index")
        index = int(at.read_text() or first) if at.is_file() else first
        if not ended:  # Slow machines: what was tried so far counts.
            return [*lines, {"read": 0, "refused": index - first, "finding": _findings(lines)}]
        wrong = {"index": index, "wrong": ended}
        return [
            *lines,
            wrong,
            {"read": 0, "refused": index - first, "finding": _findings(lines) + 1},
        ]


def _findings(lines: list[dict[str, object]]) -> int:
    return sum("wrong" in line for line in lines)


def _keep(keep: Path | None, name: str, seed: int, index: object) -> None:
    if keep is None:
        return
    keep.mkdir(parents=True, exist_ok=True)
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        data = mutated(target, target.seeds(Path(folder)), random.Random(f"{seed}:{name}:{index}"))
    (keep / f"{name}-{seed}-{index}{target.suffix}").write_bytes(data)


def main() -> int:
    """Read the command line and run; 1 if anything was found."""
    if sys.argv[1:2] == ["--batch"]:
        name, seed, first, count, folder = sys.argv[2:7]
        run_batch(name, int(seed), int(first), int(count), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", default=",".join(TARGETS), help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that were findings")
    options = parser.parse_args()
    names = options.targets.split(",")
    if unknown := sorted(set(names) - set(TARGETS)):
        parser.error(f"unknown target {unknown[0]}; there are {', '.join(TARGETS)}")
    return 1 if fuzz(names, options.seed, options.seconds, options.keep) else 0


if __name__ == "__main__":
    sys.exit(main())
