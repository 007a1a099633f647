-- Every statement names the tenant, so that its indexes serve it; row-level security holds beside that.
-- Pages are newest first: (instant, key, number) of the last row seen is the cursor.

-- name: customers
SELECT customer_id, name, created_at_ms, tier, language, labels FROM customer
WHERE tenant_id = :tenant AND (created_at_ms, customer_id) < (CAST(:at_ms AS bigint), CAST(:key AS text))
ORDER BY created_at_ms DESC, customer_id DESC LIMIT :rows_max

-- name: customers_found
-- Each word begins a word of the customer; `ends` are the words followed by the last of all characters.
SELECT customer_id, name, created_at_ms, tier, language, labels FROM customer AS c
WHERE tenant_id = :tenant AND (created_at_ms, customer_id) < (CAST(:at_ms AS bigint), CAST(:key AS text))
  AND customer_id IN (
    SELECT w.customer_id FROM customer_word AS w
    WHERE w.tenant_id = :tenant AND w.word >= CAST(:first AS text) AND w.word < CAST(:first_end AS text)
  )
  AND NOT EXISTS (
    SELECT FROM unnest(CAST(:words AS text[]), CAST(:ends AS text[])) AS wanted (word, ends)
    WHERE NOT EXISTS (
      SELECT FROM customer_word AS w
      WHERE w.tenant_id = :tenant AND w.customer_id = c.customer_id AND w.word >= wanted.word AND w.word < wanted.ends
    )
  )
ORDER BY created_at_ms DESC, customer_id DESC LIMIT :rows_max

-- name: customer
SELECT customer_id, name, created_at_ms, tier, language, labels FROM customer WHERE tenant_id = :tenant AND customer_id = :customer_id

-- name: locked_customer
SELECT tier, language, labels FROM customer
WHERE tenant_id = :tenant AND customer_id = :customer_id FOR NO KEY UPDATE

-- name: change_customer
UPDATE customer SET tier = :tier, language = :language, labels = CAST(:labels AS jsonb)
WHERE tenant_id = :tenant AND customer_id = :customer_id

-- name: audit
INSERT INTO audit (tenant_id, audit_id, at_ms, actor, action, target)
VALUES (:tenant, :audit_id, :at_ms, :actor, :action, :target)

-- name: identifiers
SELECT customer_id, type, value, verified FROM identifier
WHERE tenant_id = :tenant AND customer_id = ANY (CAST(:customer_ids AS text[]))
ORDER BY verified DESC, type, value LIMIT :rows_max

-- name: interaction
SELECT * FROM interaction WHERE tenant_id = :tenant AND interaction_id = :interaction_id

-- name: last_tasks
-- Of each interaction the task that was queued last. One that another took the place of, or that only brought help,
-- stands behind all others.
SELECT DISTINCT ON (interaction_id) * FROM task
WHERE tenant_id = :tenant AND interaction_id = ANY (CAST(:interaction_ids AS text[]))
ORDER BY interaction_id, (given_to IS DISTINCT FROM 'handed_over') DESC, (role IS NOT DISTINCT FROM 'owner') DESC,
  queued_at_ms DESC NULLS LAST, task_id DESC

-- name: steps
SELECT * FROM routing_step
WHERE tenant_id = :tenant AND interaction_id = :interaction_id ORDER BY sequence LIMIT :rows_max

-- name: call_steps
SELECT * FROM call_step
WHERE tenant_id = :tenant AND interaction_id = :interaction_id AND (CAST(:confidential AS boolean) OR NOT confidential)
ORDER BY number, event_id LIMIT :rows_max

-- name: transcripts
SELECT * FROM transcript
WHERE tenant_id = :tenant AND interaction_id = :interaction_id
ORDER BY attached_at_ms, transcript_id LIMIT :rows_max

-- name: failed_messages
SELECT message_id, agent_id, reason, detail, failed_at_ms FROM failed_message
WHERE tenant_id = :tenant AND interaction_id = :interaction_id ORDER BY failed_at_ms, message_id LIMIT :rows_max

-- name: messages
SELECT m.*, s.status, s.changed_at_ms AS status_at_ms, s.reason AS status_reason, s.detail AS status_detail,
  COALESCE(s.recipients, '[]') AS recipients, c.edited_at_ms, c.erased_at_ms, c.moved_from
FROM message AS m
LEFT JOIN message_status AS s ON s.tenant_id = :tenant AND s.message_id = m.message_id
LEFT JOIN message_change AS c ON c.tenant_id = :tenant AND c.message_id = m.message_id
WHERE m.tenant_id = :tenant AND m.interaction_id = :interaction_id AND m.number > :after
ORDER BY m.number LIMIT :rows_max

-- name: window
SELECT opens_at_ms, closes_at_ms, basis, changed_at_ms FROM interaction_window
WHERE tenant_id = :tenant AND interaction_id = :interaction_id

-- name: continued_by
SELECT interaction_id FROM interaction
WHERE tenant_id = :tenant AND continues = :interaction_id ORDER BY started_at_ms, interaction_id LIMIT :rows_max

