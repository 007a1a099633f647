"""From what waits to what a mailbox has."""

import base64
import smtplib
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from imaplib import IMAP4_SSL
from pathlib import Path

import dkim  # type: ignore[import-untyped]  # it has no types
import pytest
from contracts.channel_parts import Dkim, Mailbox
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from email_gateway.domain.addresses import Address
from email_gateway.domain.outgoing import Draft, Original
from email_gateway.domain.parse import parse_mail
from email_gateway.domain.suppression import suppression_of
from email_gateway.domain.threading import Keys, is_own_message_id, read_reply_address
from email_gateway.mailboxes import OwnMailbox, SigningKeys
from email_gateway.outgoing_mail import Mail, part_of
from email_gateway.relay import Delivery, Envelope, Relay, RelayServer
from email_gateway.sending_tables import SendingTransaction
from email_gateway.smtp_out import SUPPRESSED, EmailSender
from email_gateway.testing.dovecot import PASSWORD, Dovecot, running_dovecot
from email_gateway.testing.sending_memory import MemorySending, SendingTables
from email_gateway.testing.smtp_server import Script, smtp_server
from gatewaykit.domain.content import File
from gatewaykit.domain.outgoing import OutgoingRow
from gatewaykit.domain.provider import Again, Outcome, Refused, RefusedError, Sent, Uncertain
from gatewaykit.secrets import SecretMissingError, Secrets
from gatewaykit.testing.memory_blobs import MemoryBlobs
from servicekit.errors import RetryLaterError
from servicekit.store import MemoryDatabase, Tenant
from servicekit.system import SystemClock
from servicekit.testing.set_clock import NOW_MS, SetClock

KEYS = Keys(active=b"k" * 32)
HELP = "help@example.org"
MAILBOX = OwnMailbox(
    address=HELP,
    client="acme",
    mailbox=Mailbox(sender_name="Acme help", signature="{agent_name}, {client}{unknown}"),
    own=frozenset({HELP}),
)
ORIGINAL = Original(message_id="q@example.net", from_=Address("anna@example.net", "Anna"), subject="Kettle", text="?")
DRAFT = Draft(text="Soon.", original=ORIGINAL)
MAIL = Mail(draft=DRAFT, values={"agent_name": "Gia"})
ROW = OutgoingRow(
    tenant_id="acme",
    outgoing_id="0193a5c4-0000-7000-8000-000000000000",
    message_id="m1",
    interaction_id="f" * 32,
    domain="main",
    address=HELP,
    counterpart="mail:1",
    part=1,
    number=1,
    payload=part_of(MAIL, ()),
    state="sending",
    attempts=1,
    created_at_ms=NOW_MS,
    due_at_ms=NOW_MS,
    changed_at_ms=NOW_MS,
    tried_at_ms=NOW_MS,
)
SENT = Sent(provider_message_id="m")
LATER = Again(after_ms=1, scope="pair")
UNKNOWN = Refused(code="recipient_unknown", detail="")


class Transaction(MemorySending[SendingTables]):
    pass


class Store:
    def __init__(self) -> None:
        self.database = MemoryDatabase(SendingTables())
        self.away_after: int | None = None

    @asynccontextmanager
    async def transaction(self, tenant: Tenant) -> AsyncGenerator[SendingTransaction, None]:
        if self.away_after is not None:
            self.away_after -= 1
            if self.away_after < 0:
                raise RetryLaterError("the database is away")
        async with self.database.transaction(tenant, Transaction) as transaction:
            yield transaction


class Server:
    """Answers each recipient as told, and remembers what it was given."""

    def __init__(self, **answers: Outcome) -> None:
        self.answers: Mapping[str, Outcome] = answers
        self.given: list[Envelope] = []

    async def deliver(self, envelope: Envelope) -> Delivery:
        self.given.append(envelope)
        outcomes = {each: self.answers.get(each.partition("@")[0], SENT) for each in envelope.recipients}
        return Delivery(outcomes=outcomes, gone=frozenset(each for each in outcomes if outcomes[each] == UNKNOWN))


