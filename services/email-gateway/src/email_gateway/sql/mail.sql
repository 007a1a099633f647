-- name: claim_mail
INSERT INTO mail_message (tenant_id, address, id_hash, content_sha256, thread, interaction_id, at_ms)
VALUES (:tenant_id, :address, :id_hash, :content_sha256, :thread, :interaction_id, :at_ms)
ON CONFLICT DO NOTHING

-- name: known_mail
SELECT * FROM mail_message
WHERE tenant_id = :tenant_id AND address = :address AND id_hash = ANY(CAST(:hashes AS text[]))

-- name: attach_mail
UPDATE mail_message SET thread = :thread, interaction_id = :interaction_id
WHERE tenant_id = :tenant_id AND address = :address AND id_hash = :id_hash

-- name: move_mail
UPDATE mail_message SET thread = :thread, interaction_id = :interaction_id
WHERE tenant_id = :tenant_id AND address = :address AND id_hash = ANY(CAST(:hashes AS text[]))

-- name: join_threads
UPDATE mail_message SET thread = :into
WHERE tenant_id = :tenant_id AND address = :address AND thread = :thread

-- name: home_by_conversation
SELECT tenant_id, address, counterpart AS thread FROM conversation
WHERE interaction_id = :interaction_id AND counterpart IS NOT NULL LIMIT 1

-- name: home_by_mail
SELECT tenant_id, address, thread FROM mail_message
WHERE interaction_id = :interaction_id AND thread IS NOT NULL LIMIT 1

-- name: lease_mailbox
INSERT INTO mailbox AS kept (tenant_id, address, holder, lease_until_ms)
VALUES (:tenant_id, :address, :holder, :until_ms)
ON CONFLICT (tenant_id, address) DO UPDATE SET holder = excluded.holder, lease_until_ms = excluded.lease_until_ms
WHERE kept.holder = excluded.holder OR kept.holder IS NULL OR kept.lease_until_ms <= :now_ms
RETURNING *

-- name: keep_position
-- A reader that lost its lease does not put back what another has kept.
UPDATE mailbox SET
  last_uid = CASE WHEN validity = :validity THEN greatest(last_uid, :last_uid) ELSE :last_uid END,
  validity = :validity, waiting = :waiting,
  read_at_ms = CASE WHEN CAST(:waiting AS bigint) = 0 THEN :read_at_ms ELSE read_at_ms END
WHERE tenant_id = :tenant_id AND address = :address AND holder = :holder

-- name: mailbox_failed
UPDATE mailbox SET failed_at_ms = :failed_at_ms, error = :error
WHERE tenant_id = :tenant_id AND address = :address

-- name: mailbox_health
SELECT address, holder IS NOT NULL AND lease_until_ms > :now_ms AS is_read, validity, last_uid, read_at_ms, waiting,
  failed_at_ms, error
FROM mailbox WHERE tenant_id = :tenant_id

-- name: release_mailbox
UPDATE mailbox SET holder = NULL, lease_until_ms = 0
WHERE tenant_id = :tenant_id AND address = :address AND holder = :holder

-- name: sweep_mail
DELETE FROM mail_message WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM mail_message
  WHERE at_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 LIMIT :rows_max
))
