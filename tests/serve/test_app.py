"""The application in this process, without workers: what it takes and what it refuses."""

import asyncio
import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

import kinetune
from kinetune.errors import ConfigError
from kinetune.serve.app import create_app
from kinetune.serve.settings import ServerSettings
from tests.conftest import REPOSITORY

NOBODY = "0" * 32
STATIC = Path(kinetune.__file__).parent / "serve" / "static"
VITE = REPOSITORY / "studio/node_modules/.bin/vite"


def ask(app, method, path, **options):
    """Send one request and return the reply."""

    async def send():
        transport = httpx.ASGITransport(app)
        base = options.pop("base_url", "http://localhost:8423")
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


@pytest.fixture
def settings(tmp_path):
    return ServerSettings(data=tmp_path, max_queue=2, max_upload_mb=0.01)


@pytest.fixture
def app(settings):
    return create_app(settings)


@pytest.fixture
def motion(app):
    """A motion that counts as read."""
    store = app.state.store
    work = store.add("motion", {"name": "a.bvh", "bytes": 3}, limit=9)
    store.claim("motion", "w")
    store.finish(work.id, "done")
    return work.id


def test_health_needs_no_token(tmp_path):
    app = create_app(ServerSettings(data=tmp_path, token="t" * 16))
    assert ask(app, "GET", "/healthz").json()["status"] == "ok"
    assert ask(app, "GET", "/v1/jobs").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Bearer " + "t" * 16}, 200),
        ({"Authorization": "Bearer " + "t" * 15}, 401),
        ({"Authorization": "Basic " + "t" * 16}, 401),
        ({"Cookie": "a=b; kinetune_token=" + "t" * 16}, 200),
        ({}, 401),
    ],
)
def test_a_token_opens_the_api(tmp_path, headers, status):
    app = create_app(ServerSettings(data=tmp_path, token="t" * 16))
    assert ask(app, "GET", "/v1/jobs", headers=headers).status_code == status


def test_a_browser_signs_in_once_with_the_token_in_the_address(tmp_path):
    """A token may hold any sign; the page that is shown then has no token in its address."""
    token = "tok%en with; signs+1"
    app = create_app(ServerSettings(data=tmp_path, token=token))
    assert ask(app, "GET", "/", params={"token": "t" * 16}).status_code == 401
    reply = ask(app, "GET", "/", params={"token": token})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly; SameSite=Strict" in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    assert ask(app, "GET", "/v1/jobs", headers=headers).status_code == 200
    assert ask(app, "GET", "/v1/jobs", params={"token": token}).status_code == 401
    stranger = {**headers, "Origin": "https://evil.example"}
    assert ask(app, "POST", "/v1/jobs", headers=stranger).status_code == 403


def test_a_server_that_others_reach_needs_a_long_token(tmp_path):
    for token in ("", "short"):
        with pytest.raises(ConfigError, match="token"):
            ServerSettings(data=tmp_path, host="0.0.0.0", token=token)


def test_another_host_name_is_refused(app):
    """After DNS rebinding a page of another site reaches this server under that site's name."""
    assert ask(app, "GET", "/healthz", base_url="http://evil.example").status_code == 421
    assert ask(app, "GET", "/healthz", base_url="http://127.0.0.1:1").status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil"])
def test_another_origin_is_refused(app, origin):
    assert ask(app, "GET", "/v1/jobs", headers={"Origin": origin}).status_code == 403


def test_the_own_origin_is_taken(app):
    reply = ask(app, "GET", "/v1/jobs", headers={"Origin": "http://localhost:8423"})
    assert reply.status_code == 200
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["a.exe", "../a.bvh", "a/b.bvh", ".bvh", "a\nb.bvh", "con:.bvh", "", "a" * 201 + ".bvh"]
)
def test_names_that_are_no_motion_files_are_refused(app, settings, name):
    reply = ask(app, "POST", "/v1/motions", params={"name": name}, content=b"x")
    assert reply.status_code == 422
    assert not list((settings.data / "motions").glob("*"))


def test_an_upload_above_the_limit_is_refused_and_leaves_nothing(app, settings):
    async def endless():
        for _ in range(100):
            yield b"x" * 1000

    for content in (b"x" * 20_000, endless()):
        reply = ask(app, "POST", "/v1/motions", params={"name": "a.bvh"}, content=content)
        assert reply.status_code == 413
    assert not list((settings.data / "motions").glob("*"))


