import time
from itertools import pairwise

import pytest

link = pytest.importorskip("link", reason="LinkPython-extern isn't installed")

from kinetune.live.connections.ableton_link import LinkSink  # noqa: E402


def test_another_program_gets_tempo_and_bar_of_the_music():
    peer = link.Link(90.0)
    peer.enabled = True
    sink = LinkSink(time.perf_counter(), 4)
    try:
        deadline = time.monotonic() + 8.0
        while sink.peers == 0 and time.monotonic() < deadline:
            time.sleep(0.05)
        if sink.peers == 0:
            pytest.skip("the network lets no multicast through")
        now_s = 0.001 * round(1000 * (sink._link.clock().micros() - sink._began_us) / 1e6)
        beats_s = [now_s + 0.6 * k for k in range(6)]
        for start_s, end_s in pairwise(beats_s):
            sink.beat(start_s, end_s)
        time.sleep(0.6)
        state = peer.captureSessionState()
        assert state.tempo() == pytest.approx(100.0, abs=0.01)
        fourth_us = round(sink._began_us + 1e6 * beats_s[4])
        phase = state.phaseAtTime(fourth_us, 4.0)
        assert min(phase, 4.0 - phase) < 0.02
        second = state.phaseAtTime(round(sink._began_us + 1e6 * beats_s[1]), 4.0)
        assert second == pytest.approx(1.0, abs=0.02)
    finally:
        sink.close()
        peer.enabled = False
