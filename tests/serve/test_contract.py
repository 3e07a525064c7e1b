"""The API against its own OpenAPI document, with requests drawn from it (schemathesis)."""

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis")

from kinetune.serve.app import create_app  # noqa: E402
from kinetune.serve.settings import ServerSettings  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Of the libraries that send the requests.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def contract(tmp_path_factory):
    limits = ServerSettings(data=tmp_path_factory.mktemp("api"), max_queue=5, hosts=("testserver",))
    app = create_app(limits)
    work = app.state.store.add("motion", {"name": "a.bvh", "bytes": 3}, limit=9, work_id="a" * 32)
    app.state.store.claim("motion", "w")
    app.state.store.finish(work.id, "done")
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def test_every_reply_is_one_the_document_names(contract):
    named = schemathesis.checks
    checks = (
        named.not_a_server_error,
        named.status_code_conformance,
        named.content_type_conformance,
        named.response_schema_conformance,
    )
    operations = [result.ok() for result in contract.get_all_operations()]
    assert len(operations) == 17
    for operation in operations:

        @settings(
            max_examples=15, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def check(case):
            case.validate_response(case.call(), checks=checks)

        check()
