-- name: want_recording
INSERT INTO recording (
  tenant_id, recording_id, interaction_id, domain, client, node, kind, state, begun_at_ms, seconds, pauses,
  wanted_at_ms, keep_until_ms, due_at_ms, attempts, size_bytes, sha256, content_type, reason
) VALUES (
  :tenant_id, :recording_id, :interaction_id, :domain, :client, :node, :kind, :state, :begun_at_ms, :seconds, :pauses,
  :wanted_at_ms, :keep_until_ms, :due_at_ms, :attempts, :size_bytes, :sha256, :content_type, :reason
)
ON CONFLICT (tenant_id, recording_id) DO NOTHING

-- name: claim_recordings
-- Whoever claims them has until then; replicas and an owner that was replaced do not wait for one another.
UPDATE recording SET due_at_ms = :until_ms, attempts = attempts + 1
WHERE (tenant_id, recording_id) IN (
  SELECT tenant_id, recording_id FROM recording
  WHERE node = ANY(CAST(:nodes AS text[])) AND due_at_ms <= :now_ms
  ORDER BY due_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED
)
RETURNING *

-- name: put_recording
UPDATE recording SET state = :state, seconds = :seconds, due_at_ms = :due_at_ms, attempts = :attempts,
  size_bytes = :size_bytes, sha256 = :sha256, content_type = :content_type, reason = :reason
WHERE tenant_id = :tenant_id AND recording_id = :recording_id

-- name: locked_recording
SELECT * FROM recording WHERE tenant_id = :tenant_id AND recording_id = :recording_id FOR UPDATE

-- name: recording
SELECT * FROM recording WHERE tenant_id = :tenant_id AND recording_id = :recording_id

-- name: expired_recordings
SELECT * FROM recording WHERE state IN ('wanted', 'kept') AND keep_until_ms <= :now_ms
ORDER BY keep_until_ms LIMIT :rows_max

-- name: recordings_waiting
SELECT count(*) AS waiting, min(wanted_at_ms) AS oldest_ms FROM (
  SELECT wanted_at_ms FROM recording WHERE state = 'wanted' AND due_at_ms IS NOT NULL LIMIT 100000
) AS wanted

-- name: sweep_recordings
DELETE FROM recording WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM recording
  WHERE keep_until_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000
    AND state IN ('failed', 'removed') AND due_at_ms IS NULL LIMIT :rows_max
))

-- name: note_agent
INSERT INTO call_agent (tenant_id, interaction_id, agent_id, at_ms)
VALUES (:tenant_id, :interaction_id, :agent_id, :at_ms)
ON CONFLICT (tenant_id, interaction_id, agent_id) DO NOTHING

-- name: had_call
SELECT 1 FROM call_agent
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND agent_id = :agent_id

-- name: sweep_agents
-- Of calls that nothing is recorded of, or no more.
DELETE FROM call_agent WHERE ctid = ANY(ARRAY(
  SELECT held.ctid FROM call_agent AS held
  WHERE held.at_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 AND NOT EXISTS (
    SELECT FROM recording WHERE recording.tenant_id = held.tenant_id
      AND recording.interaction_id = held.interaction_id AND recording.state IN ('wanted', 'kept')
  ) LIMIT :rows_max
))

-- name: audit
INSERT INTO audit (tenant_id, audit_id, at_ms, actor, action, target)
VALUES (:tenant_id, :audit_id, :at_ms, :actor, :action, :target)