def test_an_upload_that_stops_in_the_middle_is_given_up(tmp_path):
    """A client that sends a part and then nothing, for longer than the server waits."""
    app = create_app(ServerSettings(data=tmp_path, stall_s=0.2))
    sent, replies = [], []

    async def receive():
        if not sent:
            sent.append(1)
            return {"type": "http.request", "body": b"x" * 100, "more_body": True}
        await asyncio.sleep(30.0)
        raise AssertionError("the server still waits")

    async def send(message):
        replies.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/v1/motions", "raw_path": b"/v1/motions",
        "query_string": b"name=a.bvh", "headers": [(b"host", b"localhost")], "http_version": "1.1",
        "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2),
        "asgi": {"version": "3.0"}, "root_path": "",
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    assert replies[0]["status"] == 408
    assert not list((tmp_path / "motions").glob("*"))


@pytest.mark.parametrize(("length", "status"), [("-1", 400), ("1e3", 400), ("99999999999", 413)])
def test_a_length_that_lies_is_refused(app, settings, length, status):
    reply = ask(
        app, "POST", "/v1/motions", params={"name": "a.bvh"}, content=b"x",
        headers={"Content-Length": length},
    )  # fmt: skip
    assert reply.status_code == status
    assert not list((settings.data / "motions").glob("*"))


def test_an_empty_upload_is_refused(app, settings):
    assert ask(app, "POST", "/v1/motions", params={"name": "a.bvh"}).status_code == 422
    assert not list((settings.data / "motions").glob("*"))


def test_a_body_above_a_megabyte_is_refused(app):
    assert ask(app, "POST", "/v1/jobs", content=b"[" * (1 << 20) + b"x").status_code == 413


def test_a_full_queue_sends_retry_after(app, motion):
    job = {"task": "generate", "motion": motion}
    replies = [ask(app, "POST", "/v1/jobs", json=job) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [202, 202, 429]
    assert int(replies[2].headers["retry-after"]) > 0
    assert [reply.json()["queue_position"] for reply in replies[:2]] == [0, 1]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"task": "generate", "motion": NOBODY}, "no such id"),
        ({"task": "generate", "motion": "../../etc/passwd"}, "pattern"),
        ({"task": "generate", "motion": NOBODY, "output": "/etc/x"}, "output"),
        ({"task": "generate", "motion": NOBODY, "options": {"genre": "polka"}}, "polka"),
        ({"task": "generate", "motion": NOBODY, "options": {"colour": 1}}, "colour"),
        ({"task": "generate", "motion": NOBODY, "options": {"beats": {"bpm": 999.0}}}, "300"),
        ({"task": "generate", "motion": NOBODY, "variations": 9}, "variations"),
        ({"task": "edit", "job": NOBODY, "file": "a.wav"}, "no such id"),
        ({"task": "delete"}, "task"),
        ({"task": "export", "job": NOBODY, "file": "../a.wav"}, "no such id"),
        ({"task": "generate", "motion": NOBODY, "composed": {"midi": True}}, "composer"),
        (
            {
                "task": "generate",
                "motion": NOBODY,
                "options": {"engine": "composer"},
                "composed": {"practice": list(range(50, 60))},
            },
            "up to 8",
        ),
        ({"task": "generate", "motion": NOBODY, "packs": ["cryengine"]}, "packs"),
        ({"task": "export", "job": NOBODY, "file": "a.wav", "packs": ["unity"] * 6}, "packs"),
        (
            {"task": "edit", "job": NOBODY, "file": "a.wav", "changes": {"energy": 7.0}},
            "energy must be 0.1 to 3",
        ),
        (
            {"task": "edit", "job": NOBODY, "file": "a.wav", "changes": {"colour": 1}},
            "unknown key",
        ),
        ([], "object"),
    ],
)
def test_jobs_that_can_not_be_done_are_refused_in_one_line(app, body, word):
    reply = ask(app, "POST", "/v1/jobs", json=body)
    assert reply.status_code in (404, 422)
    assert word in reply.json()["detail"]
    assert "\n" not in reply.json()["detail"]


