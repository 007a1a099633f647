-- Each statement serves a whole batch: its parameters are arrays, one element for each row. Look-ups go row by row
-- through an index (LATERAL), whatever the planner believes of a table that has grown since it was analysed.

-- name: interactions
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM interaction WHERE tenant_id = wanted.tenant_id AND interaction_id = wanted.id FOR UPDATE
) AS found

-- name: save_interactions
INSERT INTO interaction (
  tenant_id, interaction_id, domain, customer_id, client, channel, address, language, attributes, started_at_ms,
  ended_at_ms, end_reason, end_cause, continues
)
SELECT
  tenant_id, interaction_id, domain, customer_id, client, channel, address, language, CAST(attributes AS jsonb),
  started_at_ms, ended_at_ms, end_reason, end_cause, continues
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:domain AS text[]), CAST(:customer_id AS text[]),
  CAST(:client AS text[]), CAST(:channel AS text[]), CAST(:address AS text[]), CAST(:language AS text[]),
  CAST(:attributes AS text[]), CAST(:started_at_ms AS bigint[]), CAST(:ended_at_ms AS bigint[]),
  CAST(:end_reason AS text[]), CAST(:end_cause AS text[]), CAST(:continues AS text[])
) AS given (
  tenant_id, interaction_id, domain, customer_id, client, channel, address, language, attributes, started_at_ms,
  ended_at_ms, end_reason, end_cause, continues
)
ON CONFLICT (tenant_id, interaction_id) DO UPDATE SET
  domain = excluded.domain, customer_id = excluded.customer_id, client = excluded.client, channel = excluded.channel,
  address = excluded.address, language = excluded.language, attributes = excluded.attributes,
  started_at_ms = excluded.started_at_ms, ended_at_ms = excluded.ended_at_ms, end_reason = excluded.end_reason,
  end_cause = excluded.end_cause, continues = excluded.continues

-- name: claims
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT tenant_id, interaction_id, decided_at_ms, decision_id, claims FROM identity_decision
  WHERE tenant_id = wanted.tenant_id AND interaction_id = wanted.id
  OFFSET 0
) AS found

-- name: identifiers
SELECT found.*
FROM unnest(CAST(:tenants AS text[]), CAST(:types AS text[]), CAST(:spellings AS text[]))
  AS wanted (tenant_id, type, value), LATERAL (
  SELECT tenant_id, type, value, customer_id, verified, decision_id FROM identifier
  WHERE tenant_id = wanted.tenant_id AND type = wanted.type AND value = wanted.value
  LIMIT 1
) AS found

-- name: customers
-- Locked in the order in which they are asked for; whoever renames one or changes its words waits here.
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM customer WHERE tenant_id = wanted.tenant_id AND customer_id = wanted.id FOR NO KEY UPDATE
) AS found

-- name: last_agents
-- Of the customer's newest interactions, which bounds the look-up for somebody who comes every day.
SELECT wanted.tenant_id, wanted.id, wanted.domain, found.agent_id
FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:domains AS text[]))
  AS wanted (tenant_id, id, domain), LATERAL (
  SELECT task.agent_id
  FROM (
    SELECT interaction_id FROM interaction WHERE tenant_id = wanted.tenant_id AND customer_id = wanted.id
    ORDER BY started_at_ms DESC LIMIT 20
  ) AS own, LATERAL (
    SELECT agent_id, assigned_at_ms, task_id FROM task
    WHERE tenant_id = wanted.tenant_id AND interaction_id = own.interaction_id AND domain = wanted.domain
      AND agent_id IS NOT NULL AND role = 'owner'
    OFFSET 0
  ) AS task
  ORDER BY task.assigned_at_ms DESC NULLS LAST, task.task_id DESC LIMIT 1
) AS found

-- name: save_customers
INSERT INTO customer (tenant_id, customer_id, created_at_ms, name, named_at_ms)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:customer_id AS text[]), CAST(:created_at_ms AS bigint[]), CAST(:name AS text[]),
  CAST(:named_at_ms AS bigint[])
)
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET name = excluded.name, named_at_ms = excluded.named_at_ms

-- name: attach
INSERT INTO identifier (tenant_id, type, value, customer_id, verified, decision_id)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:type AS text[]), CAST(:value AS text[]), CAST(:customer_id AS text[]),
  CAST(:verified AS boolean[]), CAST(:decision_id AS text[])
)
ON CONFLICT DO NOTHING

