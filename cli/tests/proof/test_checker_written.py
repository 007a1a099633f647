"""The checker on written channels: what became of messages after they were told, and how that can be wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from centralino.proof.checker import find_faults
from centralino.proof.faults import report
from centralino.proof.history import History, Said, Stood, Tables
from centralino.proof.testing import DOMAIN, Run, event_of, received, sound_run
from contracts.topics import MESSAGES
from contracts.written import (
    MessageEdited,
    MessageErased,
    MessagesMoved,
    MessageStatus,
    MessageStatusChanged,
    Moved,
    WindowChanged,
)
from servicekit.ports import Partition


@dataclass
class Mail:
    """Of i1 the first message is edited, the third goes to i2 and is taken back; i2 has one of its own behind it."""

    run: Run = field(default_factory=sound_run)
    later: list[object] = field(default_factory=list)
    gateway: list[Said] = field(default_factory=list)
    crm: list[Said] = field(default_factory=list)

    def history(self) -> History:
        """In another partition stands what is told of i2."""
        history = self.run.history()
        at = (history.messages[0].at, Partition(MESSAGES.name, 1))
        told = [
            Stood(at[_about_i2(data)], 100 + place, replace(event_of(data), id=f"e-{place}"), 0)
            for place, data in enumerate(self.later)
        ]
        messages = sorted([*history.messages, *told], key=lambda each: each.at.number)
        tables = Tables(gateway=self.gateway, crm=self.crm, crm_tasks=history.tables.crm_tasks)
        return replace(history, messages=messages, tables=tables)

    def faults(self) -> list[str]:
        return [str(fault) for fault in find_faults(self.history(), finished=False)]


def _about_i2(data: object) -> bool:
    return getattr(data, "interaction_id", "") == "i2"


def moved(message_id: str, number: int, *, left: str = "i1", to: str = "i2", at_ms: int = 10) -> MessagesMoved:
    return MessagesMoved(
        interaction_id=left,
        to_interaction_id=to,
        domain=DOMAIN,
        moved=(Moved(message_id=message_id, number=number),),
        reason="split",
        agent_id="ann",
        moved_at_ms=at_ms,
    )


def edited(message_id: str, text: str, at_ms: int) -> MessageEdited:
    return MessageEdited(
        message_id=message_id, interaction_id="i1", domain=DOMAIN, edited_at_ms=at_ms, personal={"text": text}
    )


def erased(message_id: str, interaction_id: str) -> MessageErased:
    return MessageErased(message_id=message_id, interaction_id=interaction_id, domain=DOMAIN, erased_at_ms=20)


def status(status: MessageStatus) -> MessageStatusChanged:
    return MessageStatusChanged(
        message_id="m2", interaction_id="i1", domain=DOMAIN, status=status, changed_at_ms=STATUS_MS
    )


STATUS_MS = 30
WINDOW = WindowChanged(
    interaction_id="i1", domain=DOMAIN, opens_at_ms=1, closes_at_ms=2, basis="customer_message", changed_at_ms=1
)


@pytest.fixture
def mail() -> Mail:
    """As it should be."""
    run = sound_run()
    first, second, third = (said for said in run.history().tables.crm)
    own = replace(first, interaction_id="i2", number=2, text="of its own", message_id="m9")
    now = [
        replace(first, text="newer words"),
        second,
        replace(third, interaction_id="i2", number=1, text=""),
        own,
    ]
    later: list[object] = [
        edited("m1", "newer words", 9),
        edited("m1", "older words", 8),
        status("sent"),
        status("read"),
        WINDOW,
        moved("m3", 1),
        erased("m3", "i2"),
        replace(received(2, "of its own"), interaction_id="i2", message_id="m9"),
    ]
    return Mail(run=run, later=later, gateway=list(now), crm=list(now))


def _s6(faults: list[str]) -> list[str]:
    return [fault for fault in faults if fault.startswith("S6")]


def test_a_sound_story_of_mails_has_no_fault(mail: Mail) -> None:
    assert _s6(mail.faults()) == []


def test_the_same_status_again_is_news_of_another_of_several_recipients(mail: Mail) -> None:
    mail.later[2:4] = [replace(status("sent"), recipients_failed=each) for each in (0, 1)]

    assert _s6(mail.faults()) == []


def test_repeats_are_no_fault(mail: Mail) -> None:
    history = mail.history()
    again = replace(history, messages=[*history.messages, *history.messages[2:]])

    assert "S6" not in report(find_faults(again, finished=False))


def _old_words_in_the_crm(mail: Mail) -> None:
    mail.crm[0] = replace(mail.crm[0], text="older words")


def _words_that_were_taken_back(mail: Mail) -> None:
    mail.crm[2] = replace(mail.crm[2], text="thanks")


def _not_moved_in_the_gateway(mail: Mail) -> None:
    mail.gateway[2] = replace(mail.gateway[2], interaction_id="i1", number=3)


def _in_both_interactions(mail: Mail) -> None:
    mail.crm.append(replace(mail.crm[2], interaction_id="i1", number=3))


def _moved_to_a_taken_number(mail: Mail) -> None:
    mail.later[5] = moved("m3", 2)


def _moved_with_a_gap(mail: Mail) -> None:
    mail.later[5] = moved("m3", 7)


def _moved_twice_to_one_place(mail: Mail) -> None:
    mail.later.append(moved("m2", 1))


def _moved_from_where_it_is_not(mail: Mail) -> None:
    mail.later.append(moved("m3", 9, left="i1", to="i3", at_ms=11))


def _about_nothing(mail: Mail) -> None:
    mail.later.append(erased("m77", "i1"))


def _status_that_goes_back(mail: Mail) -> None:
    mail.later[2:4] = [status("read"), status("sent")]


def _status_that_is_no_news(mail: Mail) -> None:
    mail.later[2:4] = [status("sent"), status("sent")]


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_old_words_in_the_crm, "S6 at table message of the CRM: message 1 of i1 is"),
        (_words_that_were_taken_back, "S6 at table message of the CRM: message 1 of i2 is"),
        (_not_moved_in_the_gateway, "S6 at table message of the gateway: message 3 of i1 was never told"),
        (_in_both_interactions, "S6 at table message of the CRM: message 3 of i1 was never told"),
        (_moved_to_a_taken_number, "i2 has number 2 where 1 is next"),
        (_moved_with_a_gap, "a message is moved to number 7 of i2 where 3 is next"),
        (_moved_twice_to_one_place, "message 1 of i2 is where a message was moved before"),
        (_moved_from_where_it_is_not, "message m3 is moved from i1, and is in i2"),
        (_about_nothing, "message.erased is about m77, which was never told"),
        (_status_that_goes_back, "message m2 is sent after it was read"),
        (_status_that_is_no_news, "message m2 is sent after it was sent"),
    ],
)
def test_each_damage_is_named(mail: Mail, damage: Callable[[Mail], None], found: str) -> None:
    damage(mail)

    assert any(found in fault for fault in _s6(mail.faults()))


def test_a_repeat_that_differs_is_named(mail: Mail) -> None:
    history = mail.history()
    first = next(each for each in history.messages if isinstance(each.event.data, MessageEdited))
    other = replace(first.event, data=edited("m1", "forged", 9))
    again = replace(history, messages=[*history.messages, replace(first, offset=999, event=other)])

    assert "message.edited e-0 differs from its first copy" in report(find_faults(again, finished=False))
