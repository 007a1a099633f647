-- name: open_conversations
-- Rows are JSON: one parameter for whatever many. In one order everywhere, for two that open the same wait for each other.
INSERT INTO conversation (
  tenant_id, interaction_id, channel, address, client, domain, partition, queue_hint, idle_close_seconds,
  abandon_seconds, idle_release_seconds,
  state, active_at_ms, check_at_ms, silent, unanswered_since_ms, gone_at_ms, task_id, assignment_id, agent_id,
  agent_name, helpers, parked, awaits_answer, routed_sequence, last_number, customer_number, customer_message_id, delivered_number,
  end_reason, end_cause, revision, counterpart, identifiers, subject, continues, reopen_seconds, reply_window, ended_at_ms
) SELECT
  tenant_id, interaction_id, channel, address, client, domain, partition, queue_hint, idle_close_seconds,
  abandon_seconds, idle_release_seconds,
  state, active_at_ms, check_at_ms, silent, unanswered_since_ms, gone_at_ms, task_id, assignment_id, agent_id,
  agent_name, helpers, parked, awaits_answer, routed_sequence, last_number, customer_number, customer_message_id, delivered_number,
  end_reason, end_cause, revision, counterpart, identifiers, subject, continues, reopen_seconds, reply_window, ended_at_ms
FROM json_populate_recordset(CAST(NULL AS conversation), CAST(CAST(:rows AS text) AS json))
ORDER BY tenant_id, address, counterpart, interaction_id
ON CONFLICT DO NOTHING

-- name: conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: locked_conversation
SELECT * FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id FOR UPDATE

-- name: locked_open
SELECT * FROM conversation
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart AND state <> 'ended'
FOR UPDATE

-- name: lock_pair
-- Who finds no open conversation of a counterpart is the only one to open it, so that nobody waits for that while holding
-- something else.
SELECT pg_advisory_xact_lock(
  'conversation'::regclass::oid::integer,
  hashtext(concat_ws(E'\n', CAST(:tenant_id AS text), CAST(:address AS text), CAST(:counterpart AS text)))
)

-- name: locked_open_free
-- Of the counterparts' open conversations those that nobody else holds; of the others, and of those that somebody else may
-- be opening (lock_pair), only that they are there. Waiting for one while holding another would be a deadlock with whoever
-- takes them in another order.
--
-- Each by itself (LATERAL, and FOR UPDATE keeps it so), by the index: one look at all of a table with many dead rows costs
-- more than fifty looks into the index.
SELECT asked.address AS seen_address, asked.counterpart AS seen_counterpart, free.*
FROM unnest(CAST(:addresses AS text[]), CAST(:counterparts AS text[])) AS asked (address, counterpart)
LEFT JOIN LATERAL (
  SELECT * FROM conversation
  WHERE tenant_id = :tenant_id AND address = asked.address AND counterpart = asked.counterpart AND state <> 'ended'
  FOR UPDATE SKIP LOCKED
) AS free ON true
WHERE CASE WHEN free.interaction_id IS NOT NULL THEN true
  WHEN EXISTS (
    SELECT FROM conversation
    WHERE tenant_id = :tenant_id AND address = asked.address AND counterpart = asked.counterpart AND state <> 'ended'
  ) THEN true
  ELSE NOT pg_try_advisory_xact_lock(
    'conversation'::regclass::oid::integer,
    hashtext(concat_ws(E'\n', CAST(:tenant_id AS text), asked.address, asked.counterpart))
  )
END

-- name: last_ended
SELECT latest.*
FROM unnest(CAST(:addresses AS text[]), CAST(:counterparts AS text[])) AS asked (address, counterpart)
CROSS JOIN LATERAL (
  SELECT * FROM conversation
  WHERE tenant_id = :tenant_id AND address = asked.address AND counterpart = asked.counterpart AND state = 'ended'
  ORDER BY ended_at_ms DESC, interaction_id LIMIT 1
) AS latest

-- name: due_conversations
-- Skips what another replica looks at just now, and what a message is being written into.
SELECT * FROM conversation WHERE check_at_ms <= :now_ms
ORDER BY check_at_ms LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: put
-- Conversations that are others now, and new messages; rows are JSON.
WITH saved AS (
  UPDATE conversation SET
    active_at_ms = greatest(conversation.active_at_ms, new.active_at_ms), state = new.state,
    check_at_ms = new.check_at_ms, silent = new.silent, unanswered_since_ms = new.unanswered_since_ms,
    gone_at_ms = new.gone_at_ms, task_id = new.task_id, assignment_id = new.assignment_id, agent_id = new.agent_id,
    agent_name = new.agent_name, helpers = new.helpers, parked = new.parked, awaits_answer = new.awaits_answer,
    routed_sequence = new.routed_sequence, last_number = new.last_number, customer_number = new.customer_number,
    customer_message_id = new.customer_message_id, delivered_number = new.delivered_number,
    end_reason = new.end_reason, end_cause = new.end_cause, revision = new.revision, identifiers = new.identifiers,
    reply_window = new.reply_window, ended_at_ms = new.ended_at_ms, counterpart = new.counterpart
  FROM json_populate_recordset(CAST(NULL AS conversation), CAST(CAST(:conversations AS text) AS json)) AS new
  WHERE conversation.tenant_id = new.tenant_id AND conversation.interaction_id = new.interaction_id
)
INSERT INTO message (
  tenant_id, interaction_id, number, message_id, sender, text, at_ms, client_message_id, agent_name,
  address, provider_message_id, files, html, edited_at_ms, erased_at_ms
) SELECT
  tenant_id, interaction_id, number, message_id, sender, text, at_ms, client_message_id, agent_name,
  address, provider_message_id, files, html, edited_at_ms, erased_at_ms
FROM json_populate_recordset(CAST(NULL AS message), CAST(CAST(:messages AS text) AS json))

-- name: remove_conversation
DELETE FROM conversation WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: first_messages
-- The inbox forgets after some days; what is kept of the conversation lasts longer. In one order everywhere, as two that
-- take the same message wait for each other.
WITH taken AS (
  INSERT INTO inbox (tenant_id, source, message_id)
  SELECT :tenant_id, source, message_id
  FROM unnest(CAST(:sources AS text[]), CAST(:message_ids AS text[])) AS asked (source, message_id)
  ORDER BY source, message_id
  ON CONFLICT DO NOTHING
  RETURNING message_id
)
SELECT message_id FROM taken WHERE NOT EXISTS (
  SELECT FROM message WHERE message.tenant_id = :tenant_id AND message.message_id = taken.message_id
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
