import json
import socket
import time

import numpy as np
import pytest
import soundfile

from kinetune.corpus.rendering.block_filters import Block
from kinetune.live.connections.midi_clock import MidiClock, MidiClockSink, tick_times
from kinetune.live.connections.pose_stream import NEEDED, BadMessage, PoseStream
from kinetune.live.connections.receivers import (
    OscMessages,
    OscReceiver,
    WebSocketReceiver,
    take_json,
)
from kinetune.live.connections.sinks import BlockQueue, WavSink
from kinetune.live.playing.music import RenderedBlock
from kinetune.motion import kinematics, skeleton
from tests.conftest import swaying_clip


def joints_at(clip, frame, names=NEEDED):
    positions = kinematics.joint_positions(clip)[frame]
    return {name: positions[skeleton.joint_index(name)].tolist() for name in names}


# MIDI clock


def test_a_beat_has_24_ticks_evenly_spaced_from_its_own_time():
    ticks = tick_times(1.0, 1.48)
    assert len(ticks) == 24
    assert ticks[0] == 1.0
    assert np.diff(ticks) == pytest.approx([0.02] * 23)


class Port:
    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append((time.perf_counter(), message))


def test_ticks_are_sent_at_the_times_of_the_grid_after_a_start():
    port = Port()
    clock = MidiClock(port)
    clock.add_beat(2.0, 2.5)
    clock.add_beat(2.5, 3.1)
    sent = []
    for now_s in np.arange(1.9, 3.2, 0.001):
        before = len(port.sent)
        clock.send_until(now_s)
        sent += [(now_s, message) for _, message in port.sent[before:]]
    assert sent[0][1] == b"\xfa"
    ticks = np.array([now_s for now_s, message in sent if message == b"\xf8"])
    wanted = np.concatenate([tick_times(2.0, 2.5), tick_times(2.5, 3.1)])
    assert len(ticks) == 48
    assert np.abs(ticks - wanted).max() <= 0.0011
    clock.stop()
    assert port.sent[-1][1] == b"\xfc"


def test_the_clock_keeps_real_time():
    port, began = Port(), time.perf_counter()
    sink = MidiClockSink(port, began)
    sink.beat(0.1, 0.34)
    time.sleep(0.5)
    sink.close()
    ticks = np.array([at for at, message in port.sent if message == b"\xf8"]) - began
    assert len(ticks) == 24
    # Late by no more than a busy machine's scheduler; never early.
    assert (ticks >= tick_times(0.1, 0.34) - 1e-4).all()
    assert port.sent[0][1] == b"\xfa"
    assert port.sent[-1][1] == b"\xfc"


# Sound


def block(start_s: float, samples: Block) -> RenderedBlock:
    return RenderedBlock(start_s, samples, 0.0)


def test_the_wav_file_appears_when_it_is_finished(tmp_path):
    sink = WavSink(tmp_path / "a.wav", 8000, 2)
    ramp = np.linspace(-1.2, 1.2, 1600, dtype=np.float32).reshape(800, 2)
    sink.write(block(0.0, ramp))
    assert not (tmp_path / "a.wav").exists()
    sink.close()
    samples, rate_hz = soundfile.read(tmp_path / "a.wav")
    assert rate_hz == 8000
    np.testing.assert_allclose(samples, ramp.clip(-1, 1), atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]


def test_a_device_gets_the_blocks_in_order_and_silence_where_none_waits():
    waiting = BlockQueue(1)
    waiting.put(np.arange(5, dtype=np.float32)[:, None])
    waiting.put(np.arange(5, 8, dtype=np.float32)[:, None])
    out = np.full((6, 1), 9.0, np.float32)
    waiting.take(out)
    assert out[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert waiting.underruns == 0
    waiting.take(out)
    assert out[:, 0].tolist() == [6, 7, 0, 0, 0, 0]
    assert waiting.underruns == 1
    assert waiting.is_empty


# Poses


def test_a_stream_of_poses_becomes_the_motion_that_was_sent():
    clip = swaying_clip(duration_s=3.0)
    stream = PoseStream()
    for frame in range(clip.frame_count):
        stream.add_joints(joints_at(clip, frame, skeleton.JOINT_NAMES), frame / 60.0)
    made, start_s = stream.window(3.0, 2.0)
    assert start_s == pytest.approx(1.0, abs=0.02)
    assert made.fps == pytest.approx(60.0, rel=0.01)
    first = round(start_s * 60)
    true = kinematics.joint_positions(clip)[first : first + made.frame_count]
    elbows = [skeleton.joint_index(f"{side}_elbow") for side in ("left", "right")]
    error = np.linalg.norm(kinematics.joint_positions(made)[:, elbows] - true[:, elbows], axis=-1)
    assert np.median(error) < 0.06


def test_twelve_joints_in_mediapipes_names_are_enough():
    clip = swaying_clip(duration_s=1.0)
    stream = PoseStream()
    for frame in range(clip.frame_count):
        joints = {name.upper(): value for name, value in joints_at(clip, frame).items()}
        stream.add_joints({**joints, "NOSE": [0.0, 1.7, 0.1]}, frame / 60.0)
    made, _ = stream.window(1.0, 5.0)
    assert made.frame_count == pytest.approx(59, abs=1)


def test_a_senders_own_times_give_the_distances():
    stream = PoseStream()
    rng = np.random.default_rng(0)
    for frame in range(60):
        sent_s = 1000.0 + frame / 30.0
        stream.add_curves({"height": np.sin(frame)}, frame / 30.0 + rng.uniform(0, 0.02), sent_s)
    times = np.array([time_s for time_s, _ in stream._curves])
    assert np.diff(times)[10:] == pytest.approx([1 / 30] * 49, abs=0.005)


def test_the_buffer_is_bounded_and_an_old_stream_shows_nothing():
    stream = PoseStream()
    for frame in range(6000):
        stream.add_curves({"a": frame % 7}, frame / 30.0)
    assert len(stream._curves) == 4096
    assert stream.received == 6000
    assert stream.window(200.0, 5.0) is not None
    assert stream.window(203.0, 5.0) is None


@pytest.mark.parametrize(
    ("joints", "reason"),
    [
        ({}, "missing"),
        ({name: [0, 0] for name in NEEDED}, "x, y, z"),
        ({name: "abc" for name in NEEDED}, "x, y, z"),
        ({name: [0.0, float("nan"), 0.0] for name in NEEDED}, "not finite"),
        ({name: [0.0, 1e30, 0.0] for name in NEEDED}, "large"),
        ({name: [0.0, None, 0.0] for name in NEEDED}, "no number"),
        ({str(k): [0, 0, 0] for k in range(300)}, "too many"),
    ],
)
def test_a_pose_that_cannot_be_used_is_refused(joints, reason):
    with pytest.raises(BadMessage, match=reason):
        PoseStream().add_joints(joints, 0.0)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", "null", '{"t": "x", "joints": {}}', '{"joints": 3}', '{"curves": {}}',
        '{"curves": {"a": "b"}}', '{"t": 1e999, "curves": {"a": 1}}', '{"curves": {"a": true}}',
        b"\xff\xfe\x00", "[" * 100_000, '{"t": ' + "9" * 5000 + ', "curves": {"a": 1}}',
    ],
)  # fmt: skip
def test_hostile_json_is_counted_and_skipped(text):
    stream = PoseStream()
    take_json(stream, text, 0.0)
    assert stream.received == 0
    assert sum(stream.skipped.values()) == 1


