"""The web shell: every error is a problem document, and nothing of the caller's data comes back in it."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated

import httpx
import pytest
from fastapi import APIRouter, Depends, Request
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from pydantic import BaseModel, Field
from servicekit.auth import Principal, Role, TokenVerifier, require
from servicekit.errors import RetryLaterError
from servicekit.ports import LogAwayError
from servicekit.problems import ProblemError
from servicekit.system import SystemClock
from servicekit.telemetry import Telemetry
from servicekit.testing.tokens import TokenIssuer
from servicekit.web import BODY_BYTES_MAX, create_app

ISSUER = TokenIssuer.generate()
ORIGIN = "https://desk.example"


class Part(BaseModel):
    name: str = Field(max_length=3)
    size: int


class Whole(BaseModel):
    parts: dict[str, list[Part]]


router = APIRouter()


@router.get("/mine")
async def mine(principal: Annotated[Principal, Depends(require("supervisor", "admin"))]) -> dict[str, str]:
    return {"tenant": principal.tenant_id}


@router.post("/wholes")
async def wholes(whole: Whole, dry: bool = False) -> int:
    return len(whole.parts)


@router.get("/gone")
async def gone() -> None:
    raise ProblemError(409, "offer_gone", "The offer has expired.", offer_id="o-1")


@router.get("/away")
async def away() -> None:
    raise RetryLaterError("secret-host:5432")


@router.get("/log-away")
async def log_away() -> None:
    raise LogAwayError("secret-host:9092")


@router.post("/things/{name}/file", status_code=204)
@router.post("/things/{name}/other/file", status_code=204)
@router.post("/big", status_code=204)
async def big(request: Request) -> None:
    await request.body()


@router.get("/bug")
async def bug() -> None:
    raise KeyError("secret")


async def keys() -> bytes:
    return httpx.Response(200, json=ISSUER.jwks()).content


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry("tests")


@pytest.fixture
async def client(telemetry: Telemetry) -> AsyncGenerator[httpx.AsyncClient, None]:
    verifier = TokenVerifier(keys, issuer="centralino", audience="centralino", clock=SystemClock())
    app = create_app(
        "Test",
        "/test/v1",
        routers=[router],
        telemetry=telemetry,
        verifier=verifier,
        allowed_origins=[ORIGIN],
        larger_bodies={"/test/v1/big": 2 * BODY_BYTES_MAX, "/test/v1/things/{name}/file": 2 * BODY_BYTES_MAX},
    )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test/test/v1") as client:
        yield client


def bearer(*roles: Role) -> dict[str, str]:
    token = ISSUER.token(subject="s-1", tenant_id="acme", roles=roles, now_ms=SystemClock().now_ms())
    return {"authorization": f"Bearer {token}"}


async def test_a_caller_in_the_role_is_let_in(client: httpx.AsyncClient) -> None:
    answer = await client.get("/mine", headers=bearer("supervisor"))

    assert (answer.status_code, answer.json()) == (200, {"tenant": "acme"})


@pytest.mark.parametrize(
    ("headers", "status", "code", "challenge"),
    [
        ({}, 401, "token_missing", "Bearer"),
        ({"authorization": "Basic YTpi"}, 401, "token_missing", "Bearer"),
        ({"authorization": "Bearer a.b.c"}, 401, "token_malformed", 'Bearer error="invalid_token"'),
        (bearer("agent"), 403, "role_missing", None),
    ],
)
async def test_a_caller_without_token_or_role_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int, code: str, challenge: str | None
) -> None:
    answer = await client.get("/mine", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers.get("www-authenticate") == challenge


async def test_a_problem_is_a_document_of_rfc_9457_with_its_extensions(client: httpx.AsyncClient) -> None:
    answer = await client.get("/gone")

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:centralino:problem:offer_gone",
        "title": "Conflict",
        "status": 409,
        "detail": "The offer has expired.",
        "code": "offer_gone",
        "offer_id": "o-1",
    }


async def test_every_fault_of_a_request_is_named_by_path_and_not_by_value(client: httpx.AsyncClient) -> None:
    body = {"parts": {"a/b": [{"name": "private words", "size": "big secret"}]}}

    answer = await client.post("/wholes?dry=perhaps", json=body)

    faults = answer.json()["faults"]
    assert answer.status_code == 422
    assert {(fault["where"], fault["path"]) for fault in faults} == {
        ("query", "/dry"),
        ("body", "/parts/a~1b/0/name"),
        ("body", "/parts/a~1b/0/size"),
    }
    assert "private" not in answer.text
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/nowhere", 404, "not_found"), ("/wholes", 405, "method_not_allowed")]
)
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, path: str, status: int, code: str
) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("path", ["/away", "/log-away"])
async def test_a_backend_that_is_away_means_try_later(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "try_later", "1")
    assert "secret" not in answer.text


async def test_a_bug_tells_an_id_to_ask_for_and_nothing_else(client: httpx.AsyncClient) -> None:
    answer = await client.get("/bug", headers={"x-request-id": "ask-7"})

    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "ask-7" in answer.json()["detail"]
    assert "secret" not in answer.text


async def test_an_oversized_body_is_refused_declared_or_not(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536

    declared = await client.post("/wholes", content=b"x" * (BODY_BYTES_MAX + 1))
    streamed = await client.post("/wholes", content=endless(), headers={"content-type": "application/json"})

    assert [declared.status_code, streamed.status_code] == [413, 413]
    assert streamed.json()["code"] == "body_too_large"


async def test_a_path_may_take_larger_bodies_and_has_its_own_limit(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post("/big", content=b"x" * count) for count in (2 * BODY_BYTES_MAX, 2 * BODY_BYTES_MAX + 1)
    ]

    assert [answer.status_code for answer in answers] == [204, 413]
    assert str(2 * BODY_BYTES_MAX) in answers[1].json()["detail"]


async def test_one_segment_of_a_path_that_takes_larger_bodies_may_be_anything(client: httpx.AsyncClient) -> None:
    more = b"x" * (BODY_BYTES_MAX + 1)
    answers = [await client.post(f"/things/{rest}/file", content=more) for rest in ("a.b", "a/other")]

    assert [answer.status_code for answer in answers] == [204, 413]


async def test_answers_carry_a_request_id_and_safe_headers(client: httpx.AsyncClient) -> None:
    given = await client.get("/gone", headers={"x-request-id": "mine-1"})
    strange = await client.get("/gone", headers={"x-request-id": "bad id\t<script>"})

    assert given.headers["x-request-id"] == "mine-1"
    assert len(strange.headers["x-request-id"]) == 32
    assert given.headers["x-content-type-options"] == "nosniff"
    assert given.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in given.headers["content-security-policy"]


async def test_only_listed_origins_may_call_from_a_browser(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/gone", headers={"origin": origin}) for origin in (ORIGIN, "https://evil.example")]

    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == [ORIGIN, None]


async def test_the_description_names_problems_for_every_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    responses = document["paths"]["/test/v1/wholes"]["post"]["responses"]
    assert {"200", "422", "4XX", "5XX"} <= set(responses)
    assert list(responses["422"]["content"]) == ["application/problem+json"]


async def test_a_request_goes_on_with_the_callers_trace_and_is_named_by_its_route(
    client: httpx.AsyncClient, telemetry: Telemetry
) -> None:
    exporter = InMemorySpanExporter()
    telemetry.export_to(SimpleSpanProcessor(exporter))
    await client.get("/gone", headers={"traceparent": f"00-{1:032x}-{2:016x}-01"})
    await client.get("/nowhere/Anna-Rossi")
    known, unknown = exporter.get_finished_spans()
    counted = generate_latest(telemetry.registry).decode()

    assert known.parent is not None
    assert (known.parent.trace_id, known.parent.span_id) == (1, 2)
    assert (known.name, unknown.name) == ("GET /gone", "GET none")
    assert 'centralino_http_request_seconds_count{method="GET",route="none",status="404"} 1.0' in counted
    assert "Anna" not in counted + known.to_json() + unknown.to_json()
