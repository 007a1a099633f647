"""Whatever order a provider's deliveries come in, each customer message is in history exactly once (S6)."""

import asyncio
from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any

import pytest
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.messages import MessageAnnounced, MessageReceived
from contracts.written import MessageEdited, MessageErased
from gatewaykit.domain.provider import Echo, Item, Unsent, WindowChanged
from gatewaykit.domain.records import Conversation
from gatewaykit.inbound import Accepted, message_id_of
from gatewaykit.testing.conversation_laws import announced
from gatewaykit.testing.inbound_laws import ACCOUNT, PLACE, received, take, window
from gatewaykit.testing.memory import MemoryConversationStore
from gatewaykit.testing.together_laws import take_together
from gatewaykit.timers import look_at
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from servicekit.store import EVERY_TENANT
from servicekit.testing.set_clock import NOW_MS
from typing_extensions import override

PEOPLE = st.sampled_from(["ada", "bob"])
NUMBERS = st.integers(0, 5)


class Deliveries(RuleBasedStateMachine):
    """Two people write, edit, take back and react; conversations end in between."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryConversationStore()
        self.runner = asyncio.Runner()
        self.now_ms = NOW_MS
        self.texts: dict[str, str] = {}  # by message id: what the customer's words are now
        self.gone: set[str] = set()
        self.edits: set[str] = set()
        self.reactions: set[str] = set()

    @override
    def teardown(self) -> None:
        self.runner.close()

    def take(self, *items: Item) -> list[Accepted]:
        self.now_ms += 1000

        async def at_once() -> list[Accepted]:
            return list(await asyncio.gather(*(take(self.store, item, now_ms=self.now_ms) for item in items)))

        return self.runner.run(at_once())

    @rule(person=PEOPLE, numbers=st.lists(NUMBERS, min_size=1, max_size=4))
    def messages_at_once(self, person: str, numbers: list[int]) -> None:
        names = [f"{person}-{number}" for number in numbers]
        hours = 24 + sum(numbers)
        self.take(*(received(name, counterpart=person, window=window(hours, from_ms=self.now_ms)) for name in names))
        for name in names:
            message_id = message_id_of(PLACE, name)
            if message_id not in self.gone:
                self.texts.setdefault(message_id, f"text of {name}")

    @rule(said=st.lists(st.tuples(PEOPLE, NUMBERS), min_size=1, max_size=6))
    def messages_together(self, said: list[tuple[str, int]]) -> None:
        self.now_ms += 1000
        items = [received(f"{person}-{number}", counterpart=person, window=window()) for person, number in said]
        self.runner.run(take_together(self.store, [(PLACE, item) for item in items], self.now_ms))
        for item in items:
            message_id = message_id_of(PLACE, item.provider_message_id)
            if message_id not in self.gone:
                self.texts.setdefault(message_id, item.text)

    @rule(person=PEOPLE, number=NUMBERS, edit=NUMBERS)
    def edit(self, person: str, number: int, edit: int) -> None:
        original, name = f"{person}-{number}", f"edit-{person}-{number}-{edit}"
        text = f"edited {edit}"
        self.take(received(name, counterpart=person, edits=original, text=text))
        message_id = message_id_of(PLACE, original)
        if message_id not in self.gone and name not in self.edits:
            self.edits.add(name)
            self.texts[message_id] = text

    @rule(person=PEOPLE, number=NUMBERS)
    def take_back(self, person: str, number: int) -> None:
        message_id = message_id_of(PLACE, f"{person}-{number}")
        self.take(Unsent(provider_message_id=f"{person}-{number}", account_id=ACCOUNT, counterpart=person))
        self.gone.add(message_id)
        if message_id in self.texts:
            self.texts[message_id] = ""

    @rule(person=PEOPLE, number=NUMBERS)
    def react(self, person: str, number: int) -> None:
        name = f"react-{person}-{number}"
        before = self.open_of(person)
        (done,) = self.take(received(name, counterpart=person, text="+1", attributes={"kind": "reaction"}))

        assert (done.outcome == "accepted") == (before is not None and name not in self.reactions)
        self.reactions.add(name)

    @rule(person=PEOPLE, number=NUMBERS)
    def answer_elsewhere(self, person: str, number: int) -> None:
        self.take(Echo(provider_message_id=f"echo-{person}-{number}", account_id=ACCOUNT, counterpart=person))

    @rule(person=PEOPLE)
    def block(self, person: str) -> None:
        self.take(WindowChanged(account_id=ACCOUNT, counterpart=person, window=None))

    @rule(person=PEOPLE)
    def end(self, person: str) -> None:
        """As an agent's last word lets the timers do."""
        conversation = self.open_of(person)
        if conversation is not None:
            self.runner.run(self._silence(conversation))

    async def _silence(self, conversation: Conversation) -> None:
        self.now_ms += PLACE.idle_close_seconds * 1000
        async with self.store.transaction(EVERY_TENANT) as tx:
            idle = replace(conversation, state="open")
            await tx.save_conversation(idle)
            await look_at(tx, [idle], None, now_ms=self.now_ms)

    def open_of(self, person: str) -> Conversation | None:
        kept = self.store.database.tables.conversations.values()
        found = [each for each in kept if each.counterpart == person and each.state != "ended"]
        assert len(found) <= 1
        return found[0] if found else None

    def data(self) -> list[Any]:
        return [event.data for event in self.runner.run(announced(self.store))]

    @invariant()
    def each_message_once_and_numbers_without_gaps(self) -> None:
        numbers, said = defaultdict(list), Counter[str]()
        for each in self.data():
            if isinstance(each, MessageReceived | MessageAnnounced):
                numbers[each.interaction_id].append(each.number)
            if isinstance(each, MessageReceived) and each.attributes.get("kind") != "reaction":
                said[each.message_id] += 1

        assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())
        assert said == Counter(dict.fromkeys(self.texts, 1))

    @invariant()
    def the_kept_words_are_the_customers_last(self) -> None:
        kept = self.store.database.tables.messages.values()
        texts = {each.message_id: each.text for each in kept if each.sender == "customer" and each.text != "+1"}

        assert texts == self.texts

    @invariant()
    def who_follows_the_events_knows_the_same_words(self) -> None:
        told: dict[str, str] = {}
        for each in self.data():
            if isinstance(each, MessageReceived | MessageEdited) and each.personal["text"] != "+1":
                told[each.message_id] = str(each.personal["text"])
            elif isinstance(each, MessageErased):
                told[each.message_id] = ""

        assert told == self.texts

    @invariant()
    def interactions_start_and_end_in_turn_and_no_event_has_the_id_of_another(self) -> None:
        ids = [event.id for event in self.runner.run(announced(self.store))]
        data = self.data()
        started = [each.interaction_id for each in data if isinstance(each, InteractionStarted)]
        ended = [each.interaction_id for each in data if isinstance(each, InteractionEnded)]

        assert len(ids) == len(set(ids))
        assert set(ended) <= set(started)
        assert len(started) - len(ended) == sum(self.open_of(person) is not None for person in ("ada", "bob"))


TestDeliveries = pytest.mark.timeout(300)(Deliveries.TestCase)  # what fails is made small first, and then told
TestDeliveries.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
