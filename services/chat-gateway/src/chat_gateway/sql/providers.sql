-- name: put_pending_file
INSERT INTO pending_file (
  tenant_id, message_id, place, interaction_id, address, state, media, attempts, created_at_ms, due_at_ms
) VALUES (
  :tenant_id, :message_id, :place, :interaction_id, :address, :state, :media, :attempts, :created_at_ms, :due_at_ms
) ON CONFLICT (tenant_id, message_id, place) DO UPDATE SET
  state = EXCLUDED.state, media = EXCLUDED.media, attempts = EXCLUDED.attempts, due_at_ms = EXCLUDED.due_at_ms

-- name: remove_pending_file
DELETE FROM pending_file WHERE tenant_id = :tenant_id AND message_id = :message_id AND place = :place

-- name: pending_files_of
SELECT * FROM pending_file WHERE tenant_id = :tenant_id AND message_id = :message_id ORDER BY place

-- name: claim_pending_files
WITH due AS (
  SELECT tenant_id, message_id, place FROM pending_file
  WHERE state <> 'failed' AND due_at_ms <= :now_ms
  ORDER BY due_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED
)
UPDATE pending_file AS file SET due_at_ms = :until_ms, attempts = file.attempts + 1
FROM due WHERE (file.tenant_id, file.message_id, file.place) = (due.tenant_id, due.message_id, due.place)
RETURNING file.*

-- name: files_waiting
SELECT count(*) AS files, min(created_at_ms) AS oldest_ms FROM (
  SELECT created_at_ms FROM pending_file WHERE state = 'fetch' LIMIT 100000
) AS waiting

-- name: sweep_failed_files
DELETE FROM pending_file WHERE (tenant_id, message_id, place) IN (
  SELECT tenant_id, message_id, place FROM pending_file
  WHERE state = 'failed' AND created_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
  LIMIT :rows_max
)

-- name: open_interactions
SELECT interaction_id FROM conversation
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = ANY(CAST(:counterparts AS text[]))
  AND state <> 'ended'

-- name: keep_webhook_note
-- Of several replicas the latest stands.
INSERT INTO webhook_note AS note (tenant_id, address, delivered_at_ms, refused_at_ms, refused_because)
VALUES (:tenant_id, :address, :delivered_at_ms, :refused_at_ms, :refused_because)
ON CONFLICT (tenant_id, address) DO UPDATE SET
  delivered_at_ms = GREATEST(note.delivered_at_ms, EXCLUDED.delivered_at_ms),
  refused_because = CASE
    WHEN EXCLUDED.refused_at_ms >= COALESCE(note.refused_at_ms, 0) THEN EXCLUDED.refused_because
    ELSE note.refused_because
  END,
  refused_at_ms = GREATEST(note.refused_at_ms, EXCLUDED.refused_at_ms)

-- name: sending_stops
SELECT * FROM sending_stop WHERE tenant_id = :tenant_id ORDER BY address

-- name: stop_sending
-- The first instant stands while the account is the same.
INSERT INTO sending_stop AS kept (tenant_id, address, mark, at_ms) VALUES (:tenant_id, :address, :mark, :at_ms)
ON CONFLICT (tenant_id, address) DO UPDATE SET mark = EXCLUDED.mark, at_ms = EXCLUDED.at_ms
WHERE kept.mark <> EXCLUDED.mark

-- name: resume_sending
DELETE FROM sending_stop WHERE tenant_id = :tenant_id AND address = :address

-- name: audit
INSERT INTO audit (tenant_id, audit_id, at_ms, actor, action, target, content)
VALUES (:tenant_id, :audit_id, :at_ms, :actor, :action, :target, CAST(:content AS jsonb))

-- name: webhook_notes
SELECT * FROM webhook_note WHERE tenant_id = :tenant_id ORDER BY address
