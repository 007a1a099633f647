"""What sending does in the transactions of others: agents' messages become mail that waits; receiving keeps what an
answer needs, has acknowledgements sent, and tells what bounced."""

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from contracts.commands import SendMessage
from gatewaykit.directory import Directory
from gatewaykit.domain import composing, decisions
from gatewaykit.domain.composing import Composed, Refusal
from gatewaykit.domain.content import File
from gatewaykit.domain.records import Conversation, Message
from gatewaykit.keep import keep
from gatewaykit.outgoings import Outgoings
from gatewaykit.writing import Writing
from typing_extensions import override

from email_gateway.domain.compose import FILES_MAX, check_files, subject_of
from email_gateway.domain.incoming import Judged
from email_gateway.domain.limits import Limits, Notes
from email_gateway.domain.markup import read_markup
from email_gateway.domain.outgoing import Draft, Original, Recipients, UnfitError, recipients_of
from email_gateway.domain.sanitise import sanitised
from email_gateway.mailboxes import Mailboxes
from email_gateway.outgoing_mail import acknowledgement_of, automatic_mail, mail_from, part_of, templated
from email_gateway.reports import OutgoingReports
from email_gateway.smtp_out import SUPPRESSED
from email_gateway.store import MailTransaction


class MailWriting(Writing[MailTransaction]):
    """Agents' words as mail: one part, whatever goes along."""

    def __init__(self, directory: Directory, mailboxes: Mailboxes, outgoings: Outgoings) -> None:
        super().__init__(directory, {}, outgoings)
        self._names = directory
        self._mailboxes = mailboxes

    @override
    async def compose(
        self, tx: MailTransaction, conversation: Conversation, command: SendMessage, now_ms: int
    ) -> Composed | Refusal:
        tenant_id = conversation.tenant_id
        mailbox = self._mailboxes.of(tenant_id, conversation.address)
        if mailbox is None:
            return Refusal("address_unknown", "The conversation's address is not configured any more.")
        personal = self._said(conversation, command)
        if isinstance(personal, Refusal):
            return personal
        command = replace(command, personal=personal)
        words = composing.words_of(command.personal, files_max=FILES_MAX)
        if isinstance(words, Refusal):
            return words
        passed_on = conversation.customer_message_id if command.mode == "forward" else None
        answered = command.in_reply_to or passed_on
        original = await tx.original(tenant_id, conversation.interaction_id, answered)
        if original is None and command.in_reply_to is not None:
            return Refusal("message_unknown", "The message to answer is not of this conversation.")
        files = words.files
        if command.mode == "forward" and original is not None and answered is not None:
            files = (*files, *await _files_of(tx, tenant_id, answered))
        values = {"agent_name": self._names.agent_name(tenant_id, command.agent_id) or ""}
        try:
            check_files([file.size_bytes for file in files])
            mail = mail_from(
                command, original=original, counterpart=_address_of(conversation), files=files, values=values
            )
            recipients = recipients_of(mail.draft, mailbox.own)
        except UnfitError as error:
            return Refusal(error.code, str(error))
        barred = await tx.suppressed(tenant_id, recipients.addresses, now_ms=now_ms)
        if barred >= set(recipients.addresses):
            return Refusal(SUPPRESSED, "Mail to this address is stopped; a supervisor can lift that.")
        text = mail.draft.text or "\n".join(line.text for line in read_markup(mail.draft.html).lines)
        if not text.strip() and not files and not mail.draft.passes_on:
            return Refusal("text_invalid", "The message says nothing.")
        part = part_of(mail, recipients.addresses)
        return Composed(text=text, files=files, parts=(part,), personal=_told(mail.draft, recipients))

    @override
    async def tell(self, tx: MailTransaction, conversation: Conversation, message: Message) -> None:
        """See Writing. As an acknowledgement goes, and never to who must not be answered by a machine."""
        original = await tx.original(conversation.tenant_id, conversation.interaction_id, None)
        mail = automatic_mail(message.text, original) if original else None
        if mail and original and original.from_:
            part = part_of(mail, (original.from_.address,))
            await self.outgoings.put(tx, message, conversation, [part])

    def _said(self, conversation: Conversation, command: SendMessage) -> dict[str, object] | Refusal:
        if command.template is None:
            return command.personal
        template = self._names.template(conversation.tenant_id, conversation.domain, command.template)
        if template is None or template.address != conversation.address:
            return Refusal("template_unknown", "There is no such template for this address.")
        return templated(template, command.personal)


class MailSending(OutgoingReports):
    """The SendingSide of receiving."""

    def __init__(self, mailboxes: Mailboxes, outgoings: Outgoings) -> None:
        super().__init__()
        self._mailboxes = mailboxes
        self._outgoings = outgoings

    @override
    async def keep_original(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """See SendingSide."""
        await tx.keep_original(
            conversation.tenant_id, conversation.interaction_id, message_id, original_of(judged), at_ms=now_ms
        )

    @override
    async def acknowledge(
        self, tx: MailTransaction, conversation: Conversation, message_id: str, judged: Judged, now_ms: int
    ) -> None:
        """See SendingSide."""
        tenant_id, sender = conversation.tenant_id, judged.sender
        mailbox = self._mailboxes.of(tenant_id, conversation.address)
        mail = acknowledgement_of(mailbox.mailbox, original_of(judged), {"client": mailbox.client}) if mailbox else None
        if mail is None or sender is None:
            return
        if await tx.suppressed(tenant_id, [sender], now_ms=now_ms):
            return
        if not await tx.may_acknowledge(tenant_id, conversation.address, sender, now_ms=now_ms):
            return
        own_id = uuid5(NAMESPACE_URL, f"{tenant_id}/{message_id}/acknowledged").hex
        change = decisions.gateway_says(conversation, mail.draft.text, "acknowledged", message_id=own_id, now_ms=now_ms)
        await keep(tx, conversation, change, now_ms)
        if change.message:
            await self._outgoings.put(tx, change.message, change.conversation, [part_of(mail, (sender,))])


def original_of(judged: Judged) -> Original:
    """What an answer needs of a message."""
    mail = judged.mail
    return Original(
        message_id=mail.message_id,
        references=mail.references,
        from_=mail.from_,
        reply_to=mail.reply_to,
        to=mail.to,
        cc=mail.cc,
        subject=mail.subject,
        sent_at_ms=mail.sent_at_ms,
        text=mail.visible_text or mail.text,
        html=mail.visible_html,
        hops=judged.automatic.hops,
        may_be_answered=judged.may_be_acknowledged,
    )


def _told(draft: Draft, recipients: Recipients) -> dict[str, object]:
    """What the agents see of it beside its text and files."""
    told: dict[str, object] = {
        "subject": subject_of(draft),
        "html": sanitised(draft.html, read_markup(draft.html), Limits(), Notes()),
        "to": [each.address for each in recipients.to],
        "cc": [each.address for each in recipients.cc],
        "bcc": [each.address for each in recipients.bcc],
    }
    return {name: value for name, value in told.items() if value}


async def _files_of(tx: MailTransaction, tenant_id: str, message_id: str) -> tuple[File, ...]:
    message = await tx.message(tenant_id, message_id)
    return message.files if message else ()


def _address_of(conversation: Conversation) -> str:
    return next((each.value for each in conversation.identifiers if each.type == "email"), "")
