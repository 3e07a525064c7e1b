"""Files made to exhaust memory or time give an immediate one-line error."""

import io
import pickle
import resource
import struct
import time
import zipfile

import numpy as np
import pytest

from kinetune.errors import MotionError
from kinetune.motion.io.formats import read_motion, write_motion
from kinetune.motion.io.safe_pickle import read_pickle
from tests.motion.glb_writer import Gltf, gltf_of


@pytest.fixture
def refused(tmp_path):
    """Read bytes as a motion file: refused with a line that matches, in 5 s and 200 MB."""

    def refused(content, match):
        path = tmp_path / "hostile"
        path.write_bytes(content)
        begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(MotionError, match=match) as caught:
            read_motion(path)
        assert time.monotonic() - begin < 5.0
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    return refused


def dictionary_of(body):
    """A pickle of protocol 2 that sets ``pos`` and ``q`` to what ``body`` pushes."""
    return b"\x80\x02}X\x03\x00\x00\x00pos" + body + b"sX\x01\x00\x00\x00qNs."


def doubling_lists(depth):
    """Lists of ten times the list before: 10 to the power of the depth elements."""
    value = [1.0] * 10
    for _ in range(depth):
        value = [value] * 10
    return value


def numbers_that_collide(count):
    return {k * (2**61 - 1): None for k in range(1, count)}


def nested_tuples(depth):
    """A key whose hash takes two to the power of the depth steps."""
    key = ()
    for _ in range(depth):
        key = (key, key)
    return key


def pickled_key(depth):
    body = b"}" + b")" + b"q\x01" + b"h\x01\x86q\x01" * depth
    return dictionary_of(body + b"Ns")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\x80\x03Nr" + struct.pack("<I", 300_000_000) + b".", "memo index 300000000"),
        (b"(dp100000000\n.", "memo index"),
        (dictionary_of(b"}" + b"}" * 600_000), "opcodes"),
        (b"\x80\x02}" + b"]" * 600_000 + b".", "more than 500000 opcodes"),
        (pickle.dumps(numbers_that_collide(6000)), "more than 5000 items"),
        (pickle.dumps({"pos": {1, 2}, "q": 0}), "sets aren't read"),
        (pickled_key(40), "neither text nor a number"),
        (dictionary_of(b"L" + b"9" * 5000 + b"L\n"), "damaged"),
        (dictionary_of(b"\x8b" + struct.pack("<i", 2**31 - 1)), "damaged"),
        (dictionary_of(b"T" + struct.pack("<i", 2**31 - 1)), "damaged"),
    ],
)
def test_a_pickle_that_costs_more_than_it_holds_is_refused(refused, content, match):
    refused(content, match)


@pytest.mark.slow
def test_lists_that_hold_themselves_many_times_are_not_spelled_out(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"pos": doubling_lists(7), "q": doubling_lists(12)}))
    assert path.stat().st_size < 10_000
    data = read_pickle(path)
    for key in data:
        with pytest.raises(MotionError, match="too long or too deep"):
            data[key]


@pytest.mark.parametrize("text", ["(dp0\n.", "}q."])
def test_an_empty_dictionary_of_an_old_protocol_is_distinguished(refused, text):
    refused(text.encode(), "found no keys|damaged")


def npz(**arrays):
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def npz_of(raw, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("poses.npy", raw)
    return out.getvalue()


def npy_header(text, version=(1, 0)):
    head = text.encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(head))
    return b"\x93NUMPY" + bytes(version) + length + head


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (npz(poses=np.zeros((3_000_000, 156), dtype=np.int8), trans=np.zeros((3, 3)),
             mocap_framerate=30), "at most 7200 s"),
        (npz(poses=np.zeros((900_000, 156), dtype=np.int8), trans=np.zeros((3, 3)),
             mocap_framerate=1000), "864000 frames"),
        (npz(positions=np.zeros((900_000, 22, 3), dtype=np.int8), fps=900), "864000 frames"),
        (npz(poses=np.zeros((0, 156)), trans=np.zeros((0, 3)), mocap_framerate=30), "no frames"),
        (npz(poses=np.zeros((9, 156)), trans=np.zeros((9, 3)), mocap_framerate=2**31), "5 to 1000"),
        (npz(poses=np.zeros((9, 156)), trans=np.zeros((9, 3)), mocap_framerate=1), "5 to 1000"),
        (npz_of(npy_header("{'descr': " + "(" * 3000)), "can't be read"),
        (npz_of(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 60_000_000),
         "a header of 2147483648 bytes"),
        (npz_of(npy_header("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,)}")),
         "can't be read"),
    ],
)  # fmt: skip
def test_an_archive_that_unpacks_to_more_than_a_dance_is_refused(refused, content, match):
    refused(content, match)