-- name: take_over
-- A row does not change when the identifier has got another holder since it was looked up.
UPDATE identifier AS kept SET
  customer_id = given.customer_id, verified = given.verified, decision_id = given.decision_id
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:type AS text[]), CAST(:value AS text[]), CAST(:customer_id AS text[]),
  CAST(:verified AS boolean[]), CAST(:decision_id AS text[]), CAST(:kept_by AS text[])
) AS given (tenant_id, type, value, customer_id, verified, decision_id, kept_by)
WHERE kept.tenant_id = given.tenant_id AND kept.type = given.type AND kept.value = given.value
  AND NOT kept.verified AND kept.customer_id = given.kept_by

-- name: add_decisions
INSERT INTO identity_decision (
  tenant_id, decision_id, interaction_id, customer_id, reason, claims, conflicts, decided_at_ms
)
SELECT
  tenant_id, decision_id, interaction_id, customer_id, reason, CAST(claims AS jsonb), CAST(conflicts AS jsonb),
  decided_at_ms
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:decision_id AS text[]), CAST(:interaction_id AS text[]),
  CAST(:customer_id AS text[]), CAST(:reason AS text[]), CAST(:claims AS text[]), CAST(:conflicts AS text[]),
  CAST(:decided_at_ms AS bigint[])
) AS given (tenant_id, decision_id, interaction_id, customer_id, reason, claims, conflicts, decided_at_ms)

-- name: identifier_values
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT tenant_id, customer_id, value FROM identifier
  WHERE tenant_id = wanted.tenant_id AND customer_id = wanted.id
  OFFSET 0
) AS found

-- name: remove_words
DELETE FROM customer_word AS kept
USING unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:words AS text[])) AS now (tenant_id, id, words)
WHERE kept.tenant_id = now.tenant_id AND kept.customer_id = now.id AND kept.word <> ALL (string_to_array(now.words, ' '))

-- name: add_words
INSERT INTO customer_word (tenant_id, word, customer_id)
SELECT now.tenant_id, word, now.id
FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[]), CAST(:words AS text[])) AS now (tenant_id, id, words),
  unnest(string_to_array(now.words, ' ')) AS word
ON CONFLICT DO NOTHING

-- name: add_messages
INSERT INTO message (
  tenant_id, interaction_id, number, message_id, direction, agent_id, text, at_ms, delivered_at_ms, visibility, subject,
  html, quoted, in_reply_to, attributes, parties, files
)
SELECT
  tenant_id, interaction_id, number, message_id, direction, agent_id, text, at_ms, delivered_at_ms, visibility, subject,
  html, quoted, in_reply_to, CAST(attributes AS jsonb), CAST(parties AS jsonb), CAST(files AS jsonb)
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:number AS bigint[]),
  CAST(:message_id AS text[]), CAST(:direction AS text[]), CAST(:agent_id AS text[]), CAST(:text AS text[]),
  CAST(:at_ms AS bigint[]), CAST(:delivered_at_ms AS bigint[]), CAST(:visibility AS text[]),
  CAST(:subject AS text[]), CAST(:html AS text[]), CAST(:quoted AS text[]), CAST(:in_reply_to AS text[]),
  CAST(:attributes AS text[]), CAST(:parties AS text[]), CAST(:files AS text[])
) AS given (
  tenant_id, interaction_id, number, message_id, direction, agent_id, text, at_ms, delivered_at_ms, visibility, subject,
  html, quoted, in_reply_to, attributes, parties, files
)
ON CONFLICT DO NOTHING
RETURNING tenant_id, message_id

-- name: add_message_words
INSERT INTO message_word (tenant_id, word, at_ms, interaction_id, number)
SELECT said.tenant_id, word, said.at_ms, said.interaction_id, said.number
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:number AS bigint[]), CAST(:at_ms AS bigint[]),
  CAST(:words AS text[])
) AS said (tenant_id, interaction_id, number, at_ms, words), unnest(string_to_array(said.words, ' ')) AS word

-- name: message
SELECT * FROM message WHERE tenant_id = :tenant_id AND message_id = :message_id

-- name: messages
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM message WHERE tenant_id = wanted.tenant_id AND message_id = wanted.id LIMIT 1
) AS found

-- name: lock_for_additions
SELECT pg_advisory_xact_lock_shared('message'::regclass::oid::integer, 0) IS NULL AS locked

-- name: lock_for_changes
SELECT pg_advisory_xact_lock('message'::regclass::oid::integer, 0) IS NULL AS locked

-- name: changes
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM message_change WHERE tenant_id = wanted.tenant_id AND message_id = wanted.id LIMIT 1
) AS found

