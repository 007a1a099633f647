-- name: suppress
-- What holds longer stays.
INSERT INTO suppression AS kept (tenant_id, address_hash, reason, added_at_ms, until_ms, added_by)
VALUES (:tenant_id, :address_hash, :reason, :added_at_ms, :until_ms, :added_by)
ON CONFLICT (tenant_id, address_hash) DO UPDATE
SET reason = excluded.reason, added_at_ms = excluded.added_at_ms, until_ms = excluded.until_ms,
  added_by = excluded.added_by
WHERE kept.until_ms IS NOT NULL AND (excluded.until_ms IS NULL OR excluded.until_ms > kept.until_ms)

-- name: lift
DELETE FROM suppression WHERE tenant_id = :tenant_id AND address_hash = :address_hash

-- name: suppressed
SELECT address_hash FROM suppression
WHERE tenant_id = :tenant_id AND address_hash = ANY(CAST(:hashes AS text[]))
  AND (until_ms IS NULL OR until_ms > :now_ms)

-- name: suppressions
SELECT * FROM suppression
WHERE tenant_id = :tenant_id AND address_hash > :after AND (until_ms IS NULL OR until_ms > :now_ms)
ORDER BY address_hash LIMIT :rows_max

-- name: acknowledge
INSERT INTO acknowledgement AS kept (tenant_id, address, sender_hash, at_ms)
VALUES (:tenant_id, :address, :sender_hash, :at_ms)
ON CONFLICT (tenant_id, address, sender_hash) DO UPDATE SET at_ms = excluded.at_ms
WHERE kept.at_ms <= :before_ms

-- name: keep_original
INSERT INTO mail_original (tenant_id, message_id, interaction_id, at_ms, original)
VALUES (:tenant_id, :message_id, :interaction_id, :at_ms, :original)
ON CONFLICT (tenant_id, message_id) DO NOTHING

-- name: original
SELECT original FROM mail_original
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND message_id = :message_id

-- name: last_original
SELECT original FROM mail_original WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id
ORDER BY at_ms DESC, message_id DESC LIMIT 1

-- name: move_originals
UPDATE mail_original SET interaction_id = :interaction_id
WHERE tenant_id = :tenant_id AND message_id = ANY(CAST(:message_ids AS text[]))

-- name: sweep_originals
DELETE FROM mail_original WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM mail_original
  WHERE at_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 LIMIT :rows_max
))

-- name: audit
INSERT INTO audit (tenant_id, audit_id, at_ms, actor, action, target)
VALUES (:tenant_id, :audit_id, :at_ms, :actor, :action, :target)

-- name: sweep_suppressions
DELETE FROM suppression WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM suppression
  WHERE until_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 LIMIT :rows_max
))

-- name: sweep_acknowledgements
DELETE FROM acknowledgement WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM acknowledgement
  WHERE at_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 LIMIT :rows_max
))
