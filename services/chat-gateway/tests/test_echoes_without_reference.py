"""Instagram's echoes name no reference of ours: who wrote what they tell of?"""

from pathlib import Path

import pytest
from chat_gateway.metrics import ProviderMetrics
from chat_gateway.receiving import Landed, Receiving
from chat_gateway.testing.samples import TENANT
from chat_gateway.testing.signals import MemorySignals
from chat_gateway.testing.written import WrittenGateway
from chat_gateway.typing_hints import TypingHints
from contracts.messages import MessageAnnounced
from contracts.written import MessageStatusChanged
from gatewaykit.domain.content import Identifier, Window
from gatewaykit.domain.provider import Capabilities, Echo, Item, Received, Uncertain
from gatewaykit.outgoings import Outgoings
from gatewaykit.sending import SendingLimits, claim, settle
from servicekit.store import EVERY_TENANT
from servicekit.telemetry import Telemetry
from servicekit.testing.fake_http import FakeHttp, programmed

CHANNEL = Capabilities(text_max=1000)


@pytest.mark.parametrize(
    ("provider", "text", "told"),
    [
        ("instagram", "hello", [["unknown", "sent"], []]),
        ("instagram", "by phone", [["unknown"], ["by phone"]]),
        ("messenger", "hello", [["unknown"], ["hello"]]),
    ],
)
async def test_what_nobody_knew_is_known_by_an_echo_of_the_same_words(
    tmp_path: Path, provider: str, text: str, told: list[list[str]]
) -> None:
    address = f"{provider}:one"
    written = WrittenGateway(FakeHttp(programmed()), tmp_path)
    written.address(address, provider, {"provider": provider, "account_id": "1", "secrets": {}})
    metrics = ProviderMetrics(Telemetry("echoes"))
    typing = TypingHints(written.store, MemorySignals(written.clock), metrics)
    receiving = Receiving(written.store, Outgoings(), written.clock, metrics, typing, at_once=1)
    place = written.directory.place(address)
    assert place

    async def take(item: Item) -> None:
        await receiving.take([Landed(provider=provider, place=place, item=item)], size_bytes=1)

    await take(
        Received(
            provider_message_id="q",
            account_id="1",
            counterpart="c1",
            identifiers=(Identifier(type="messenger_psid", value="c1"),),
            text="hi",
            window=Window(opens_at_ms=0, closes_at_ms=None, basis="always"),
        )
    )
    [conversation] = written.conversations(address)
    await written.assign(conversation.interaction_id)
    await written.write(conversation.interaction_id, "m1", "hello")
    now_ms, line = written.clock.now_ms(), (TENANT, address)
    async with written.store.transaction(EVERY_TENANT) as tx:
        [row] = await claim(tx, line, CHANNEL, now_ms, rows_max=1, limits=SendingLimits())
    async with written.store.transaction(EVERY_TENANT) as tx:
        await settle(tx, row, Uncertain(), CHANNEL, now_ms=now_ms, jitter=0)
    echo = Echo(provider_message_id="e", account_id="1", counterpart="c1", text=text, sent_at_ms=now_ms)
    for _ in range(2):
        await take(echo)

    statuses = [each.status for each in written.announced(MessageStatusChanged)]
    assert [statuses, [each.personal["text"] for each in written.announced(MessageAnnounced)]] == told
