-- name: begin
INSERT INTO upload (tenant_id, blob_id, agent_id, interaction_id, begun_at_ms, name)
VALUES (:tenant, :blob_id, :agent_id, :interaction_id, :begun_at_ms, :name)

-- name: finish
UPDATE upload SET mime = :mime, size_bytes = :size_bytes, sha256 = :sha256 WHERE blob_id = :blob_id

-- name: pending
SELECT coalesce(sum(1), 0) AS uploads FROM upload
WHERE agent_id = :agent_id AND sent_at_ms IS NULL AND begun_at_ms > :since_ms

-- name: take
UPDATE upload SET sent_at_ms = coalesce(sent_at_ms, :now_ms)
WHERE blob_id = ANY (:blob_ids) AND agent_id = :agent_id AND interaction_id = :interaction_id
  AND size_bytes IS NOT NULL AND begun_at_ms > :since_ms
RETURNING blob_id, name, mime, size_bytes, sha256

-- name: old
SELECT tenant_id, blob_id, sent_at_ms IS NOT NULL AS sent FROM upload
WHERE begun_at_ms <= :until_ms ORDER BY begun_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: forget
DELETE FROM upload WHERE tenant_id = :tenant AND blob_id = :blob_id
