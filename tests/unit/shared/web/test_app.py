"""What every service's app has: request ids, health, metrics and documents."""

import asyncio
import json

import pytest
from fastapi import APIRouter
from structlog.contextvars import get_contextvars

from shared.web.app import make_app
from tests.unit.shared.web.example import FAULTS, calling, example_app, example_settings


async def test_every_answer_carries_a_request_id() -> None:
    FAULTS["one"] = RuntimeError()
    async with calling(example_app()) as client:
        answers = [
            await client.get(address) for address in ("/healthz", "/nothing", "/fault/one", "/v1/requests?limit=0")
        ]
        answers.append(await client.post("/v1/requests", content=b"x" * 70_000))
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


async def test_a_sane_request_id_is_taken_over_and_another_is_not() -> None:
    async with calling(example_app()) as client:
        assert (await client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"})).headers[
            "x-request-id"
        ] == "abc-1.2_3"
        for strange in ("a b", "x" * 65, "a\tb", "", 'a"b'):
            answer = await client.get("/healthz", headers={"X-Request-Id": strange})
            assert answer.headers["x-request-id"] not in {strange, ""}


async def test_a_calls_context_ends_with_the_call() -> None:
    async with calling(example_app()) as client:
        await client.get("/healthz")
    assert "request_id" not in get_contextvars()


async def test_readiness_names_each_part_and_its_reason() -> None:
    async def fine() -> None:
        return None

    async def lagging() -> str:
        return "no consumer on lockbox.in.approval"

    async def broken() -> None:
        raise ConnectionRefusedError("postgresql://approval:pw@127.0.0.1 refused")

    async with calling(example_app({"database": fine})) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ready", "checks": {"database": "ok"}})
    async with calling(example_app({"database": broken, "queue": lagging, "broker": fine})) as client:
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {
            "status": "unavailable",
            "checks": {
                "database": "failed: ConnectionRefusedError",
                "queue": "no consumer on lockbox.in.approval",
                "broker": "ok",
            },
        }


async def test_a_part_that_never_answers_does_not_hold_readiness_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.web.health.CHECK_SECONDS", 0.05)

    async def stuck() -> None:
        await asyncio.Event().wait()

    async with calling(example_app({"broker": stuck})) as client:
        answer = await client.get("/readyz")
    assert answer.json()["checks"]["broker"].startswith("no answer within")


async def test_parts_may_be_named_once_the_service_has_started() -> None:
    async def fine() -> None:
        return None

    checks: dict[str, object] = {}
    async with calling(example_app(checks)) as client:  # type: ignore[arg-type]  # A dict that is filled later.
        checks["database"] = fine
        assert (await client.get("/readyz")).json()["checks"] == {"database": "ok"}


async def test_calls_are_counted_by_route_not_by_address() -> None:
    async with calling(example_app()) as client:
        await client.post("/v1/requests/1/withdraw")
        await client.get("/somewhere/private")
        metrics = (await client.get("/metrics")).text
    assert 'lockbox_http_answers_total{method="POST",route="/v1/requests/{id}/withdraw",status="404"}' in metrics
    assert "private" not in metrics
    assert "lockbox_http_seconds_bucket" in metrics


async def test_the_document_names_the_problems_of_every_route() -> None:
    async with calling(example_app()) as client:
        document = (await client.get("/openapi.json")).json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert operations
    for operation in operations:
        assert {"500", "503"} <= operation["responses"].keys()
        for status, response in operation["responses"].items():
            if status >= "400" and not (operation["operationId"] == "readyz" and status == "503"):
                assert list(response["content"]) == ["application/problem+json"]
    submit = document["paths"]["/v1/requests"]["post"]["responses"]
    assert {"201", "400", "409", "413", "415", "422"} <= submit.keys()
    assert "401" in document["paths"]["/v1/requests/{id}/approve"]["post"]["responses"]
    assert "HTTPValidationError" not in json.dumps(document)


async def test_the_page_of_the_document_lists_the_routes_and_loads_nothing() -> None:
    async with calling(example_app()) as client:
        page = await client.get("/docs")
    assert "<code>/v1/requests/{id}/approve</code>" in page.text
    assert "src=" not in page.text
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_router_that_would_read_bodies_unchecked_is_refused() -> None:
    router = APIRouter()

    @router.post("/v1/thing")
    async def thing() -> None:
        return None

    with pytest.raises(TypeError, match="/v1/thing"):
        make_app("approval", example_settings(), title="x", routers=[router])
