"""The phones of a simulated Twilio account: customers' behind the network, agents' at its SIP domain."""

from centralino.providers.twilio_calls import BOT, Greeting, Manner, Phone
from centralino.providers.twilio_voice import TwilioVoice


class TwilioPhones:
    """By the name that whoever plays them gives them."""

    def __init__(self, voice: TwilioVoice) -> None:
        self._voice = voice
        self._by_name: dict[str, Phone] = {}

    def outside(self, name: str, manner: Manner = "answers", greeting: Greeting = "none") -> str:
        """A phone behind the network; given again it changes its manner. Its number."""
        phone = self._by_name.get(name)
        if phone is None or not phone.address.startswith("+"):
            phone = self._new(name, f"+1415{len(self._by_name):07}")
        phone.manner, phone.greeting = manner, greeting
        return phone.address

    def register(self, name: str, user: str, password: str, manner: Manner = "answers") -> bool:
        """A phone logs in at the SIP domain; false if it may not."""
        known = self._voice.credentials.get(user)
        if known is None or known[1] != password:
            return False
        self._new(name, user).manner = manner
        return True

    def lend(self, user: str) -> Phone:
        """A phone that is known by its user, and rings until somebody answers it."""
        phone = self._new(user, user)
        phone.manner = "rings"
        return phone

    def _new(self, name: str, address: str) -> Phone:
        before = self._by_name.get(name)
        if before is not None:
            self._voice.lines.phones.pop(before.address, None)
        phone = Phone(name=name, address=address)
        self._by_name[name] = self._voice.lines.phones[address] = phone
        return phone

    def call(self, name: str, number: str, caller: str | None, caller_name: str | None = None) -> None:
        """It dials a number of the account's; `caller` none: it withholds its own."""
        if name not in self._by_name:
            self.outside(name)
        self._voice.incoming(self._by_name[name], number, caller, caller_name)

    def answer(self, name: str) -> None:
        """It rings, and is picked up."""
        call = self._by_name[name].call
        if call is not None and not call.inbound:
            self._voice.picked_up(call)

    def decline(self, name: str) -> None:
        """It rings, and nobody wants to answer."""
        call = self._by_name[name].call
        if call is not None and call.status == "ringing":
            self._voice.finish(call, "busy", 603)

    def hang_up(self, name: str) -> None:
        """It ends its call, or gives up while it rings elsewhere."""
        call = self._by_name[name].call
        if call is not None:
            self._voice.finish(call, "completed" if call.answered else "no-answer")

    def press(self, name: str, keys: str) -> None:
        """Keys that nobody gathers are lost."""
        call = self._by_name[name].call
        for key in keys if call is not None and call.gathers else "":
            if call is not None:
                call.digits.put_nowait(key)

    def hold(self, name: str, *, held: bool) -> None:
        """Its own hold button, of which nobody is told."""
        self._by_name[name].holds = held
        self._voice.changed()

    def phone(self, name: str) -> Phone | None:
        """As it is now."""
        return self._by_name.get(name)

    def hears(self, name: str) -> frozenset[str]:
        """Names of phones, and URLs of sounds."""
        if name == BOT:
            return self._voice.lines.bot_hears()
        phone = self._by_name.get(name)
        return self._voice.lines.hears(phone.call) if phone is not None and phone.call is not None else frozenset()
