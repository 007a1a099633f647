"""Admins: the tenant's configuration and API keys."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Annotated, Any, Final

from contracts.configuration import TenantConfiguration
from contracts.fields import Code
from fastapi import APIRouter, Depends, Header, Path
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from servicekit.api_keys import ApiKeys, TooManyKeysError
from servicekit.auth import Principal, require
from servicekit.problems import ProblemError
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from router.api.administration import refuse_wrong_form
from router.api.keys import KeptApiKeys
from router.api.models_admin import (
    ApiKeyLine,
    ApiKeyLines,
    Checked,
    DomainVersion,
    DomainVersions,
    IssuedApiKey,
    NewApiKey,
    Rollback,
    Version,
    Versions,
)
from router.api.parts import Parts, PartsOf, require_or_key

DAY_SECONDS: Final = 86_400
CONFIGURATION_PATH: Final = "/configuration"
CONFIGURATION_BYTES_MAX: Final = 8 * 1024 * 1024
"""So that a document with as many agents as one may have fits: some 500 bytes for each."""
CHECK_PATH: Final = f"{CONFIGURATION_PATH}/check"
_require_admin: Final = require("admin")
_require_admin_or_key: Final = require_or_key("admin")
Admin = Annotated[Principal, Depends(_require_admin)]
IfMatch = Annotated[str | None, Header(description='ETag of the active version; `"0"` for the first.')]


class _AllFaultsRoute(APIRoute):
    """Where the document's form is wrong, it is told in plain words, and wrong references in the rest of it with it."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # the library's own signature
        handle = super().get_route_handler()

        async def handle_with_all_faults(request: Request) -> Response:
            if request.method != "GET":  # before the body, which may be large, is read
                await (_require_admin if request.method == "PUT" else _require_admin_or_key)(request)
            try:
                return await handle(request)
            except RequestValidationError as error:
                is_json = all(each["type"] != "json_invalid" for each in error.errors())
                if is_json and self.path.endswith((CONFIGURATION_PATH, CHECK_PATH)):
                    refuse_wrong_form(error.body)
                raise

        return handle_with_all_faults


ROUTES: Final = APIRouter(tags=["administration"], route_class=_AllFaultsRoute)
KEY_ROUTES: Final = APIRouter(tags=["administration"])


@ROUTES.get(CONFIGURATION_PATH, summary="The active configuration")
async def configuration(
    principal: Annotated[Principal, Depends(require_or_key("admin", "supervisor"))],
    parts: PartsOf,
    response: Response,
) -> TenantConfiguration:
    """The document; its version is the ETag."""
    active = await parts.administration.active(principal.tenant_id)
    response.headers["etag"] = f'"{active.line.version}"'
    return active.configuration


@ROUTES.put(CONFIGURATION_PATH, summary="Activate a configuration")
async def activate(
    principal: Admin,
    parts: PartsOf,
    response: Response,
    wanted: TenantConfiguration,
    if_match: IfMatch = None,
) -> Version:
    """The whole document, checked as a whole; the active document again makes no new version."""
    line = await parts.administration.activate(principal, wanted, expected_version=_version(if_match))
    response.headers["etag"] = f'"{line.version}"'
    return Version(**asdict(line))


@ROUTES.get("/configuration/versions", summary="Versions of the configuration")
async def versions(principal: Admin, parts: PartsOf) -> Versions:
    """The newest 200."""
    lines = await parts.administration.versions(principal.tenant_id)
    return Versions(versions=[Version(**asdict(line)) for line in lines])


@ROUTES.get(
    "/configuration/versions/{version}",
    summary="The document of a version",
    response_model=TenantConfiguration,
)
async def version_document(
    principal: Admin, parts: PartsOf, version: Annotated[int, Path(ge=1, le=999_999_999)]
) -> Response:
    """As it was activated, every version that ever was. Its version is the ETag."""
    document = await parts.administration.document(principal.tenant_id, version)
    return Response(document, media_type="application/json", headers={"etag": f'"{version}"'})