class Configured:
    def __init__(self, mailbox: OwnMailbox | None = MAILBOX) -> None:
        self.mailbox = mailbox

    def of(self, tenant_id: str, address: str) -> OwnMailbox | None:
        return self.mailbox if (tenant_id, address) == ("acme", HELP) else None


class Setting:
    """A sender and what it works with."""

    def __init__(self, tmp_path: Path, server: Server | Relay, mailbox: OwnMailbox | None = MAILBOX) -> None:
        self.store, self.blobs, self.clock = Store(), MemoryBlobs(), SetClock(NOW_MS)
        signing = SigningKeys(Secrets(tmp_path, SystemClock()))
        self.sender = EmailSender(
            server, Configured(mailbox), signing, self.store, self.blobs, keys=KEYS, clock=self.clock
        )


def to(*people: str) -> OutgoingRow:
    return replace(ROW, payload=part_of(replace(MAIL, draft=replace(DRAFT, to=people)), people))


async def test_what_waits_is_composed_and_handed_over(tmp_path: Path) -> None:
    server = Server()
    outcome = await Setting(tmp_path, server).sender.send(ROW)
    read = parse_mail(server.given[0].raw)

    assert outcome == SENT
    assert server.given[0].recipients == ("anna@example.net",)
    assert read.from_ == Address(HELP, "Acme help")
    assert "-- \nGia, acme\n" in read.text
    assert read_reply_address(server.given[0].sender, "example.org", KEYS) == ROW.interaction_id
    assert is_own_message_id(server.given[0].message_id, "example.org", KEYS)
    assert server.given[0].message_id.startswith(ROW.outgoing_id)


async def test_files_go_along(tmp_path: Path) -> None:
    server = Server()
    setting = Setting(tmp_path, server)
    content = bytes(range(256)) * 9000
    kept = await setting.blobs.put("acme", "b1", content, bytes_max=10**8)
    file = File(blob_id="b1", name="a b.bin", mime="application/x", size_bytes=len(content), sha256=kept.sha256)
    await setting.sender.send(replace(ROW, payload=part_of(replace(MAIL, files=(file,)), ())))

    assert [(each.name, each.data) for each in parse_mail(server.given[0].raw).attachments] == [("a b.bin", content)]


async def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    file = File(blob_id="b1", name="a", mime="a/b", size_bytes=1, sha256="0")
    with pytest.raises(RefusedError) as refused:
        await Setting(tmp_path, Server()).sender.send(replace(ROW, payload=part_of(replace(MAIL, files=(file,)), ())))

    assert refused.value.code == "file_gone"


async def test_who_has_it_does_not_get_it_again_because_others_have_not(tmp_path: Path) -> None:
    server = Server(a=SENT, b=LATER, c=UNKNOWN)
    setting = Setting(tmp_path, server)
    row = to("a@example.net", "b@example.net", "c@example.net")
    first = await setting.sender.send(row)
    server.answers = {}
    second = await setting.sender.send(replace(row, attempts=2, recipients=first.recipients))

    assert isinstance(first, Again)
    assert isinstance(second, Sent)
    assert [each.recipients for each in server.given] == [
        ("a@example.net", "b@example.net", "c@example.net"),
        ("b@example.net",),
    ]
    assert [[each.state for each in outcome.recipients] for outcome in (first, second)] == [
        ["sent", "pending", "failed"],
        ["sent", "sent", "failed"],
    ]
    assert second.recipients[2].reason == "recipient_unknown"


async def test_that_nobody_is_there_is_no_reason_to_send_it_again_if_it_cannot_be_kept(tmp_path: Path) -> None:
    setting = Setting(tmp_path, Server(a=SENT, b=UNKNOWN))
    setting.store.away_after = 1

    assert isinstance(await setting.sender.send(to("a@example.net", "b@example.net")), Sent)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (SENT, UNKNOWN, Sent),
        (UNKNOWN, UNKNOWN, Refused),
        (LATER, UNKNOWN, Again),
        (Uncertain(), UNKNOWN, Uncertain),
        (Uncertain(), LATER, Uncertain),
    ],
)
async def test_a_message_is_as_uncertain_as_any_of_its_recipients(
    tmp_path: Path, a: Outcome, b: Outcome, expected: type[Outcome]
) -> None:
    found = await Setting(tmp_path, Server(a=a, b=b)).sender.send(to("a@example.net", "b@example.net"))

    assert isinstance(found, expected)


