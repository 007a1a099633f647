"""What laws for both stores cannot show."""

import pytest
from gatewaykit.domain.provider import NotUnderstoodError
from gatewaykit.inbound import ID_BYTES_MAX
from gatewaykit.testing.conversation_laws import announced
from gatewaykit.testing.inbound_laws import end, received, take
from gatewaykit.testing.memory import MemoryConversationStore
from servicekit.testing.set_clock import NOW_MS


async def test_a_repetition_is_known_although_the_inbox_has_forgotten_it() -> None:
    store = MemoryConversationStore()
    await take(store, received())
    await end(store, NOW_MS)
    store.database.taken.clear()
    again = await take(store, received())

    assert again.outcome == "repeated"
    assert len(await announced(store)) == 3


@pytest.mark.parametrize("field", ["name", "counterpart"])
async def test_an_id_that_no_index_holds_is_refused(field: str) -> None:
    store, long = MemoryConversationStore(), "\N{SNOWMAN}" * (ID_BYTES_MAX // 3)
    await take(store, received(**{field: long}))

    with pytest.raises(NotUnderstoodError):
        await take(store, received(**{field: long + "xx"}))