def test_osc_addresses():
    stream = PoseStream()
    now = iter(np.arange(0.0, 10.0, 0.1))
    osc = OscMessages(stream, lambda: next(now))
    pose = [float(k) for k in range(3 * len(NEEDED))]
    osc.take("/kinetune/pose", pose)
    assert sum(stream.skipped.values()) == 1
    osc.take("/kinetune/joints", list(NEEDED))
    osc.take("/kinetune/pose", pose)
    assert stream.received == 1
    assert stream._frames[0][1][skeleton.joint_index("right_hip")].tolist() == [3.0, 4.0, 5.0]
    for k, name in enumerate(NEEDED):
        osc.take("/kinetune/joint", [name, *pose[3 * k : 3 * k + 3]])
    osc.take("/kinetune/frame", [])
    osc.take("/kinetune/curve", ["height", 0.5])
    osc.take("/kinetune/frame", [])
    assert stream.received == 3
    for address, values in (
        ("/other", []), ("/kinetune/joint", [1, 2]), ("/kinetune/curve", ["a"]),
        ("/kinetune/joints", [3]), ("/kinetune/pose", pose[:-1]),
    ):  # fmt: skip
        osc.take(address, values)
    assert sum(stream.skipped.values()) == 6


def wait_for(condition):
    deadline = time.monotonic() + 10.0
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert condition()


def test_osc_over_udp_on_loopback():
    udp_client = pytest.importorskip("pythonosc.udp_client")
    stream = PoseStream()
    receiver = OscReceiver(stream, 0, now=time.monotonic)
    try:
        client = udp_client.SimpleUDPClient("127.0.0.1", receiver.port)
        client.send_message("/kinetune/joints", list(NEEDED))
        for frame in range(5):
            client.send_message("/kinetune/pose", [float(frame + k) for k in range(36)])
        wait_for(lambda: stream.received == 5)
        assert stream._frames[-1][1][skeleton.joint_index("left_hip")].tolist() == [4.0, 5.0, 6.0]
        raw = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for junk in (
            b"",
            b"\x00" * 9,
            b"/kinetune/pose\x00\x00,fff",
            b"#bundle\x00" + b"\xff" * 40,
        ):
            raw.sendto(junk, ("127.0.0.1", receiver.port))
        raw.close()
        client.send_message("/kinetune/pose", [1.0] * 36)
        wait_for(lambda: stream.received == 6)
        client._sock.close()
        assert sum(stream.skipped.values()) >= 2
    finally:
        receiver.close()


def test_json_over_websocket_on_loopback():
    client = pytest.importorskip("websockets.sync.client")
    stream = PoseStream()
    receiver = WebSocketReceiver(stream, 0, now=time.monotonic)
    try:
        clip = swaying_clip(duration_s=0.2)
        with client.connect(f"ws://127.0.0.1:{receiver.port}") as connection:
            for frame in range(5):
                connection.send(json.dumps({"t": frame / 60, "joints": joints_at(clip, frame)}))
            connection.send("junk")
            connection.send(json.dumps({"t": 1.0, "curves": {"height": 0.2}}))
            wait_for(lambda: stream.received == 6 and stream.skipped["no JSON"] == 1)
        wrist = stream._frames[-1][1][skeleton.joint_index("left_wrist")]
        assert wrist.tolist() == pytest.approx(joints_at(clip, 4)["left_wrist"])
        with client.connect(f"ws://127.0.0.1:{receiver.port}") as connection:
            connection.send("x" * 100_000)
            wait_for(lambda: sum(stream.skipped.values()) == 2)
    finally:
        receiver.close()
