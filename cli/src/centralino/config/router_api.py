"""The router's API as `centralino config` and `centralino explain` use it."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import BaseHandler, HTTPRedirectHandler, ProxyHandler, Request, build_opener

from contracts.configuration import TenantConfiguration
from contracts.configuration_faults import Fault
from pydantic import ValidationError
from typing_extensions import override

from centralino.config.errors import ConfigError, FaultsError

PREFIX: Final = "/router/v1"
TIMEOUT_SECONDS: Final = 60.0
"""A document of 15 000 agents takes the API seconds."""
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

Json = dict[str, Any]  # Any: an answer


@dataclass(frozen=True, slots=True)
class Active:
    """The active version; 0 and none before the first."""

    version: int
    configuration: TenantConfiguration | None


class RouterApi:
    """Asks in the name of one token or API key. Every method raises ConfigError with what to do."""

    def __init__(self, origin: str, bearer: str) -> None:
        self._base = origin.rstrip("/").removesuffix(PREFIX) + PREFIX
        parts = urlsplit(self._base)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(f"{origin} is no address of the router's API: it begins with http:// or https://.")
        self._bearer = bearer.strip()
        if not self._bearer.isascii() or not self._bearer.isprintable() or " " in self._bearer:
            raise ConfigError("The token is no token: it has other characters than letters, digits and punctuation.")
        # A proxy of the environment is for other hosts; a redirect would take the token along to anywhere.
        handlers: list[BaseHandler] = [_NoRedirects()]
        if parts.hostname in _LOOPBACK:
            handlers.append(ProxyHandler({}))
        self._opener = build_opener(*handlers)

    def active(self) -> Active:
        """The active configuration."""
        status, headers, text = self._answer("GET", "/configuration")
        if status == 404:
            return Active(0, None)
        version = _checked(status, text) and headers.get("etag", "").strip('"')
        return Active(int(version), _read(text))

    def document(self, version: int) -> TenantConfiguration:
        """The document of a version."""
        return _read(self._asked("GET", f"/configuration/versions/{version}"))

    def check(self, wanted: TenantConfiguration) -> None:
        """Raises FaultsError with everything that the server would refuse."""
        self._asked("POST", "/configuration/check", wanted.model_dump(mode="json"))

    def activate(self, wanted: TenantConfiguration, *, on_version: int) -> int:
        """The new version. Raises FaultsError."""
        text = self._asked("PUT", "/configuration", wanted.model_dump(mode="json"), if_match=on_version)
        return int(_json(text)["version"])

    def roll_back(self, *, to_version: int, on_version: int) -> int:
        """The new version. Raises FaultsError."""
        text = self._asked("POST", "/configuration/rollback", {"to_version": to_version}, if_match=on_version)
        return int(_json(text)["version"])

    def versions(self) -> list[Json]:
        """Newest first: version, hash, created_at_ms, created_by."""
        return list(_json(self._asked("GET", "/configuration/versions"))["versions"])

    def applied(self) -> dict[str, int]:
        """By which version each domain is routed."""
        found = _json(self._asked("GET", "/configuration/applied"))["domains"]
        return {each["domain"]: each["version"] for each in found}

    def explained(self, task_id: str) -> str:
        """Why the task is where it is: `router.domain.explain_answers.TaskExplained` as JSON."""
        return self._asked("GET", f"/tasks/{quote(task_id, safe='')}/explain")

    def _asked(self, method: str, path: str, body: object = None, *, if_match: int | None = None) -> str:
        status, _, text = self._answer(method, path, body, if_match=if_match)
        _checked(status, text)
        return text

    def _answer(
        self, method: str, path: str, body: object = None, *, if_match: int | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        headers = {"authorization": f"Bearer {self._bearer}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        if if_match is not None:
            headers["if-match"] = f'"{if_match}"'
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._base + path, data=data, method=method, headers=headers)  # noqa: S310 - scheme is checked
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, _lower(answer.headers), _text(answer)
        except HTTPError as refusal:
            with refusal:
                return refusal.code, _lower(refusal.headers), _text(refusal)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise ConfigError(f"Nobody answers at {self._base}: {reason}. Is `centralino up` running?") from error


class _NoRedirects(HTTPRedirectHandler):
    @override
    def redirect_request(self, *_: object) -> None:
        return None


def _text(answer: Any) -> str:  # Any: a response or a refusal
    content: bytes = answer.read(ANSWER_BYTES_MAX + 1)
    if len(content) > ANSWER_BYTES_MAX:
        raise ConfigError(f"The answer has more than {ANSWER_BYTES_MAX // 2**20} MiB.")
    return content.decode("utf-8", "replace")


def _lower(headers: Any) -> dict[str, str]:  # Any: email.message.Message
    return {name.lower(): value for name, value in headers.items()}


def _json(text: str) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigError("That is no answer of the router's API: look at the address.")
    return found


def _read(text: str) -> TenantConfiguration:
    try:
        return TenantConfiguration.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(
            "The document has what this release of centralino does not know: use the release that the platform runs."
        ) from error


def _checked(status: int, text: str) -> bool:
    """True for an answer. Raises ConfigError for a refusal, FaultsError for a document with faults."""
    if status < 300:
        return True
    try:
        problem = _json(text)
    except ConfigError:
        problem = {}
    if status == 412:
        active = problem.get("active_version")
        raise ConfigError(f"Version {active} was activated meanwhile, and nothing is changed: plan again.")
    if status == 422 and problem.get("faults"):
        raise FaultsError([Fault(fault["path"], fault["message"]) for fault in problem["faults"]])
    said = problem.get("detail", "no reason given")
    if status in {401, 403}:
        raise ConfigError(f"The router's API refuses this token ({problem.get('code', status)}): {said}")
    raise ConfigError(f"The router's API answers {status}: {said}")
