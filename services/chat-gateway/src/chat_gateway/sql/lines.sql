-- name: add_line_task
INSERT INTO line_task (tenant_id, task_id, interaction_id, domain, queue, priority, queued_at_ms, waiting, band, expected_at_ms)
VALUES (
  :tenant_id, :task_id, :interaction_id, :domain, :queue, :priority, :queued_at_ms, :waiting, :band, :expected_at_ms
) ON CONFLICT DO NOTHING

-- name: move_line_task
UPDATE line_task SET
  queue = :queue, band = :band, priority = :priority,
  expected_at_ms = CASE WHEN queue = :queue THEN expected_at_ms END
WHERE tenant_id = :tenant_id AND task_id = :task_id

-- name: set_waiting
UPDATE line_task SET waiting = :waiting WHERE tenant_id = :tenant_id AND task_id = :task_id

-- name: remove_line_task
DELETE FROM line_task WHERE tenant_id = :tenant_id AND task_id = :task_id

-- name: places_in_line
-- One pass over the lines in which one of these interactions stands.
WITH wanted AS (
  SELECT * FROM unnest(CAST(:tenant_ids AS text[]), CAST(:interaction_ids AS text[])) AS w (tenant_id, interaction_id)
), line AS (
  SELECT DISTINCT tenant_id, domain, queue FROM line_task JOIN wanted USING (tenant_id, interaction_id) WHERE waiting
), placed AS (
  SELECT tenant_id, interaction_id, queue, expected_at_ms,
    row_number() OVER (
      PARTITION BY tenant_id, domain, queue ORDER BY band DESC, priority DESC, queued_at_ms, task_id
    ) AS position,
    count(*) OVER (PARTITION BY tenant_id, domain, queue) AS of_all
  FROM line_task JOIN line USING (tenant_id, domain, queue) WHERE line_task.waiting
)
SELECT tenant_id, interaction_id, queue, position, of_all, expected_at_ms
FROM placed JOIN wanted USING (tenant_id, interaction_id)