-- name: save_changes
INSERT INTO message_change (
  tenant_id, message_id, edited_at_ms, text, erased_at_ms, moved_at_ms, moved_from, interaction_id, number, files,
  files_told
)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:message_id AS text[]), CAST(:edited_at_ms AS bigint[]), CAST(:text AS text[]),
  CAST(:erased_at_ms AS bigint[]), CAST(:moved_at_ms AS bigint[]), CAST(:moved_from AS text[]),
  CAST(:interaction_id AS text[]), CAST(:number AS bigint[]), CAST(:files AS text[]), CAST(:files_told AS bigint[])
)
ON CONFLICT (tenant_id, message_id) DO UPDATE SET
  edited_at_ms = excluded.edited_at_ms, text = excluded.text, erased_at_ms = excluded.erased_at_ms,
  moved_at_ms = excluded.moved_at_ms, moved_from = excluded.moved_from, interaction_id = excluded.interaction_id,
  number = excluded.number, files = excluded.files, files_told = excluded.files_told

-- name: remove_message_words
DELETE FROM message_word AS kept
USING unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:number AS bigint[]), CAST(:at_ms AS bigint[]),
  CAST(:words AS text[])
) AS said (tenant_id, interaction_id, number, at_ms, words), unnest(string_to_array(said.words, ' ')) AS old (word)
WHERE kept.tenant_id = said.tenant_id AND kept.word = old.word AND kept.at_ms = said.at_ms
  AND kept.interaction_id = said.interaction_id AND kept.number = said.number

-- name: replace_messages
-- A row does not change when its new number stands for another message.
UPDATE message AS kept SET
  interaction_id = given.interaction_id, number = given.number, text = given.text, subject = given.subject,
  html = given.html, quoted = given.quoted, parties = CAST(given.parties AS jsonb), files = CAST(given.files AS jsonb)
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:message_id AS text[]), CAST(:interaction_id AS text[]), CAST(:number AS bigint[]),
  CAST(:text AS text[]), CAST(:subject AS text[]), CAST(:html AS text[]), CAST(:quoted AS text[]),
  CAST(:parties AS text[]), CAST(:files AS text[])
) AS given (tenant_id, message_id, interaction_id, number, text, subject, html, quoted, parties, files)
WHERE kept.tenant_id = given.tenant_id AND kept.message_id = given.message_id
  AND NOT EXISTS (
    SELECT FROM message AS other
    WHERE other.tenant_id = given.tenant_id AND other.interaction_id = given.interaction_id
      AND other.number = given.number AND other.message_id <> given.message_id
  )

-- name: tell_statuses
INSERT INTO message_status (tenant_id, message_id, status, changed_at_ms, reason, detail, recipients)
SELECT tenant_id, message_id, status, changed_at_ms, reason, detail, CAST(recipients AS jsonb) FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:message_id AS text[]), CAST(:status AS text[]),
  CAST(:changed_at_ms AS bigint[]), CAST(:reason AS text[]), CAST(:detail AS text[]), CAST(:recipients AS text[])
) AS told (tenant_id, message_id, status, changed_at_ms, reason, detail, recipients)
ON CONFLICT (tenant_id, message_id) DO UPDATE SET
  status = excluded.status, changed_at_ms = excluded.changed_at_ms, reason = excluded.reason, detail = excluded.detail,
  recipients = excluded.recipients

-- name: tell_windows
INSERT INTO interaction_window AS kept (
  tenant_id, interaction_id, opens_at_ms, closes_at_ms, basis, changed_at_ms
)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:opens_at_ms AS bigint[]),
  CAST(:closes_at_ms AS bigint[]), CAST(:basis AS text[]), CAST(:changed_at_ms AS bigint[])
)
ON CONFLICT (tenant_id, interaction_id) DO UPDATE SET
  opens_at_ms = excluded.opens_at_ms, closes_at_ms = excluded.closes_at_ms, basis = excluded.basis,
  changed_at_ms = excluded.changed_at_ms
WHERE kept.changed_at_ms <= excluded.changed_at_ms

-- name: mark_delivered
-- What is told first of a message counts.
WITH marked AS (
  SELECT DISTINCT ON (found.tenant_id, found.interaction_id, found.number) found.*, told.at_ms
  FROM unnest(
    CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:number AS bigint[]),
    CAST(:delivered_at_ms AS bigint[])
  ) WITH ORDINALITY AS told (tenant_id, interaction_id, number, at_ms, place), LATERAL (
    SELECT tenant_id, interaction_id, number FROM message
    WHERE tenant_id = told.tenant_id AND interaction_id = told.interaction_id AND number <= told.number
      AND direction = 'outbound' AND visibility = 'customer' AND delivered_at_ms IS NULL
    OFFSET 0
  ) AS found
  ORDER BY found.tenant_id, found.interaction_id, found.number, told.place
)
UPDATE message SET delivered_at_ms = marked.at_ms FROM marked
WHERE message.tenant_id = marked.tenant_id AND message.interaction_id = marked.interaction_id
  AND message.number = marked.number