async def test_who_is_not_there_is_not_written_to_again_until_somebody_lifts_it(tmp_path: Path) -> None:
    server = Server(anna=UNKNOWN)
    setting = Setting(tmp_path, server)
    first, second = await setting.sender.send(ROW), await setting.sender.send(ROW)
    async with setting.store.transaction("acme") as tx:
        await tx.lift("acme", suppression_of("acme", "Anna@example.net", "asked", now_ms=0).address_hash)
    third = await setting.sender.send(ROW)

    assert [each.code for each in (first, second, third) if isinstance(each, Refused)] == [
        "recipient_unknown",
        SUPPRESSED,
        "recipient_unknown",
    ]
    assert len(server.given) == 2


async def test_a_mailbox_that_is_not_known_waits(tmp_path: Path) -> None:
    assert isinstance(await Setting(tmp_path, Server(), None).sender.send(ROW), Again)


def signing(tmp_path: Path, pem: str) -> OwnMailbox:
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "dkim").write_text(pem)
    configured = Dkim(domain="example.org", selector="s1", private_key="dkim")
    return replace(MAILBOX, mailbox=MAILBOX.mailbox.model_copy(update={"dkim": configured}))


async def test_mail_is_signed_when_there_is_a_key(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    mailbox = signing(tmp_path, key.private_bytes(serialization.Encoding.PEM, pkcs8, plain).decode())
    server = Server()
    await Setting(tmp_path, server, mailbox).sender.send(ROW)
    der = serialization.Encoding.Raw, serialization.PublicFormat.Raw

    assert dkim.verify(
        server.given[0].raw,
        dnsfunc=lambda name, timeout=5: (
            b"v=DKIM1; k=ed25519; p=" + base64.b64encode(key.public_key().public_bytes(*der))
        ),
    )


async def test_what_should_be_signed_never_goes_without(tmp_path: Path) -> None:
    server = Server()
    setting = Setting(tmp_path, server, signing(tmp_path, "no key"))

    assert isinstance(await setting.sender.send(ROW), Again)
    (tmp_path / "acme" / "dkim").unlink()
    with pytest.raises(SecretMissingError):
        await Setting(tmp_path, server, setting.sender._mailboxes.of("acme", HELP)).sender.send(ROW)
    assert server.given == []


@pytest.fixture
def mailboxes() -> Iterator[Dovecot]:
    with running_dovecot("bert@example.net") as found:
        yield found


async def test_an_answer_arrives_in_a_real_mailbox(tmp_path: Path, mailboxes: Dovecot) -> None:
    script = Script()
    async with smtp_server(script) as server:
        relay = Relay(RelayServer(host="127.0.0.1", port=server.port, tls="none"), SystemClock())
        outcome = await Setting(tmp_path, relay).sender.send(to("bert@example.net"))
        await relay.close()
    for taken in script.taken:
        with smtplib.LMTP("127.0.0.1", mailboxes.lmtp_port) as door:
            door.sendmail(taken.sender, taken.recipients, taken.content)
    trusted = ssl.create_default_context(cafile=str(mailboxes.certificate.certificate))
    with IMAP4_SSL("127.0.0.1", mailboxes.tls_port, ssl_context=trusted) as reader:
        reader.authenticate("PLAIN", lambda _: f"\0bert@example.net\0{PASSWORD}".encode())
        reader.select()
        found = reader.fetch("1", "(RFC822)")[1][0]

    assert isinstance(outcome, Sent)
    assert isinstance(found, tuple)
    read = parse_mail(found[1])
    assert read.message_id == outcome.provider_message_id
    assert (read.from_, read.visible_text) == (Address(HELP, "Acme help"), "Soon.")
    assert read_reply_address(read.reply_to[0].address, "example.org", KEYS) == ROW.interaction_id