def test_a_damaged_lzma_archive_is_refused(refused):
    raw = bytearray(npz_of(npy_header("{}") + bytes(range(256)) * 20, zipfile.ZIP_LZMA))
    raw[60:90] = b"\xff" * 30
    refused(bytes(raw), "can't be read")


def test_accessors_that_share_their_bytes_or_have_none_are_bounded(refused, dance):
    shared = gltf_of(dance)
    shared.json["accessors"] = [
        {"componentType": 5126, "type": kind, "count": 432_000}
        for kind in ("SCALAR", *["VEC3"] * 400)
    ]
    shared.json["skins"] = []
    shared.json["animations"] = [
        {
            "samplers": [{"input": 0, "output": index} for index in range(1, 401)],
            "channels": [
                {"sampler": index, "target": {"node": index % 24, "path": "translation"}}
                for index in range(400)
            ],
        }
    ]
    refused(shared.glb(), "name more than .* numbers")


def test_one_accessor_of_many_curves_is_read_once(refused):
    gltf = Gltf()
    gltf.json["accessors"] = [
        {"componentType": 5126, "type": "SCALAR", "count": 300_000},
        {"componentType": 5126, "type": "VEC3", "count": 300_000},
    ]
    gltf.json["nodes"] = [{"name": f"n{k}"} for k in range(400)]
    channels = [{"sampler": 0, "target": {"node": k, "path": "translation"}} for k in range(400)]
    gltf.json["animations"] = [{"samplers": [{"input": 0, "output": 1}], "channels": channels}]
    refused(gltf.glb(), "up to 7200 s, found 0 s")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"nodes": [{"translation": [10**400, 0, 0]}]}, "absurdly large"),
        ({"nodes": [{"children": [10**400]}]}, "below 0 or too large"),
        ({"skins": [{"joints": [10**30]}]}, "below 0 or too large"),
    ],
)
def test_huge_whole_numbers_in_json_are_refused(refused, dance, change, match):
    file = gltf_of(dance)
    file.json |= change
    refused(file.glb(), match)


def test_json_nested_ever_deeper_is_refused(refused):
    refused(b'{"nodes":' + b"[" * 100_000, "JSON can't be read")


@pytest.fixture
def bvh(tmp_path, dance):
    write_motion(tmp_path / "a.bvh", dance)
    return (tmp_path / "a.bvh").read_text()


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("Frames: 120", "Frames: " + "1" * 5000, "expected a number of frames"),
        ("Frames: 120", "Frames: 999999999", "at most 7200 s"),
        ("Frame Time: 0.0333333333333", "Frame Time: 1", "5 to 1000 frames a second, found 1;"),
        ("Frame Time: 0.0333333333333", "Frame Time: 1e-9", "5 to 1000"),
        ("OFFSET 5.858135", "OFFSET 1e154", "expected OFFSET and three numbers"),
    ],
)
def test_absurd_numbers_in_bvh_are_refused(refused, bvh, old, new, match):
    assert old in bvh
    refused(bvh.replace(old, new).encode(), match)


def chain_of_zeros(count):
    """A chain of joints at no distance below the left wrist, one inside the other."""
    opened = "".join(f"JOINT z{k}\n{{\nOFFSET 0 0 0\nCHANNELS 0\n" for k in range(count))
    return opened + "}\n" * count


def test_a_chain_of_thousands_of_joints_at_no_distance_is_followed(tmp_path, bvh):
    head, _, tail = bvh.partition("JOINT left_hand")
    (tmp_path / "b.bvh").write_text(head + chain_of_zeros(2000) + "JOINT left_hand" + tail)
    begin = time.monotonic()
    assert read_motion(tmp_path / "b.bvh").frame_count == 120
    assert time.monotonic() - begin < 10.0


def test_too_many_joints_are_refused(refused, bvh):
    head, _, tail = bvh.partition("JOINT left_hand")
    refused((head + chain_of_zeros(6000) + "JOINT left_hand" + tail).encode(), "at most 5000")
