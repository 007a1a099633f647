"""What goes over the API about configuration, API keys and development tokens."""

from typing import Annotated, Literal

from contracts.fields import Code, Id, InstantMs
from contracts.plain_text import PlainLine
from pydantic import Field
from servicekit.store import TENANT_PATTERN

from router.api.models import Request, View


class Version(View):
    """A version of the configuration."""

    version: int
    hash: str
    created_at_ms: InstantMs
    created_by: str


class Versions(View):
    """Newest first."""

    versions: list[Version]


class Checked(View):
    """A document that would be activated."""

    active_version: int = Field(description="0 before the first.")
    hash: str
    is_active: bool = Field(description="The document is the active one: activating it makes no new version.")


class Rollback(Request):
    """Back to the document of an earlier version."""

    to_version: Annotated[int, Field(ge=1, le=999_999_999)]


class DomainVersion(View):
    """By which version a domain is routed."""

    domain: Id
    version: int = Field(description="0 while the engine has applied none, or its view is not there.")


class DomainVersions(View):
    """By domain."""

    domains: list[DomainVersion]


class NewApiKey(Request):
    """A key for the program of an integration."""

    integration: Code
    lifetime_days: Annotated[int, Field(ge=1, le=730)] = 365


class IssuedApiKey(View):
    """A new key, shown this once."""

    key: str


class ApiKeyLine(View):
    """A key, without its secret."""

    key_id: str
    integration: str
    expires_at_ms: InstantMs
    revoked_at_ms: InstantMs | None


class ApiKeyLines(View):
    """The tenant's keys, those that end last first."""

    keys: list[ApiKeyLine]


class DevelopmentTokenRequest(Request):
    """Whom the token is for."""

    role: Literal["agent", "supervisor", "admin", "integrator"]
    subject: Id
    tenant: Annotated[str, Field(pattern=TENANT_PATTERN)]
    name: Annotated[PlainLine, Field(min_length=1, max_length=120)] | None = None


class DevelopmentToken(View):
    """An access token."""

    token: str
    expires_in_seconds: int
