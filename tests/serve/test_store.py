import time

import pytest

from kinetune.serve.store import QueueFullError, Store
from kinetune.serve.workers import LOST, prune


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_work_is_claimed_in_the_order_it_came(store):
    ids = [store.add("job", {"number": number}, limit=9).id for number in range(3)]
    assert [store.claim("job", "w").id for _ in ids] == ids
    assert store.claim("job", "w") is None


def test_position_counts_the_jobs_before(store):
    works = [store.add("job", {}, limit=9) for _ in range(3)]
    store.add("motion", {}, limit=9)
    assert [store.position(work) for work in works] == [0, 1, 2]
    store.claim("job", "w")
    assert store.position(works[2]) == 1


def test_a_full_queue_refuses_and_running_work_does_not_count(store):
    store.add("job", {}, limit=1)
    with pytest.raises(QueueFullError):
        store.add("job", {}, limit=1)
    store.claim("job", "w")
    store.add("job", {}, limit=1)


def test_cancelling_ends_what_waits_and_asks_what_runs(store):
    running, waiting = (store.add("job", {}, limit=9) for _ in range(2))
    store.claim("job", "w")
    assert store.progress(running.id, "denoising", 1, 4)
    store.cancel(running.id)
    store.cancel(waiting.id)
    assert store.find("job", waiting.id).status == "cancelled"
    assert store.find("job", running.id).status == "running"
    assert not store.progress(running.id, "denoising", 2, 4)


def test_what_has_ended_is_unchanged(store):
    work = store.add("job", {}, limit=9)
    store.claim("job", "w")
    store.finish(work.id, "failed", error="first")
    store.finish(work.id, "done", result=1)
    store.cancel(work.id)
    after = store.find("job", work.id)
    assert (after.status, after.error, after.result) == ("failed", "first", None)


def test_lost_work_is_tried_once_more_then_fails(store):
    store.add("job", {}, limit=9)
    store.requeue(store.claim("job", "w"), LOST)
    second = store.claim("job", "w")
    assert second.attempts == 2
    store.requeue(second, LOST)
    after = store.find("job", second.id)
    assert (after.status, after.error) == ("failed", LOST)


def test_lost_work_that_should_stop_is_cancelled(store):
    work = store.add("job", {}, limit=9)
    store.claim("job", "w")
    store.cancel(work.id)
    store.requeue(store.find("job", work.id), LOST)
    assert store.find("job", work.id).status == "cancelled"


def test_old_work_is_deleted_with_its_files(store):
    old, new = (store.add("job", {}, limit=9) for _ in range(2))
    for work in (old, new):
        store.claim("job", "w")
        store.folder_of("job", work.id).mkdir(parents=True)
        store.finish(work.id, "done")
        if work is old:
            time.sleep(0.05)
            middle = time.time()
            time.sleep(0.05)
    prune(store, time.time() - middle)
    assert store.find("job", old.id) is None
    assert not store.folder_of("job", old.id).exists()
    assert store.find("job", new.id).status == "done"
    assert store.folder_of("job", new.id).exists()


def test_a_kind_is_not_found_as_the_other(store):
    work = store.add("motion", {}, limit=9)
    assert store.find("job", work.id) is None
