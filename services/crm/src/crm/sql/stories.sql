-- name: interaction
SELECT * FROM interaction WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id FOR UPDATE

-- name: save_interaction
INSERT INTO interaction (
  tenant_id, interaction_id, domain, customer_id, client, channel, address, language, attributes, started_at_ms,
  ended_at_ms, end_reason
) VALUES (
  :tenant_id, :interaction_id, :domain, :customer_id, :client, :channel, :address, :language,
  CAST(:attributes AS jsonb), :started_at_ms, :ended_at_ms, :end_reason
) ON CONFLICT (tenant_id, interaction_id) DO UPDATE SET
  domain = excluded.domain, customer_id = excluded.customer_id, client = excluded.client, channel = excluded.channel,
  address = excluded.address, language = excluded.language, attributes = excluded.attributes,
  started_at_ms = excluded.started_at_ms, ended_at_ms = excluded.ended_at_ms, end_reason = excluded.end_reason

-- name: claims
SELECT claims FROM identity_decision
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id ORDER BY decided_at_ms, decision_id

-- name: holdings
SELECT type, value, customer_id, verified FROM identifier
WHERE tenant_id = :tenant_id AND (type, value) IN (
  SELECT * FROM unnest(CAST(:types AS text[]), CAST(:held_values AS text[]))
)

-- name: add_customer
INSERT INTO customer (tenant_id, customer_id, created_at_ms) VALUES (:tenant_id, :customer_id, :created_at_ms)

-- name: name_customer
-- A name that came with a verified identifier replaces an older one; any other only fills a gap.
UPDATE customer SET
  name = :name, named_at_ms = CASE WHEN CAST(:verified AS boolean) THEN CAST(:at_ms AS bigint) END
WHERE tenant_id = :tenant_id AND customer_id = :customer_id
  AND (name IS NULL OR CAST(:verified AS boolean) AND coalesce(named_at_ms, 0) <= CAST(:at_ms AS bigint))

-- name: attach
-- No row changes when the identifier has got another holder since it was looked up.
INSERT INTO identifier AS kept (tenant_id, type, value, customer_id, verified, decision_id)
VALUES (:tenant_id, :type, :value, :customer_id, :verified, :decision_id)
ON CONFLICT (tenant_id, type, value) DO UPDATE SET
  customer_id = excluded.customer_id, verified = excluded.verified, decision_id = excluded.decision_id
WHERE NOT kept.verified AND kept.customer_id = CAST(:held_by AS text)

-- name: add_decision
INSERT INTO identity_decision (
  tenant_id, decision_id, interaction_id, customer_id, reason, claims, conflicts, decided_at_ms
) VALUES (
  :tenant_id, :decision_id, :interaction_id, :customer_id, :reason, CAST(:claims AS jsonb),
  CAST(:conflicts AS jsonb), :decided_at_ms
)

-- name: lock_customer
SELECT name FROM customer WHERE tenant_id = :tenant_id AND customer_id = :customer_id FOR UPDATE

-- name: identifier_values
SELECT value FROM identifier WHERE tenant_id = :tenant_id AND customer_id = :customer_id

-- name: remove_words
DELETE FROM customer_word
WHERE tenant_id = :tenant_id AND customer_id = :customer_id AND word <> ALL (CAST(:words AS text[]))

-- name: add_words
INSERT INTO customer_word (tenant_id, word, customer_id)
SELECT :tenant_id, word, :customer_id FROM unnest(CAST(:words AS text[])) AS word ON CONFLICT DO NOTHING

-- name: add_message
-- The words go with the message: none for one that is here already.
WITH kept AS (
  INSERT INTO message (
    tenant_id, interaction_id, number, message_id, direction, agent_id, text, at_ms, delivered_at_ms
  ) VALUES (
    :tenant_id, :interaction_id, :number, :message_id, :direction, :agent_id, :text, :at_ms, :delivered_at_ms
  ) ON CONFLICT DO NOTHING RETURNING tenant_id, interaction_id, number, at_ms
), searched AS (
  INSERT INTO message_word (tenant_id, word, at_ms, interaction_id, number)
  SELECT tenant_id, word, at_ms, interaction_id, number FROM kept, unnest(CAST(:words AS text[])) AS word
)
SELECT number FROM kept

-- name: message
SELECT * FROM message WHERE tenant_id = :tenant_id AND message_id = :message_id

-- name: mark_delivered
UPDATE message SET delivered_at_ms = :delivered_at_ms
WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id AND number <= :number
  AND direction = 'outbound' AND delivered_at_ms IS NULL

-- name: add_failed_message
INSERT INTO failed_message (tenant_id, message_id, interaction_id, agent_id, reason, detail, failed_at_ms)
VALUES (:tenant_id, :message_id, :interaction_id, :agent_id, :reason, :detail, :failed_at_ms) ON CONFLICT DO NOTHING

-- name: task
SELECT * FROM task WHERE tenant_id = :tenant_id AND task_id = :task_id

-- name: save_task
INSERT INTO task (
  tenant_id, task_id, interaction_id, domain, queue, state, queued_at_ms, agent_id, assigned_at_ms, waited_ms,
  requeues, ended_at_ms, handled_ms, reason, disposition
) VALUES (
  :tenant_id, :task_id, :interaction_id, :domain, :queue, :state, :queued_at_ms, :agent_id, :assigned_at_ms,
  :waited_ms, :requeues, :ended_at_ms, :handled_ms, :reason, :disposition
) ON CONFLICT (tenant_id, task_id) DO UPDATE SET
  queue = excluded.queue, state = excluded.state, queued_at_ms = excluded.queued_at_ms, agent_id = excluded.agent_id,
  assigned_at_ms = excluded.assigned_at_ms, waited_ms = excluded.waited_ms, requeues = excluded.requeues,
  ended_at_ms = excluded.ended_at_ms, handled_ms = excluded.handled_ms, reason = excluded.reason,
  disposition = excluded.disposition
