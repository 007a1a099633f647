"""Errors over HTTP: problem+json (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(Exception):
    """A request was refused; `code` is for programs, `detail` for people and free of personal data.

    Further members of the document (RFC 9457 section 3.2) are keyword arguments: `faults=[...]`.
    """

    def __init__(self, status: int, code: str, detail: str, **extensions: object) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.extensions = extensions
        self.headers: dict[str, str] = {}

    def with_headers(self, **headers: str) -> "ProblemError":
        """The same with response headers; underscores stand for hyphens."""
        self.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self


class Fault(BaseModel):
    """One thing wrong with the request; `path` is a JSON Pointer (RFC 6901) into the part named by `where`."""

    where: str = Field(description="body, query, path, header or cookie")
    path: str
    message: str


class Problem(BaseModel):
    """The document, for OpenAPI."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="urn:centralino:problem:<code>")
    title: str
    status: int
    detail: str
    code: str
    faults: list[Fault] | None = Field(None, description="Everything wrong with the request, of a 422.")


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    extensions: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response; its title is the status' own phrase."""
    document = {
        **(extensions or {}),
        "type": f"urn:centralino:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return JSONResponse(document, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)
