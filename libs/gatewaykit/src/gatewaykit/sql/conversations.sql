-- name: open_conversation
INSERT INTO conversation (
  tenant_id, interaction_id, channel, address, client, domain, partition, queue_hint, idle_close_seconds,
  abandon_seconds, idle_release_seconds,
  state, active_at_ms, check_at_ms, silent, unanswered_since_ms, gone_at_ms, task_id, assignment_id, agent_id,
  agent_name, helpers, parked, awaits_answer, routed_sequence, last_number, customer_number, customer_message_id, delivered_number,
  end_reason, end_cause, revision, counterpart, identifiers, subject, continues, reopen_seconds, reply_window, ended_at_ms
) VALUES (
  :tenant_id, :interaction_id, :channel, :address, :client, :domain, :partition, :queue_hint, :idle_close_seconds,
  :abandon_seconds, :idle_release_seconds,
  :state, :active_at_ms, :check_at_ms, :silent, :unanswered_since_ms, :gone_at_ms, :task_id, :assignment_id, :agent_id,
  :agent_name, :helpers, :parked, :awaits_answer, :routed_sequence, :last_number, :customer_number, :customer_message_id,
  :delivered_number, :end_reason, :end_cause, :revision, :counterpart, :identifiers, :subject, :continues, :reopen_seconds,
  :reply_window, :ended_at_ms
) ON CONFLICT DO NOTHING

-- name: conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: locked_conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id FOR UPDATE

-- name: locked_open
SELECT * FROM conversation
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart AND state <> 'ended'
FOR UPDATE

-- name: last_ended
SELECT * FROM conversation
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart AND state = 'ended'
ORDER BY ended_at_ms DESC, interaction_id LIMIT 1

-- name: due_conversations
-- Skips what another replica looks at just now, and what a message is being written into.
SELECT * FROM conversation WHERE check_at_ms <= :now_ms
ORDER BY check_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: save_conversation
UPDATE conversation SET
  state = :state, active_at_ms = greatest(active_at_ms, :active_at_ms), check_at_ms = :check_at_ms, silent = :silent,
  unanswered_since_ms = :unanswered_since_ms, gone_at_ms = :gone_at_ms,
  task_id = :task_id, assignment_id = :assignment_id, agent_id = :agent_id, agent_name = :agent_name,
  helpers = :helpers, parked = :parked, awaits_answer = :awaits_answer, routed_sequence = :routed_sequence,
  last_number = :last_number,
  customer_number = :customer_number, customer_message_id = :customer_message_id,
  delivered_number = :delivered_number, end_reason = :end_reason, end_cause = :end_cause, revision = :revision,
  identifiers = :identifiers, reply_window = :reply_window, ended_at_ms = :ended_at_ms
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: remove_conversation
DELETE FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: add_message
INSERT INTO message (
  tenant_id, interaction_id, number, message_id, sender, text, at_ms, client_message_id, agent_name,
  address, provider_message_id, files, html, edited_at_ms, erased_at_ms
) VALUES (
  :tenant_id, :interaction_id, :number, :message_id, :sender, :text, :at_ms, :client_message_id, :agent_name,
  :address, :provider_message_id, :files, :html, :edited_at_ms, :erased_at_ms
)

-- name: change_message
UPDATE message SET
  text = :text, html = :html, files = :files, edited_at_ms = :edited_at_ms, erased_at_ms = :erased_at_ms
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND number = :number

-- name: message
SELECT * FROM message WHERE tenant_id = :tenant_id AND message_id = :message_id

-- name: move_message
UPDATE message SET interaction_id = :interaction_id, number = :number
WHERE tenant_id = :tenant_id AND message_id = :message_id

-- name: join_counterparts
UPDATE conversation SET counterpart = :into
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart AND state = 'ended'

-- name: messages_after
SELECT * FROM message
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND number > :number
ORDER BY number LIMIT :rows_max

-- name: revisions
SELECT tenant_id, interaction_id, revision FROM conversation
WHERE (tenant_id, interaction_id) IN (
  SELECT * FROM unnest(CAST(:tenant_ids AS text[]), CAST(:interaction_ids AS text[]))
)
