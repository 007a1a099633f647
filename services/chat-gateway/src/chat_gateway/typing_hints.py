"""Passes on that customers of providers' channels are writing, as web chat does: to who has the conversation."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gatewaykit.domain.provider import Account, Item, Typing
from servicekit.errors import RetryLaterError

from chat_gateway.live import Signals
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.store import ChatStore

HINTS_MAX: Final = 20
"""Of one delivery; it is about this moment, in which nobody has more customers."""


class TypingHints:
    """Keeps nothing: a hint that cannot be passed on now is worth nothing later, and the delivery is taken all the
    same."""

    def __init__(self, store: ChatStore, signals: Signals, metrics: ProviderMetrics) -> None:
        self._store = store
        self._signals = signals
        self._metrics = metrics

    async def pass_on(self, account: Account, items: Sequence[Item]) -> None:
        """Those hints of a delivery that are about an open conversation at the account's address."""
        hints = [item for item in items if isinstance(item, Typing) and item.account_id == account.account_id]
        if not hints:
            return
        counterparts = list(dict.fromkeys(hint.counterpart for hint in hints))[:HINTS_MAX]
        self._metrics.items.labels(account.provider, "typing").inc(len(hints))
        with suppress(RetryLaterError):
            async with self._store.transaction(account.tenant_id) as tx:
                open_ones = await tx.open_interactions((account.tenant_id, account.address), counterparts)
            for interaction_id in open_ones:
                await self._signals.typing(interaction_id)
