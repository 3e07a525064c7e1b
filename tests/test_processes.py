"""Worker processes end with their parent, and with what they were started for."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from kinetune.errors import KinetuneError
from kinetune.processes import one_process_at_a_time, process_pool

PARENT = """
    import os, sys, time
    from kinetune.processes import one_process_at_a_time, process_pool

    def work(number):
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(60.0)

    if __name__ == "__main__":
        with process_pool(2) as pool:
            list(pool.map(work, range(4)))
"""


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie is dead, whoever has not asked about it yet.
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, limit_s=20.0):
    end = time.monotonic() + limit_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.fixture
def parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(textwrap.dedent(PARENT))
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_exit_when_their_parent_is_killed(parent, how):
    workers = [int(parent.stdout.readline()) for _ in range(2)]
    assert all(is_alive(pid) for pid in workers)
    parent.send_signal(how)
    parent.wait()
    assert wait_until(lambda: not any(is_alive(pid) for pid in workers))


# Workers import the script again, under another name, before they begin.
SLOW_TO_START = """
    import os, sys, time
    from kinetune.processes import one_process_at_a_time, process_pool

    if __name__ == "__main__":
        try:
            with process_pool(2) as pool:
                list(pool.map(time.sleep, [60.0 * ("work" in sys.argv)] * 4))
        except KeyboardInterrupt:
            print("stopped", flush=True)
    else:
        os.write(1, b"%d\\n" % os.getpid())
        time.sleep(1.0 * ("start" in sys.argv))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
@pytest.mark.parametrize(("phase", "interrupts"), [("start", 1), ("work", 2)])
def test_ctrl_c_stops_workers_that_start_and_two_those_that_work(tmp_path, phase, interrupts):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SLOW_TO_START))
    process = subprocess.Popen(
        [sys.executable, script, phase], text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    workers = [int(process.stdout.readline()) for _ in range(2)]
    time.sleep(0.5)
    for _ in range(interrupts):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
    out, errors = process.communicate(timeout=30.0)
    assert (out, errors, process.returncode) == ("stopped\n", "", 0)
    assert not any(is_alive(pid) for pid in workers)


def square(number):
    return number * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_pool_maps_in_order():
    with process_pool(2) as pool:
        assert list(pool.map(square, range(5))) == [0, 1, 4, 9, 16]


def test_a_killed_worker_is_one_clear_error():
    with pytest.raises(KinetuneError, match="fewer workers"), process_pool(1) as pool:
        list(pool.map(die, range(2)))


HOLDER = """
    import sys, time
    from kinetune.processes import one_process_at_a_time

    with one_process_at_a_time(sys.argv[1]):
        began = time.monotonic()
        time.sleep(0.5)
        print(began, time.monotonic())
"""


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="Windows has no such locks")
def test_processes_are_inside_a_block_one_after_the_other(tmp_path):
    script = tmp_path / "holder.py"
    script.write_text(textwrap.dedent(HOLDER))
    command = [sys.executable, script, f"test-{os.getpid()}"]
    holders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    spans = sorted(tuple(map(float, each.communicate()[0].split())) for each in holders)
    for before, after in itertools.pairwise(spans):
        assert before[1] <= after[0]


def test_where_no_lock_can_be_made_the_block_is_run_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "missing"))
    with one_process_at_a_time("test"):
        entered = True
    assert entered
