"""A leg's sound to bots and transcriptions: www.twilio.com/docs/voice/twiml/stream, "<Stream>", "<Connect>", and
"Stream resource".

A leg outside of talks is connected with the bot, and both hear one another. In a talk its sound alone is sent.
"""

from contextlib import suppress
from urllib.parse import quote

from voice_gateway.domain.commands import StopStream, StreamMedia
from voice_gateway.drivers.webhook.legs import Leg
from voice_gateway.drivers.webhook.lines import Lines
from voice_gateway.drivers.webhook.rest import RefusedError, UncertainError


class Streams:
    """One at a time for each leg."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    async def begin(self, command: StreamMedia) -> None:
        """Raises GoneError, RefusedError, RetryLaterError."""
        lines, leg = self._lines, self._lines.leg(command.leg_id)
        if lines.is_over(command.stream_id) or (leg.stream_id == command.stream_id and not leg.dirty):
            return
        leg.stream_id, leg.stream_url = command.stream_id, command.url
        if lines.documents.conference_of(leg) is None:
            await lines.push(leg)
            return
        lines.keeper.keep(leg.kept())
        fields = {"Name": command.stream_id, "Url": command.url, "Track": "inbound_track"}
        try:
            await lines.rest.make(f"Calls/{leg.call_sid}/Streams", fields)
        except UncertainError:
            await self._end(leg, command.stream_id)  # a name is taken once
            await lines.rest.make(f"Calls/{leg.call_sid}/Streams", fields)

    async def stop(self, command: StopStream) -> None:
        """Succeeds if there is none such. Raises RefusedError, RetryLaterError."""
        lines = self._lines
        lines.remember(command.stream_id)
        for leg in [leg for leg in lines.legs.values() if leg.stream_id == command.stream_id]:
            leg.stream_id = None
            if lines.documents.conference_of(leg) is None:
                await lines.push(leg)
            else:
                lines.keeper.keep(leg.kept())
                await self._end(leg, command.stream_id)

    async def _end(self, leg: Leg, stream_id: str) -> None:
        path = f"Calls/{leg.call_sid}/Streams/{quote(stream_id, safe='')}"
        with suppress(RefusedError):
            await self._lines.rest.change(path, {"Status": "stopped"})