@pytest.mark.parametrize("text", ['{"task":NaN}', "[" * 100_000, "\ud800", '{"task":1e999}', "{"])
def test_broken_json_is_the_clients_fault(app, text):
    reply = ask(
        app, "POST", "/v1/jobs", content=text.encode("utf-8", "surrogatepass"),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert 400 <= reply.status_code < 500


def test_a_model_that_was_not_offered_is_refused(app, motion):
    job = {"task": "generate", "motion": motion, "model": "/tmp/other"}
    reply = ask(app, "POST", "/v1/jobs", json=job)
    assert (reply.status_code, reply.json()["detail"]) == (422, "model: expected one of default")


def _with_prompt(motion, **prompt):
    options = {"engine": "composer", "prompt": prompt}
    return {"task": "generate", "motion": motion, "options": options}


def test_a_job_has_what_its_prompt_requests(app, motion):
    text = "slow dark house\x1b[2J with a rubber bass,\nno piano, purple"
    reply = ask(app, "POST", "/v1/jobs", json=_with_prompt(motion, text=text))
    assert reply.status_code == 202
    options = reply.json()["request"]["options"]
    assert options["prompt"] == {
        "text": "slow dark house [2J with a rubber bass, no piano, purple",
        "requested": ["tempo:slow", "mode:minor", "tone:dark", "genre:house", "bass:rubber"],
        "excluded": ["instrument:piano"],
        "unknown": ["2j", "purple"],
    }
    assert (options["genre"], options["beats"]["bpm"]) == ("house", "slow")


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"text": "a" * 2001}, "the prompt has 2001 characters; expected 2000 or fewer"),
        ({"text": "\ud83d" * 100_000}, "characters; expected 2000 or fewer"),
        ({"text": ""}, "the prompt is empty"),
        ({"text": "\x00\u202e \n"}, "the prompt is empty"),
        ({"text": 3}, "prompt.text: expected str, found 3"),
        ({"text": ["dark"]}, "prompt.text: expected str"),
        ({"text": "dark", "requested": ["tone:\x1b[2J"]}, "tone:"),
        ({"text": "dark", "colour": 1}, "unknown key 'colour'"),
        ({}, "text"),
    ],
)
def test_a_prompt_that_can_not_be_read_is_refused_in_one_line(app, motion, prompt, said):
    # As text: a part of a character pair alone can't be sent otherwise.
    body, headers = json.dumps(_with_prompt(motion, **prompt)), {"Content-Type": "application/json"}
    reply = ask(app, "POST", "/v1/jobs", content=body, headers=headers)
    detail = reply.json()["detail"]
    assert reply.status_code == 422
    assert said in detail
    assert detail.isprintable()
    assert len(detail) < 400
    assert ask(app, "GET", "/v1/jobs").json() == []


def test_a_prompt_is_read_for_an_engine(app):
    """The bundled model reads the harmony: the mode is no word that it can't do."""
    body = {"text": "happy busy disco, not krump"}
    reply = ask(app, "POST", "/v1/prompts", json=body).json()
    assert reply["requested"] == ["mode:major", "tone:bright", "density:busy", "genre:waacking"]
    assert reply["summary"] == "understood: major, bright, busy, waacking, not krump"
    assert reply["not_followed"] == ["bright", "busy", "no krump"]
    reply = ask(app, "POST", "/v1/prompts", json={**body, "engine": "composer"}).json()
    assert reply["not_followed"] == ["not krump"]
    for wrong, said in (
        ({"text": "a" * 2001}, "the prompt has 2001 characters"),
        ({"text": " "}, "the prompt is empty"),
        ({"text": "dark", "engine": "organ"}, "engine"),
        ({"text": "dark", "model": "../other"}, "model: expected one of default"),
        ({"text": "dark", "colour": 1}, "colour"),
    ):
        reply = ask(app, "POST", "/v1/prompts", json=wrong)
        assert (reply.status_code, said in reply.json()["detail"]) == (422, True), reply.text


