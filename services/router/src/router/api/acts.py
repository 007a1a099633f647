"""Notes in the audit what is asked of the engine, before it is asked (S10): each act once, however often it comes.

Who repeats an act names it as before: by the same `Idempotency-Key`, or the same request id. Within the time for which
the engine remembers that, it is the same act, and something else under the same name is refused; afterwards it is
another act, with a row and a command of its own (compare draft-ietf-httpapi-idempotency-key-header-07, section 2).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from contracts.agents import CommandResult
from contracts.call_commands import AttachTranscript, SuperviseCall
from servicekit.auth import Principal
from servicekit.ports import Clock, Ids
from servicekit.problems import ProblemError

from router.api.store import ApiStore, ApiTransaction, AuditRow
from router.domain.inputs import CommandData, RequestData
from router.domain.state import INTERACTIONS_KEPT_MS, RESULTS_KEPT_MS

NOT_CONTENT: Final = frozenset({"command_id", "request_id", "requested_at_ms", "by", "personal"})
"""Other columns of an audit row tell these; personal data stand in none."""
_COMMAND: Final = "command:"
Asked = CommandData | RequestData | SuperviseCall | AttachTranscript


@dataclass(frozen=True, slots=True)
class Act:
    """By what a caller's request to do something is known."""

    command_id: str
    """New."""
    key: str | None
    """The caller's own, with the method and path that it is for."""


class Acts:
    """The audit of commands and requests."""

    def __init__(self, store: ApiStore, clock: Clock, ids: Ids) -> None:
        self._store = store
        self._clock = clock
        self._ids = ids

    async def command(
        self,
        principal: Principal,
        action: str,
        target: str,
        command: CommandData | SuperviseCall | AttachTranscript,
        key: str | None,
    ) -> str:
        """The id to ask under: the command's own, or of a repeated act the first. Raises ProblemError 422."""
        row = self._row(principal, action, target, f"{_COMMAND}{command.command_id}", command)
        asked_as = None if key is None else _named_by(principal, key)
        audit_id = await self._noted(principal.tenant_id, row, asked_as, RESULTS_KEPT_MS)
        if audit_id is None:
            detail = "This Idempotency-Key named something else within the hour. Take a new key for a new act."
            raise ProblemError(422, "idempotency_key_reused", detail)
        return audit_id.removeprefix(_COMMAND)

    async def request(self, principal: Principal, action: str, request: RequestData) -> None:
        """Raises ProblemError 422 when the id names another request."""
        row = self._row(principal, action, request.interaction_id, f"request:{self._ids.new_id()}", request)
        asked_as = _request(request.domain, request.request_id)
        if await self._noted(principal.tenant_id, row, asked_as, INTERACTIONS_KEPT_MS) is None:
            raise ProblemError(422, "request_id_reused", "This request_id names another request. Take a new one.")

    def _row(self, principal: Principal, action: str, target: str, audit_id: str, asked: Asked) -> AuditRow:
        return AuditRow(
            audit_id=audit_id,
            at_ms=self._clock.now_ms(),
            actor=principal.subject,
            action=action,
            target=target,
            content=_content(asked),
        )

    async def _noted(self, tenant_id: str, row: AuditRow, asked_as: str | None, kept_ms: int) -> str | None:
        async with self._store.transaction(tenant_id) as transaction:
            if asked_as is None:
                await transaction.audit(row)
                return row.audit_id
            return await transaction.audit_once(row, asked_as, since_ms=row.at_ms - kept_ms)


async def audit_of(transaction: ApiTransaction, result: CommandResult) -> str | None:
    """The id of the audit row of what this is the result of; none for what was not asked for here."""
    if result.agent_id is None:  # a request, whose id is the caller's own, so it is kept apart from those of commands
        return await transaction.asked_last(_request(result.domain, result.command_id))
    return command_audit(result.command_id)


def command_audit(command_id: str) -> str:
    """The id of a command's audit row."""
    return f"{_COMMAND}{command_id}"


def _named_by(principal: Principal, key: str) -> str:
    """A key is its caller's own, for the one thing that is asked for."""
    return uuid5(NAMESPACE_URL, "\n".join((principal.tenant_id, principal.subject, key))).hex


def _request(domain: str, request_id: str) -> str:
    return f"{domain}/{request_id}"


def _content(asked: Asked) -> Mapping[str, object]:
    """What a command or request says, for the audit, but for personal data."""
    return {name: value for name, value in asdict(asked).items() if value is not None and name not in NOT_CONTENT}
