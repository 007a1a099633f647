"""How handling a record fails: the two ways that business code says aloud, and what a processor hands to its loop."""

from servicekit.ports import Record


class RetryLaterError(Exception):
    """The world is not ready for this yet (a part is away, something else must come first): the same will be tried
    again, with growing pauses, for as long as it takes."""


class RejectError(Exception):
    """This record can never succeed; it goes to the dead-letter topic with the reason, and its partition goes on.

    The reason is a short code and never holds personal data.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PoisonedError(Exception):
    """A record could not be handled; everything before it in the batch is done, nothing after it is begun."""

    def __init__(self, record: Record, error: Exception) -> None:
        super().__init__(f"{record.topic}[{record.partition}]@{record.offset}: {type(error).__name__}")
        self.record = record
        self.error = error


class SettingsError(Exception):
    """A setting is missing or wrong; each line names one with what is wrong about it."""
