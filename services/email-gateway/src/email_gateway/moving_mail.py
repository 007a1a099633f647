"""What follows messages that an agent moves to another conversation: ids, what answers need, what is being sent."""

from gatewaykit.domain.moving import Movement

from email_gateway.domain.records import KnownMail, hash_of_interaction
from email_gateway.store import MailTransaction


class MailIndex:
    """The Index of the e-mail gateway."""

    async def moved(self, tx: MailTransaction, movement: Movement) -> None:
        """See Index: an answer to these messages goes on where they are."""
        left, to = movement.left, movement.to
        message_ids = [each.message_id for each in movement.messages]
        hashes = [each.provider_message_id for each in movement.messages if each.provider_message_id]
        await tx.move_mail(
            to.tenant_id, to.address, hashes, thread=to.counterpart or "", interaction_id=to.interaction_id
        )
        await tx.move_originals(to.tenant_id, message_ids, to.interaction_id)
        await tx.move_outgoings((to.tenant_id, to.address), left.counterpart or "", message_ids, to.interaction_id)

    async def joined(self, tx: MailTransaction, movement: Movement) -> None:
        """See Index. A reply address of ours may name the one that was left long after it is forgotten."""
        left, to = movement.left, movement.to
        await tx.join_threads(to.tenant_id, to.address, left.counterpart or "", to.counterpart or "")
        mark = KnownMail(
            tenant_id=to.tenant_id,
            address=to.address,
            id_hash=hash_of_interaction(left.interaction_id),
            content_sha256="",
            thread=to.counterpart,
            interaction_id=left.interaction_id,
            at_ms=to.active_at_ms,
        )
        await tx.claim_mail(mark)
