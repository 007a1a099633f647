"""What a node's owner measures."""

from servicekit.telemetry import Telemetry

from voice_gateway.domain.commands import Command


class VoiceInstruments:
    """Made once for a process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.calls = telemetry.gauge("voice_calls", "Calls that go on.", "node")
        self.connected = telemetry.gauge("voice_node_connected", "Whether the node can be heard.", "node")
        self.setup_seconds = telemetry.histogram(
            "voice_setup_seconds", "From a call's coming until its node has taken the first command about it.", "node"
        )
        self.command_seconds = telemetry.histogram(
            "voice_command_seconds", "From giving a command until the node has taken it.", "node", "command"
        )
        self.commands_in_flight = telemetry.gauge("voice_commands_in_flight", "Commands at the node now.", "node")
        self.rejected = telemetry.counter("voice_calls_rejected", "Calls that were not taken.", "node", "reason")
        self.facts = telemetry.counter("voice_facts", "Things that happened to calls, by outcome.", "node", "outcome")
        self.uncommitted = telemetry.gauge("voice_uncommitted_changes", "Changes that PostgreSQL has not.", "node")


class VoiceMetrics:
    """Of one node."""

    def __init__(self, instruments: VoiceInstruments, node: str) -> None:
        self._made = instruments
        self._node = node

    def calls(self, count: int, *, connected: bool) -> None:
        """How many go on."""
        self._made.calls.labels(self._node).set(count)
        self._made.connected.labels(self._node).set(int(connected))

    def set_up(self, milliseconds: int) -> None:
        """A call's first command is done."""
        self._made.setup_seconds.labels(self._node).observe(milliseconds / 1000)

    def took(self, command: Command, milliseconds: int) -> None:
        """The node has taken a command."""
        self._made.command_seconds.labels(self._node, type(command).__name__).observe(milliseconds / 1000)

    def in_flight(self, change: int) -> None:
        """One more, or one less."""
        self._made.commands_in_flight.labels(self._node).inc(change)

    def rejected(self, reason: str) -> None:
        """A call was not taken."""
        self._made.rejected.labels(self._node, reason).inc()

    def fact(self, outcome: str) -> None:
        """`taken`, `failed`."""
        self._made.facts.labels(self._node, outcome).inc()

    def uncommitted(self, count: int) -> None:
        """What memory alone has."""
        self._made.uncommitted.labels(self._node).set(count)