def test_files_are_found_by_name_only(app, settings, motion):
    store = app.state.store
    work = store.add("job", {"task": "generate"}, limit=9)
    folder = store.folder_of("job", work.id)
    folder.mkdir(parents=True)
    (folder / "a.wav").write_bytes(b"sound")
    (folder / ".hidden").write_bytes(b"x")
    store.claim("job", "w")
    base = f"/v1/jobs/{work.id}/files"
    assert ask(app, "GET", f"{base}/a.wav").status_code == 404, "not done yet"
    store.finish(work.id, "done")
    assert ask(app, "GET", f"{base}/a.wav").content == b"sound"
    part = ask(app, "GET", f"{base}/a.wav", headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"ou")
    attached = ask(app, "GET", f"{base}/a.wav?download=true")
    assert attached.headers["content-disposition"].startswith("attachment")
    for name in (
        ".hidden",
        "%2e%2e%2fa",
        "..%2f..%2fkinetune.sqlite",
        "%2fetc%2fpasswd",
        "b",
    ):
        assert ask(app, "GET", f"{base}/{name}").status_code == 404


def test_motions_become_a_group(app, motion):
    store = app.state.store
    second = store.add("motion", {"name": "a.bvh", "bytes": 4}, limit=9)
    reply = ask(app, "POST", "/v1/groups", json={"motions": [motion, second.id]})
    group = reply.json()
    assert (reply.status_code, group["status"], group["bytes"]) == (201, "reading", 7)
    assert group["files"] == ["a.bvh", "a-2.bvh"]
    assert ask(app, "GET", f"/v1/motions/{group['id']}").json() == group
    odd = store.add("motion", {"name": "b.bvh", "bytes": 4, "fps": 25.0}, limit=9)
    for motions, status, said in (
        ([motion], 422, "at least 2"),
        ([motion, motion], 422, "named once"),
        ([motion, NOBODY], 404, "no such id"),
        ([motion, group["id"]], 422, "is a group itself"),
        ([motion, odd.id], 422, "unlike fps="),
        ([motion] * 9, 422, "at most 8"),
    ):
        reply = ask(app, "POST", "/v1/groups", json={"motions": motions})
        assert reply.status_code == status
        assert said in reply.json()["detail"]
    store.claim("motion", "w")
    store.finish(second.id, "failed", error="broken")
    reply = ask(app, "POST", "/v1/groups", json={"motions": [motion, second.id]})
    assert (reply.status_code, "broken" in reply.json()["detail"]) == (409, True)


def test_deleting_ends_what_waits_and_then_forgets_it(app, motion):
    job = ask(app, "POST", "/v1/jobs", json={"task": "generate", "motion": motion}).json()
    path = f"/v1/jobs/{job['id']}"
    assert ask(app, "DELETE", path).json()["status"] == "cancelled"
    assert ask(app, "GET", path).json()["status"] == "cancelled"
    assert ask(app, "DELETE", path).status_code == 200
    assert ask(app, "GET", path).status_code == 404


def test_the_stream_ends_with_the_job(app, motion):
    job = ask(app, "POST", "/v1/jobs", json={"task": "generate", "motion": motion}).json()
    app.state.store.cancel(job["id"])
    reply = ask(app, "GET", f"/v1/jobs/{job['id']}/events")
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.text.count("data: ") == 1
    assert '"status":"cancelled"' in reply.text


def test_the_page_is_small_and_names_no_other_server():
    """At most 3 MB; the elements are those of studio/index.html; no address but the own one."""
    sizes = [path.stat().st_size for path in STATIC.iterdir()]
    assert 100_000 < sum(sizes) < 3_000_000
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    source = (REPOSITORY / "studio" / "index.html").read_text(encoding="utf-8")
    ids = re.compile(r'\bid="([^"]+)"')
    assert ids.findall(page) == ids.findall(source)
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.slow
@pytest.mark.skipif(not VITE.exists(), reason="Vite is not installed: cd studio && npm ci")
def test_the_page_is_built_from_its_sources(tmp_path):
    command = [VITE, "build", "--logLevel", "error", "--outDir", tmp_path / "page"]
    subprocess.run(command, cwd=REPOSITORY / "studio", check=True)
    built = {path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()}
    assert built == {path.name: path.read_bytes() for path in STATIC.iterdir()}


def test_the_document_has_all_routes_and_problems(app):
    document = ask(app, "GET", "/openapi.json").json()
    assert "/v1/jobs/{job_id}/files/{name}" in document["paths"]
    assert "429" in document["paths"]["/v1/jobs"]["post"]["responses"]
    genre = document["components"]["schemas"]["MusicOptions"]["properties"]
    assert {"genre", "seed", "beats", "loop", "score"} <= set(genre)
