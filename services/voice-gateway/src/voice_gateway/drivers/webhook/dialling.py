"""Legs that we dial: www.twilio.com/docs/voice/api/conference-participant-resource, "Create a Participant".

A call is made as a participant of a conference that is named after our leg, so that it can be looked up by a name of
ours when nobody knows whether the request was taken. It is not made twice.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from servicekit.errors import RetryLaterError

from voice_gateway.domain.commands import Dial
from voice_gateway.domain.words import EndCause, Phone
from voice_gateway.drivers.webhook.legs import Leg
from voice_gateway.drivers.webhook.lines import Lines
from voice_gateway.drivers.webhook.looking import Looking
from voice_gateway.drivers.webhook.phones import Phones
from voice_gateway.drivers.webhook.rest import RefusedError, UncertainError

RING_SECONDS_MIN: Final = 5
"""Of Twilio's own time-out, to which it adds 5 s; ours is exact as long as we are there."""
_NO_SUCH_NUMBER: Final = frozenset({13223, 13224, 21201, 21211, 21214, 21217})


class Dialling:
    """Makes and ends them."""

    def __init__(self, lines: Lines, looking: Looking, phones: Phones) -> None:
        self._lines = lines
        self._looking = looking
        self._phones = phones

    async def dial(self, command: Dial) -> None:
        """A leg that was, or is, is not dialled again. Raises GoneError, RetryLaterError."""
        lines = self._lines
        leg = lines.legs.get(command.leg_id)
        if lines.is_over(command.leg_id) or leg is not None:
            if leg is not None and leg.call_sid is None:
                await self._find(leg)
            return
        fields = self._fields(command)
        leg = lines.add(
            Leg(
                leg_id=command.leg_id,
                ours=True,
                awaits_machine=command.detects_machines,
                ring_seconds=command.ring_seconds,
                asked_at_ms=lines.clock.now_ms(),
            )
        )
        try:
            made = await lines.rest.make(f"Conferences/{quote(leg.leg_id, safe='')}/Participants", fields)
            lines.bind(leg, str(made.get("call_sid")))
        except RefusedError as error:
            lines.ended(leg, _cause(error, command))
        except RetryLaterError:
            lines.legs.pop(leg.leg_id, None)  # it was not taken: given again, it is dialled
            lines.keeper.forget("leg", leg.leg_id)
            raise
        except UncertainError:
            await self._find(leg)

    def _fields(self, command: Dial) -> Mapping[str, str]:
        documents, account = self._lines.documents, self._lines.account
        fields = {
            "From": command.shown.number or account.caller_id,
            "To": self._phones.address(command.to),
            "Label": command.leg_id,
            "Timeout": str(max(RING_SECONDS_MIN, command.ring_seconds)),
            "Beep": "false",
            "WaitUrl": "",
            "EarlyMedia": "false",
            "StatusCallback": documents.url("status", leg=command.leg_id),
            "StatusCallbackEvent": "initiated ringing answered completed",
        }
        if command.detects_machines:
            fields |= {
                "MachineDetection": "Enable",
                "AmdStatusCallback": documents.url("machine", leg=command.leg_id),
            }
        return fields

    async def _find(self, leg: Leg) -> None:
        if not await self._looking.dialled(leg):
            self._lines.given_up(leg)

    async def end(self, leg: Leg) -> None:
        """Answered or not. Raises RetryLaterError."""
        if leg.call_sid is None:
            await self._find(leg)
        if leg.call_sid is not None:
            leg.by_us = True
            await self._lines.hang_up(leg.call_sid)


def _cause(error: RefusedError, command: Dial) -> EndCause:
    if error.code in _NO_SUCH_NUMBER:
        return "unavailable" if isinstance(command.to, Phone) else "unknown_number"
    return "failed"
