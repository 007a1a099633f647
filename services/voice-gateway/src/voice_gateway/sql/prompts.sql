-- name: keep_sound
-- Waits for whoever removes it just now; then it is as if there had been none.
INSERT INTO prompt_sound AS kept (tenant_id, blob_id, until_ms) VALUES (:tenant_id, :blob_id, :until_ms)
ON CONFLICT (tenant_id, blob_id) DO UPDATE SET until_ms = greatest(kept.until_ms, excluded.until_ms)

-- name: expired_sounds
SELECT tenant_id, blob_id FROM prompt_sound WHERE until_ms <= :now_ms
ORDER BY until_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: forget_sound
DELETE FROM prompt_sound WHERE tenant_id = :tenant_id AND blob_id = :blob_id