-- name: timeline
-- Beginnings of the customer's interactions, or of those named (number 0), their messages, and what happened on them as
-- calls.
WITH own AS (
  SELECT interaction_id, channel, continues, started_at_ms, ended_at_ms, end_reason FROM interaction
  WHERE tenant_id = :tenant AND customer_id = CAST(:customer_id AS text) AND started_at_ms IS NOT NULL
  UNION ALL
  SELECT interaction_id, channel, continues, started_at_ms, ended_at_ms, end_reason FROM interaction
  WHERE tenant_id = :tenant AND interaction_id = ANY (CAST(:interaction_ids AS text[])) AND started_at_ms IS NOT NULL
), entry AS (
  SELECT started_at_ms AS at_ms, interaction_id, 0 AS number, channel, continues, ended_at_ms, end_reason,
    NULL AS message_id, NULL AS event_id
  FROM own
  UNION ALL
  SELECT m.at_ms, m.interaction_id, m.number, own.channel, own.continues, own.ended_at_ms, own.end_reason, m.message_id,
    NULL
  FROM own JOIN message AS m ON m.tenant_id = :tenant AND m.interaction_id = own.interaction_id
  UNION ALL
  SELECT h.at_ms, h.interaction_id, h.number, own.channel, own.continues, own.ended_at_ms, own.end_reason, NULL,
    h.event_id
  FROM own JOIN call_step AS h ON h.tenant_id = :tenant AND h.interaction_id = own.interaction_id
  WHERE CAST(:confidential AS boolean) OR NOT h.confidential
), page AS (
  SELECT * FROM entry
  WHERE (at_ms, interaction_id, number) < (CAST(:at_ms AS bigint), CAST(:key AS text), CAST(:number AS bigint))
  ORDER BY at_ms DESC, interaction_id DESC, number DESC LIMIT :rows_max
)
SELECT page.*, m.direction, m.agent_id, m.text, m.visibility, m.subject, m.in_reply_to, m.attributes, m.parties, m.files,
  m.html IS NOT NULL AS has_html, s.status, s.changed_at_ms AS status_at_ms, s.reason AS status_reason,
  s.detail AS status_detail, COALESCE(s.recipients, '[]') AS recipients, c.edited_at_ms, c.erased_at_ms, c.moved_from,
  h.type, h.told
FROM page
LEFT JOIN message AS m ON m.tenant_id = :tenant AND m.message_id = page.message_id
LEFT JOIN message_status AS s ON s.tenant_id = :tenant AND s.message_id = page.message_id
LEFT JOIN message_change AS c ON c.tenant_id = :tenant AND c.message_id = page.message_id
LEFT JOIN call_step AS h
  ON h.tenant_id = :tenant AND h.interaction_id = page.interaction_id AND h.event_id = page.event_id
ORDER BY page.at_ms DESC, page.interaction_id DESC, page.number DESC

-- name: chain
-- Those that this one goes on from and those that go on from it, to both ends. UNION: a circle has an end, too.
WITH RECURSIVE chain (interaction_id) AS (
  SELECT CAST(:interaction_id AS text) COLLATE "C"
  UNION
  SELECT beside.interaction_id FROM chain, LATERAL (
    SELECT continues AS interaction_id FROM interaction
    WHERE tenant_id = :tenant AND interaction_id = chain.interaction_id AND continues IS NOT NULL
    UNION ALL
    SELECT interaction_id FROM interaction WHERE tenant_id = :tenant AND continues = chain.interaction_id
  ) AS beside
)
SELECT interaction_id FROM chain LIMIT :rows_max

-- name: found_messages
-- The first word gives the order; the message has all the others.
SELECT m.*, i.customer_id, s.status, s.changed_at_ms AS status_at_ms, s.reason AS status_reason,
  s.detail AS status_detail, COALESCE(s.recipients, '[]') AS recipients, c.edited_at_ms, c.erased_at_ms, c.moved_from,
  m.html IS NOT NULL AS has_html
FROM message_word AS w
JOIN message AS m ON m.tenant_id = :tenant AND m.interaction_id = w.interaction_id AND m.number = w.number
LEFT JOIN message_status AS s ON s.tenant_id = :tenant AND s.message_id = m.message_id
LEFT JOIN message_change AS c ON c.tenant_id = :tenant AND c.message_id = m.message_id
LEFT JOIN interaction AS i ON i.tenant_id = :tenant AND i.interaction_id = w.interaction_id
WHERE w.tenant_id = :tenant AND w.word = :first
  AND (w.at_ms, w.interaction_id, w.number) < (CAST(:at_ms AS bigint), CAST(:key AS text), CAST(:number AS bigint))
  AND NOT EXISTS (
    SELECT FROM unnest(CAST(:others AS text[])) AS wanted (word)
    WHERE NOT EXISTS (
      SELECT FROM message_word AS x
      WHERE x.tenant_id = :tenant AND x.word = wanted.word
        AND x.at_ms = w.at_ms AND x.interaction_id = w.interaction_id AND x.number = w.number
    )
  )
ORDER BY w.at_ms DESC, w.interaction_id DESC, w.number DESC LIMIT :rows_max