-- name: add_failed_messages
INSERT INTO failed_message (tenant_id, message_id, interaction_id, agent_id, reason, detail, failed_at_ms)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:message_id AS text[]), CAST(:interaction_id AS text[]),
  CAST(:agent_id AS text[]), CAST(:reason AS text[]), CAST(:detail AS text[]), CAST(:failed_at_ms AS bigint[])
)
ON CONFLICT DO NOTHING

-- name: tasks
SELECT found.* FROM unnest(CAST(:tenants AS text[]), CAST(:ids AS text[])) AS wanted (tenant_id, id), LATERAL (
  SELECT * FROM task WHERE tenant_id = wanted.tenant_id AND task_id = wanted.id LIMIT 1
) AS found

-- name: save_tasks
INSERT INTO task (
  tenant_id, task_id, interaction_id, domain, queue, state, queued_at_ms, agent_id, assigned_at_ms, waited_ms,
  requeues, ended_at_ms, handled_ms, reason, disposition, role, deferred_for, given_to, held_ms
)
SELECT * FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:task_id AS text[]), CAST(:interaction_id AS text[]), CAST(:domain AS text[]),
  CAST(:queue AS text[]), CAST(:state AS text[]), CAST(:queued_at_ms AS bigint[]), CAST(:agent_id AS text[]),
  CAST(:assigned_at_ms AS bigint[]), CAST(:waited_ms AS bigint[]), CAST(:requeues AS integer[]),
  CAST(:ended_at_ms AS bigint[]), CAST(:handled_ms AS bigint[]), CAST(:reason AS text[]),
  CAST(:disposition AS text[]), CAST(:role AS text[]), CAST(:deferred_for AS text[]), CAST(:given_to AS text[]),
  CAST(:held_ms AS bigint[])
)
ON CONFLICT (tenant_id, task_id) DO UPDATE SET
  queue = excluded.queue, state = excluded.state, queued_at_ms = excluded.queued_at_ms, agent_id = excluded.agent_id,
  assigned_at_ms = excluded.assigned_at_ms, waited_ms = excluded.waited_ms, requeues = excluded.requeues,
  ended_at_ms = excluded.ended_at_ms, handled_ms = excluded.handled_ms, reason = excluded.reason,
  disposition = excluded.disposition, role = excluded.role, deferred_for = excluded.deferred_for,
  given_to = excluded.given_to, held_ms = excluded.held_ms

-- name: add_steps
INSERT INTO routing_step (tenant_id, interaction_id, sequence, task_id, type, at_ms, told)
SELECT tenant_id, interaction_id, sequence, task_id, type, at_ms, CAST(told AS jsonb)
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:sequence AS text[]), CAST(:task_id AS text[]),
  CAST(:type AS text[]), CAST(:at_ms AS bigint[]), CAST(:told AS text[])
) AS given (tenant_id, interaction_id, sequence, task_id, type, at_ms, told)
ON CONFLICT DO NOTHING

-- name: add_call_steps
INSERT INTO call_step (tenant_id, interaction_id, event_id, number, type, at_ms, told, confidential)
SELECT tenant_id, interaction_id, event_id, number, type, at_ms, CAST(told AS jsonb), confidential
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:event_id AS text[]), CAST(:number AS bigint[]),
  CAST(:type AS text[]), CAST(:at_ms AS bigint[]), CAST(:told AS text[]), CAST(:confidential AS boolean[])
) AS given (tenant_id, interaction_id, event_id, number, type, at_ms, told, confidential)
ON CONFLICT DO NOTHING

-- name: keep_transcripts
INSERT INTO transcript (
  tenant_id, interaction_id, transcript_id, recording_id, language, attached_at_ms, text, segments
)
SELECT tenant_id, interaction_id, transcript_id, recording_id, language, attached_at_ms, text, CAST(segments AS jsonb)
FROM unnest(
  CAST(:tenant_id AS text[]), CAST(:interaction_id AS text[]), CAST(:transcript_id AS text[]),
  CAST(:recording_id AS text[]), CAST(:language AS text[]), CAST(:attached_at_ms AS bigint[]), CAST(:text AS text[]),
  CAST(:segments AS text[])
) AS given (tenant_id, interaction_id, transcript_id, recording_id, language, attached_at_ms, text, segments)
ON CONFLICT (tenant_id, interaction_id, transcript_id) DO UPDATE SET
  recording_id = excluded.recording_id, language = excluded.language, attached_at_ms = excluded.attached_at_ms,
  text = excluded.text, segments = excluded.segments
