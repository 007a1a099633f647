"""What the API reads from PostgreSQL, and the little that it writes; every transaction is of one tenant."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Final

from servicekit.database import Database, Row, Transaction, kept_as
from servicekit.statements import statements

from crm.domain.calls import CallStep, Transcript
from crm.domain.cursors import Cursor
from crm.domain.facts import Profile
from crm.domain.routing import Step, Task
from crm.domain.stories import Interaction
from crm.domain.words import query_words, words_of

IDENTIFIERS_MAX: Final = 2000
"""So many are shown on one page of customers."""
FAILED_MESSAGES_MAX: Final = 200
STEPS_MAX: Final = 500
"""So many steps of an interaction's story are shown, the oldest."""
CALL_STEPS_MAX: Final = 500
"""So many things that happened on a call are shown, the first."""
TRANSCRIPTS_MAX: Final = 20
CHAIN_MAX: Final = 100
"""So many interactions that go on from one another are read as one story."""
_LAST_CHARACTER: Final = "\U0010ffff"


class CrmViews:
    """Opens reading transactions of one tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, tenant_id: str) -> AbstractAsyncContextManager["View"]:
        """What this tenant has, and nothing else."""
        return self._database.transaction(tenant_id, View)


class View(Transaction):
    """Pages hold at most `rows_max` rows."""

    async def customers(self, query: str, cursor: Cursor, *, rows_max: int) -> Sequence[Row]:
        """Customers with a word beginning like each word of the query, newest first; all for an empty query."""
        page = {"tenant": self.tenant_text, "at_ms": cursor.at_ms, "key": cursor.key, "rows_max": rows_max}
        words = query_words(query)
        if not words:
            return [] if query.strip() else await self.all(_sql()["customers"], **page)
        ends = [word + _LAST_CHARACTER for word in words]
        return await self.all(
            _sql()["customers_found"], first=words[0], first_end=ends[0], words=words[1:], ends=ends[1:], **page
        )

    async def customer(self, customer_id: str) -> Row | None:
        """`customer_id`, `name`, `created_at_ms`, `tier`, `language`, `labels`."""
        return await self.one(_sql()["customer"], tenant=self.tenant_text, customer_id=customer_id)

    async def locked_profile(self, customer_id: str) -> Profile | None:
        """What is said of the customer for routing; nobody else changes it before this transaction is over."""
        row = await self.one(_sql()["locked_customer"], tenant=self.tenant_text, customer_id=customer_id)
        return Profile(tier=row["tier"], language=row["language"], labels=tuple(row["labels"])) if row else None

    async def change_profile(self, customer_id: str, profile: Profile) -> None:
        """This is said of the customer from now on; the last agent is not said but found."""
        await self.execute(
            _sql()["change_customer"],
            tenant=self.tenant_text,
            customer_id=customer_id,
            tier=profile.tier,
            language=profile.language,
            labels=json.dumps(profile.labels),
        )

    async def audit(self, audit_id: str, *, at_ms: int, actor: str, action: str, target: str) -> None:
        """Keep who did what."""
        await self.execute(
            _sql()["audit"],
            tenant=self.tenant_text,
            audit_id=audit_id,
            at_ms=at_ms,
            actor=actor,
            action=action,
            target=target,
        )

    async def identifiers(self, customer_ids: Collection[str]) -> Mapping[str, Sequence[Row]]:
        """`type`, `value`, `verified` of what each of these customers holds."""
        rows = await self.all(
            _sql()["identifiers"],
            tenant=self.tenant_text,
            customer_ids=list(customer_ids),
            rows_max=IDENTIFIERS_MAX,
        )
        found: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            found[row["customer_id"]].append(row)
        return found

    async def interaction(self, interaction_id: str) -> Interaction | None:
        """The interaction as it is."""
        row = await self.one(_sql()["interaction"], tenant=self.tenant_text, interaction_id=interaction_id)
        return kept_as(Interaction, row) if row else None

    async def last_tasks(self, interaction_ids: Collection[str]) -> Mapping[str, Task]:
        """Of each interaction the task that is or was its customer's last, if it has any."""
        rows = await self.all(_sql()["last_tasks"], tenant=self.tenant_text, interaction_ids=list(interaction_ids))
        return {row["interaction_id"]: kept_as(Task, row) for row in rows}

    async def steps(self, interaction_id: str) -> Sequence[Step]:
        """What the router did about the interaction, in order."""
        rows = await self.all(
            _sql()["steps"], tenant=self.tenant_text, interaction_id=interaction_id, rows_max=STEPS_MAX
        )
        return [kept_as(Step, row) for row in rows]

    async def call_steps(self, interaction_id: str, *, confidential: bool) -> Sequence[CallStep]:
        """What happened on the call, in order; `confidential`: all of it."""
        rows = await self.all(
            _sql()["call_steps"],
            tenant=self.tenant_text,
            interaction_id=interaction_id,
            confidential=confidential,
            rows_max=CALL_STEPS_MAX,
        )
        return [kept_as(CallStep, row) for row in rows]

    async def transcripts(self, interaction_id: str) -> Sequence[Transcript]:
        """What was said on the call, by those who wrote it down, the first first."""
        rows = await self.all(
            _sql()["transcripts"], tenant=self.tenant_text, interaction_id=interaction_id, rows_max=TRANSCRIPTS_MAX
        )
        return [kept_as(Transcript, row) for row in rows]

    async def failed_messages(self, interaction_id: str) -> Sequence[Row]:
        """What did not get through, oldest first."""
        return await self.all(
            _sql()["failed_messages"],
            tenant=self.tenant_text,
            interaction_id=interaction_id,
            rows_max=FAILED_MESSAGES_MAX,
        )

    async def window(self, interaction_id: str) -> Row | None:
        """`opens_at_ms`, `closes_at_ms`, `basis`, `changed_at_ms`, if one was told of."""
        return await self.one(_sql()["window"], tenant=self.tenant_text, interaction_id=interaction_id)

    async def continued_by(self, interaction_id: str) -> Sequence[str]:
        """The interactions that go on from this one, oldest first."""
        rows = await self.all(
            _sql()["continued_by"], tenant=self.tenant_text, interaction_id=interaction_id, rows_max=CHAIN_MAX
        )
        return [row["interaction_id"] for row in rows]

    async def messages(self, interaction_id: str, *, after: int, rows_max: int) -> Sequence[Row]:
        """The conversation behind a number, in order, and what became of each message."""
        return await self.all(
            _sql()["messages"],
            tenant=self.tenant_text,
            interaction_id=interaction_id,
            after=after,
            rows_max=rows_max,
        )

    async def timeline(self, customer_id: str, cursor: Cursor, *, rows_max: int, confidential: bool) -> Sequence[Row]:
        """Beginnings of interactions (`number` 0), messages, and (`event_id`) what happened on calls, newest first."""
        page = {**self._page(cursor, rows_max), "confidential": confidential}
        return await self.all(_sql()["timeline"], customer_id=customer_id, interaction_ids=[], **page)

    async def chain(self, interaction_id: str, cursor: Cursor, *, rows_max: int, confidential: bool) -> Sequence[Row]:
        """As `timeline`, of the interaction, those that it goes on from, and those that go on from it."""
        found = await self.all(
            _sql()["chain"], tenant=self.tenant_text, interaction_id=interaction_id, rows_max=CHAIN_MAX
        )
        ids = [row["interaction_id"] for row in found]
        page = {**self._page(cursor, rows_max), "confidential": confidential}
        return await self.all(_sql()["timeline"], customer_id=None, interaction_ids=ids, **page)

    async def found_messages(self, query: str, cursor: Cursor, *, rows_max: int) -> Sequence[Row]:
        """Messages that have all words of the query, newest first, with the `customer_id` of their interaction."""
        words = sorted(words_of(query), key=len, reverse=True)
        if not words:
            return []
        first, *others = words
        return await self.all(_sql()["found_messages"], first=first, others=others, **self._page(cursor, rows_max))

    def _page(self, cursor: Cursor, rows_max: int) -> dict[str, object]:
        return {
            "tenant": self.tenant_text,
            "at_ms": cursor.at_ms,
            "key": cursor.key,
            "number": cursor.number,
            "rows_max": rows_max,
        }


@cache
def _sql() -> Mapping[str, str]:
    return statements("crm", "sql/views.sql")
