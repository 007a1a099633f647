"""What the chat gateway counts."""

from servicekit.telemetry import Telemetry

from chat_gateway.rooms import Rooms


class ChatMetrics:
    """Prometheus metrics of a gateway process."""

    def __init__(self, telemetry: Telemetry, rooms: Rooms) -> None:
        self.contacts = telemetry.counter("chat_contacts", "First messages acknowledged; a repeat of one counts again.")
        self.messages = telemetry.counter("chat_messages", "Customers' messages acknowledged.")
        telemetry.gauge("chat_sockets", "Visitors' sockets open.").set_function(lambda: len(rooms.all()))

    def acknowledged(self, number: int) -> None:
        """A customer's message got this number in its conversation."""
        self.messages.inc()
        if number == 1:
            self.contacts.inc()