@ROUTES.post(CHECK_PATH, summary="Check a configuration")
async def check(
    principal: Annotated[Principal, Depends(_require_admin_or_key)], parts: PartsOf, wanted: TenantConfiguration
) -> Checked:
    """All that activating it would find, addresses of other tenants and domains in use too; changes nothing."""
    return await parts.administration.check(principal.tenant_id, wanted)


@ROUTES.post("/configuration/rollback", summary="Activate an earlier version's document")
async def roll_back(
    principal: Admin, parts: PartsOf, response: Response, wanted: Rollback, if_match: IfMatch = None
) -> Version:
    """Makes a new version of it, audited; refused with its faults if it is no longer valid."""
    line = await parts.administration.roll_back(
        principal, to_version=wanted.to_version, expected_version=_version(if_match)
    )
    response.headers["etag"] = f'"{line.version}"'
    return Version(**asdict(line))


@ROUTES.get("/configuration/applied", summary="Which version each domain is routed by")
async def applied(principal: Admin, parts: PartsOf) -> DomainVersions:
    """A domain switches to a version by itself soon after it was activated."""
    places = await parts.desk.places(principal.tenant_id)
    versions = [(place.domain, (await parts.live.domain(place)).version) for place in places]
    return DomainVersions(domains=[DomainVersion(domain=domain, version=version) for domain, version in versions])


@KEY_ROUTES.get("/api-keys", summary="API keys")
async def api_keys(principal: Admin, parts: PartsOf) -> ApiKeyLines:
    """All keys of the tenant, without their secrets."""
    kept = KeptApiKeys(parts.store, actor=principal.subject, now_ms=parts.clock.now_ms())
    lines = [
        ApiKeyLine(
            key_id=key.key_id,
            integration=key.integration,
            expires_at_ms=key.expires_at_ms,
            revoked_at_ms=key.revoked_at_ms,
        )
        for key in await kept.of_tenant(principal.tenant_id)
    ]
    return ApiKeyLines(keys=lines)


@KEY_ROUTES.post("/api-keys", summary="Issue an API key", status_code=201)
async def issue_api_key(principal: Admin, parts: PartsOf, wanted: NewApiKey) -> IssuedApiKey:
    """Shown this once. An integration has at most two live keys."""
    keys = _keys(parts, principal)
    try:
        key = await keys.issue(
            tenant_id=principal.tenant_id,
            integration=wanted.integration,
            lifetime_seconds=wanted.lifetime_days * DAY_SECONDS,
        )
    except TooManyKeysError as error:
        raise ProblemError(409, "too_many_keys", "This integration has two live keys; revoke one first.") from error
    return IssuedApiKey(key=key)


@KEY_ROUTES.delete("/api-keys/{integration}/{key_id}", summary="Revoke an API key", status_code=204)
async def revoke_api_key(
    principal: Admin, parts: PartsOf, integration: Annotated[Code, Path()], key_id: Annotated[str, Path(max_length=64)]
) -> None:
    """At once."""
    keys = _keys(parts, principal)
    if not await keys.revoke(tenant_id=principal.tenant_id, integration=integration, key_id=key_id):
        raise ProblemError(404, "key_unknown", "The integration has no such key.")


def _keys(parts: Parts, principal: Principal) -> ApiKeys:
    if parts.keys_of is None:  # the routes stand only where there are keys
        raise ProblemError(404, "no_api_keys", "This installation has no API keys.")
    return parts.keys_of(principal.subject)


def _version(if_match: str | None) -> int:
    if if_match is None:
        raise ProblemError(428, "if_match_missing", 'Send If-Match with the ETag you read; "0" for the first.')
    match = re.fullmatch(r'"(\d{1,9})"', if_match.strip())
    if match is None:
        raise ProblemError(412, "version_changed", "If-Match is no ETag of a configuration.")
    return int(match[1])
