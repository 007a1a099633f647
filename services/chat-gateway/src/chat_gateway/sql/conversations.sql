-- name: open_conversation
INSERT INTO conversation (
  tenant_id, interaction_id, channel, address, client, domain, partition, queue_hint, idle_close_seconds,
  abandon_seconds, idle_release_seconds,
  state, active_at_ms, check_at_ms, silent, unanswered_since_ms, gone_at_ms, task_id, assignment_id, agent_id,
  agent_name, helpers, parked, awaits_answer, routed_sequence, last_number, customer_number, customer_message_id, delivered_number,
  end_reason, end_cause, revision
) VALUES (
  :tenant_id, :interaction_id, :channel, :address, :client, :domain, :partition, :queue_hint, :idle_close_seconds,
  :abandon_seconds, :idle_release_seconds,
  :state, :active_at_ms, :check_at_ms, :silent, :unanswered_since_ms, :gone_at_ms, :task_id, :assignment_id, :agent_id,
  :agent_name, :helpers, :parked, :awaits_answer, :routed_sequence, :last_number, :customer_number, :customer_message_id,
  :delivered_number, :end_reason, :end_cause, :revision
) ON CONFLICT DO NOTHING

-- name: conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: locked_conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id FOR UPDATE

-- name: due_conversations
-- Skips what another replica looks at just now, and what a message is being written into.
SELECT * FROM conversation WHERE check_at_ms <= :now_ms
ORDER BY check_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: save_conversation
UPDATE conversation SET
  state = :state, active_at_ms = :active_at_ms, check_at_ms = :check_at_ms, silent = :silent,
  unanswered_since_ms = :unanswered_since_ms, gone_at_ms = :gone_at_ms,
  task_id = :task_id, assignment_id = :assignment_id, agent_id = :agent_id, agent_name = :agent_name,
  helpers = :helpers, parked = :parked, awaits_answer = :awaits_answer, routed_sequence = :routed_sequence,
  last_number = :last_number,
  customer_number = :customer_number, customer_message_id = :customer_message_id,
  delivered_number = :delivered_number, end_reason = :end_reason, end_cause = :end_cause, revision = :revision
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: remove_conversation
DELETE FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: add_message
INSERT INTO message (
  tenant_id, interaction_id, number, message_id, sender, text, at_ms, client_message_id, agent_name
) VALUES (
  :tenant_id, :interaction_id, :number, :message_id, :sender, :text, :at_ms, :client_message_id, :agent_name
)

-- name: message
SELECT * FROM message WHERE tenant_id = :tenant_id AND message_id = :message_id

-- name: messages_after
SELECT * FROM message
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND number > :number
ORDER BY number LIMIT :rows_max

-- name: revisions
SELECT tenant_id, interaction_id, revision FROM conversation
WHERE (tenant_id, interaction_id) IN (
  SELECT * FROM unnest(CAST(:tenant_ids AS text[]), CAST(:interaction_ids AS text[]))
)

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
