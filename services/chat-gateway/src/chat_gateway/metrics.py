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


class ProviderMetrics:
    """What providers deliver to a process."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.deliveries = telemetry.counter("provider_deliveries", "Deliveries answered.", "provider", "outcome")
        self.refused = telemetry.counter("provider_deliveries_refused", "Not believed.", "address", "reason")
        self.items = telemetry.counter("provider_items", "What deliveries told.", "provider", "outcome")
        self.files = telemetry.counter("provider_files", "What came of fetching customers' files.", "outcome")
        self.files_waiting = telemetry.gauge("provider_files_waiting", "Files to be fetched; counted up to 100 000.")
        self.files_oldest_seconds = telemetry.gauge("provider_files_oldest_seconds", "Age of the oldest of them.")
        self.passed = telemetry.counter("provider_items_passed", "What concerns no conversation.", "provider", "kind")
