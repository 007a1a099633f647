"""Whatever agents split and join while mail comes, each message is in one conversation (S6), with its own number."""

import asyncio
from collections import defaultdict
from typing import Any

import pytest
from contracts import decode
from contracts.interactions import InteractionEnded, InteractionStarted
from contracts.messages import MessageReceived, MessageSent
from contracts.written import MessagesMoved
from email_gateway.domain.threading import reply_address
from email_gateway.testing.desk import Desk
from email_gateway.testing.memory import MemoryMailStore
from email_gateway.testing.samples import KEYS
from gatewaykit.domain.records import Conversation
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from typing_extensions import override

NUMBERS = st.integers(0, 50)


class Moving(RuleBasedStateMachine):
    """One customer writes, an agent has every conversation. A number picks one of what there is. Time stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryMailStore()
        self.desk = Desk(self.store, self.store.outbox)
        self.runner = asyncio.Runner()
        self.letters: list[str] = []
        self.answers: list[str] = []
        self.requests = 0
        self.told: list[Any] = []  # Any: data of any event

    @override
    def teardown(self) -> None:
        self.runner.close()

    def open(self) -> list[Conversation]:
        return [each for each in self.store.database.tables.conversations.values() if each.state != "ended"]

    def picked(self, number: int) -> Conversation:
        return self.open()[number % len(self.open())]

    def get(self, *fields: str, **more: str) -> str:
        name = f"m{len(self.letters)}"
        self.letters.append(name)
        interaction_id = self.runner.run(self.desk.get(name, *fields, **more))
        self.runner.run(self.desk.assign(interaction_id))
        return interaction_id

    def data(self) -> list[Any]:  # Any: data of any event
        for row in self.store.outbox.rows[len(self.told) :]:
            self.told.append(decode(row.outgoing.value, row.outgoing.headers).data)
        return self.told

    def request(self) -> str:
        self.requests += 1
        return f"r{self.requests}"

    @rule()
    def write_anew(self) -> None:
        self.get()

    @precondition(lambda self: self.letters)
    @rule(number=NUMBERS)
    def write_again(self, number: int) -> None:
        name = self.letters[number % len(self.letters)]
        message = next(each for each in self.store.database.tables.messages.values() if each.text == name)
        open_now = {each.interaction_id for each in self.open()}
        interaction_id = self.get(f"In-Reply-To: <{name}@customer.example>")

        assert interaction_id == message.interaction_id or message.interaction_id not in open_now

    @precondition(lambda self: self.letters)
    @rule(number=NUMBERS)
    def write_to_a_reply_address(self, number: int) -> None:
        """Of a conversation that may have been joined to others since."""
        kept = list(self.store.database.tables.conversations.values())
        home = kept[number % len(kept)]
        into = next((each for each in self.open() if each.counterpart == home.counterpart), None)
        interaction_id = self.get(to=reply_address(home.interaction_id, "shop.example", KEYS))

        assert into is None or interaction_id == into.interaction_id

    @precondition(lambda self: self.open())
    @rule(number=NUMBERS)
    def answer(self, number: int) -> None:
        name = f"a{len(self.answers)}"
        self.answers.append(name)
        self.runner.run(self.desk.answer(self.picked(number).interaction_id, name))

    @precondition(lambda self: self.open())
    @rule(number=NUMBERS, some=st.sets(st.integers(0, 8), min_size=1), again=st.booleans())
    def split(self, number: int, some: set[int], again: bool) -> None:  # hypothesis gives it by name
        before = self.picked(number)
        messages = self.runner.run(self.desk.messages(before.interaction_id))
        names = [each.message_id for place, each in enumerate(messages) if place in some]
        request_id = self.request()
        for _ in range(1 + again if names else 0):
            self.runner.run(self.desk.split(before.interaction_id, *names, request_id=request_id))
        for each in self.open():
            if each.state == "waiting":
                self.runner.run(self.desk.assign(each.interaction_id))

    @precondition(lambda self: len(self.open()) > 1)
    @rule(number=NUMBERS, step=st.integers(1, 3), again=st.booleans())
    def join(self, number: int, step: int, again: bool) -> None:  # hypothesis gives it by name
        into, other = self.picked(number), self.picked(number + step)
        request_id = self.request()
        for _ in range(1 + again):
            self.runner.run(self.desk.join(into.interaction_id, other.interaction_id, request_id=request_id))

    @invariant()
    def each_message_is_somewhere_once_and_numbers_rise(self) -> None:
        kept = list(self.store.database.tables.messages.values())
        conversations = self.store.database.tables.conversations

        assert sorted(each.text for each in kept) == sorted([*self.letters, *self.answers])
        assert len({each.message_id for each in kept}) == len(kept)
        for (_, interaction_id, number), each in self.store.database.tables.messages.items():
            assert (each.interaction_id, each.number) == (interaction_id, number)
            assert number <= conversations[each.tenant_id, interaction_id].last_number

    @invariant()
    def no_number_ever_stood_for_two_messages(self) -> None:
        stood: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        last: dict[str, int] = {}
        for each in self.data():
            if isinstance(each, MessageReceived | MessageSent):
                places = [(each.interaction_id, each.number, each.message_id)]
            elif isinstance(each, MessagesMoved):
                places = [(each.to_interaction_id, one.number, one.message_id) for one in each.moved]
            else:
                continue
            for interaction_id, number, message_id in places:
                stood[interaction_id, number].add(message_id)
                assert number == last.get(interaction_id, 0) + 1
                last[interaction_id] = number
        assert all(len(names) == 1 for names in stood.values())

    @invariant()
    def who_follows_the_events_in_any_order_knows_where_each_message_is(self) -> None:
        """As the CRM does: the latest move counts."""
        places: dict[str, tuple[int, str, int]] = {}
        for each in reversed(self.data()):
            if isinstance(each, MessageReceived | MessageSent):
                told = (0, each.interaction_id, each.number)
                places[each.message_id] = max(places.get(each.message_id, told), told)
            elif isinstance(each, MessagesMoved):
                for one in each.moved:
                    told = (each.moved_at_ms, each.to_interaction_id, one.number)
                    places[one.message_id] = max(places.get(one.message_id, told), told)
        kept = self.store.database.tables.messages.values()

        assert {name: place[1:] for name, place in places.items()} == {
            each.message_id: (each.interaction_id, each.number) for each in kept
        }

    @invariant()
    def what_goes_along_is_where_its_message_is(self) -> None:
        tables = self.store.database.tables
        home = {each.message_id: each.interaction_id for each in tables.messages.values()}
        known = {each.provider_message_id: each for each in tables.messages.values() if each.provider_message_id}

        assert all(row.interaction_id == home[row.message_id] for row in tables.outgoings.values())
        assert all(kept[0] == home[name] for (_, name), kept in tables.originals.items())
        for (_, _, id_hash), mail in tables.mail.items():
            if id_hash in known:
                place = tables.conversations[mail.tenant_id, known[id_hash].interaction_id]
                assert (mail.interaction_id, mail.thread) == (place.interaction_id, place.counterpart)

    @invariant()
    def each_interaction_starts_and_ends_once(self) -> None:
        events = self.data()
        started = [each.interaction_id for each in events if isinstance(each, InteractionStarted)]
        ended = [each.interaction_id for each in events if isinstance(each, InteractionEnded)]

        assert sorted(started) == sorted(key[1] for key in self.store.database.tables.conversations)
        assert len(set(ended)) == len(ended)
        assert set(started) - set(ended) == {each.interaction_id for each in self.open()}


TestMoving = pytest.mark.timeout(300)(Moving.TestCase)  # what fails is made small first, and then told
TestMoving.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
