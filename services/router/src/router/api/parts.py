"""What routes and sockets work with; made once by `app`, kept in `app.state.parts`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Final, cast
from uuid import NAMESPACE_URL, uuid5

from contracts.fields import Id
from fastapi import Depends, Header
from servicekit.api_keys import ApiKeys
from servicekit.auth import Principal, Role, TokenRefusedError, bearer, require
from servicekit.ports import Chance, Clock, Ids
from servicekit.problems import ProblemError
from servicekit.tickets import Tickets
from starlette.requests import HTTPConnection, Request

from router.api.acts import Act
from router.api.administration import Administration
from router.api.alerts import AlertNews
from router.api.calls import Calls
from router.api.conversations import Conversations
from router.api.handlers import Desk
from router.api.live import ApiLive
from router.api.live_views import LiveViews
from router.api.open_sockets import OpenSockets
from router.api.questions import Questions
from router.api.signals import Signals
from router.api.store import ApiStore, Seat
from router.api.supervision import Supervision
from router.api.uploads import FileParts, Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything behind the API."""

    desk: Desk
    conversations: Conversations
    calls: Calls
    uploads: Uploads
    files: FileParts | None
    """None: no store of files is configured."""
    administration: Administration
    supervision: Supervision
    store: ApiStore
    live: ApiLive
    live_views: LiveViews
    alerts: AlertNews
    questions: Questions
    signals: Signals
    open_sockets: OpenSockets
    tickets: Tickets
    keys_of: Callable[[str], ApiKeys] | None
    """Makes the keeper of API keys for an actor; none where there are no API keys."""
    origins: frozenset[str]
    clock: Clock
    ids: Ids
    chance: Chance


def parts_of(connection: HTTPConnection) -> Parts:
    """The parts of the application that serves this."""
    return cast(Parts, connection.app.state.parts)  # set by app


def require_or_key(*roles: Role) -> Callable[[Request], Awaitable[Principal]]:
    """Like `require(*roles, "integrator")`, but an integrator may show an API key as bearer token."""
    by_token = require(*roles, "integrator")

    async def principal(request: Request) -> Principal:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        keys_of = parts_of(request).keys_of
        if scheme.lower() != "bearer" or not text.startswith("cnt_") or keys_of is None:
            return await by_token(request)
        try:
            return await keys_of("").verify(text.strip())
        except TokenRefusedError as error:
            problem = ProblemError(401, error.code, "The API key was refused.")
            raise problem.with_headers(www_authenticate='Bearer error="invalid_token"') from error

    return principal


async def _parts(request: Request) -> Parts:
    return parts_of(request)


# These ask by themselves instead of through `Depends`: resolving a dependency costs FastAPI more than the asking.
_require_agent: Final = require("agent")


async def _seat(request: Request) -> Seat:
    return await parts_of(request).desk.seat(await _require_agent(request))


IdempotencyKey = Annotated[Id | None, Header(description="Names the command: a retry gets the first result.")]


async def _command_id(request: Request, idempotency_key: IdempotencyKey = None) -> str:
    if idempotency_key is None:
        return parts_of(request).ids.new_id()
    caller = await bearer(request)
    # A key is its caller's own, for the one thing that is asked for: nobody meets another's result by it, and nobody is
    # told that something was done when it was something else.
    asked = sha256(await request.body()).hexdigest()
    scope = (caller.tenant_id, caller.subject, request.method, request.url.path, idempotency_key, asked)
    return uuid5(NAMESPACE_URL, "\n".join(scope)).hex


async def _act(request: Request, idempotency_key: IdempotencyKey = None) -> Act:
    key = None if idempotency_key is None else "\n".join((request.method, request.url.path, idempotency_key))
    return Act(parts_of(request).ids.new_id(), key)


PartsOf = Annotated[Parts, Depends(_parts)]
AgentSeat = Annotated[Seat, Depends(_seat)]
CommandId = Annotated[str, Depends(_command_id)]
"""An agent's."""
AuditedAct = Annotated[Act, Depends(_act)]
