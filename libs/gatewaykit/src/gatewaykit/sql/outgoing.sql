-- name: allot
-- Holds the pair until the commit, so numbers rise in the order of commits.
INSERT INTO sending_rate AS rate (tenant_id, address, counterpart, last_number, used_at_ms)
VALUES (:tenant_id, :address, :counterpart, :parts, :now_ms)
ON CONFLICT (tenant_id, address, counterpart) DO UPDATE
SET last_number = rate.last_number + :parts, used_at_ms = :now_ms
RETURNING last_number

-- name: know_account
INSERT INTO sending_rate (tenant_id, address, counterpart, used_at_ms) VALUES (:tenant_id, :address, '', :now_ms)
ON CONFLICT DO NOTHING

-- name: add_outgoing
INSERT INTO outgoing (
  tenant_id, outgoing_id, message_id, interaction_id, domain, address, counterpart, part, round, number, payload, state,
  attempts, created_at_ms, due_at_ms, changed_at_ms, tried_at_ms, lease_until_ms, provider_message_id, reason, detail,
  request_id, recipients
) VALUES (
  :tenant_id, :outgoing_id, :message_id, :interaction_id, :domain, :address, :counterpart, :part, :round, :number,
  :payload, :state, :attempts, :created_at_ms, :due_at_ms, :changed_at_ms, :tried_at_ms, :lease_until_ms,
  :provider_message_id, :reason, :detail, :request_id, :recipients
) ON CONFLICT DO NOTHING

-- name: save_outgoing
UPDATE outgoing SET
  payload = :payload, state = :state, attempts = :attempts, due_at_ms = :due_at_ms, changed_at_ms = :changed_at_ms,
  tried_at_ms = :tried_at_ms, lease_until_ms = :lease_until_ms, provider_message_id = :provider_message_id,
  reason = :reason, detail = :detail, recipients = :recipients
WHERE tenant_id = :tenant_id AND outgoing_id = :outgoing_id

-- name: move_outgoings
-- In one order for everybody.
WITH moved AS (
  SELECT tenant_id, outgoing_id FROM outgoing
  WHERE tenant_id = :tenant_id AND message_id = ANY(CAST(:message_ids AS text[])) ORDER BY number FOR UPDATE
)
UPDATE outgoing SET interaction_id = :interaction_id FROM moved
WHERE outgoing.tenant_id = moved.tenant_id AND outgoing.outgoing_id = moved.outgoing_id

-- name: parts_of
SELECT * FROM outgoing WHERE tenant_id = :tenant_id AND message_id = :message_id ORDER BY number

-- name: locked_parts_of
-- In one order for everybody.
SELECT * FROM outgoing WHERE tenant_id = :tenant_id AND message_id = :message_id ORDER BY number FOR UPDATE

-- name: outgoing
SELECT * FROM outgoing WHERE tenant_id = :tenant_id AND outgoing_id = :outgoing_id

-- name: outgoing_of_provider
SELECT * FROM outgoing
WHERE tenant_id = :tenant_id AND address = :address AND provider_message_id = :provider_message_id
ORDER BY number LIMIT 10

-- name: reached
SELECT * FROM outgoing
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart
  AND (state = 'sent' OR state = 'delivered' AND tried_at_ms <= :read_to_ms)
  AND state IN ('sent', 'delivered') AND tried_at_ms <= :up_to_ms
ORDER BY number LIMIT :rows_max

-- name: due_accounts
SELECT tenant_id, address FROM sending_rate AS account
WHERE counterpart = '' AND blocked_until_ms <= :now_ms AND EXISTS (
  SELECT FROM outgoing
  WHERE outgoing.tenant_id = account.tenant_id AND outgoing.address = account.address
    AND state = 'pending' AND due_at_ms <= :now_ms
)
ORDER BY full_at_ms LIMIT :rows_max

-- name: locked_account
-- One replica at a time gives out the account's turns; the others pass it over.
SELECT * FROM sending_rate WHERE tenant_id = :tenant_id AND address = :address AND counterpart = ''
FOR UPDATE SKIP LOCKED

-- name: pair_in_flight
SELECT 1 FROM outgoing
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart AND lease_until_ms IS NOT NULL
LIMIT 1

-- name: in_flight
SELECT count(*) AS rows FROM outgoing
WHERE tenant_id = :tenant_id AND address = :address AND lease_until_ms IS NOT NULL

-- name: due_heads
-- Whoever is head stays it until settled: lower numbers never come later, and a settled part is never pending again.
SELECT head.* FROM outgoing AS head JOIN sending_rate AS pair USING (tenant_id, address, counterpart)
WHERE head.tenant_id = :tenant_id AND head.address = :address
  AND head.state = 'pending' AND head.due_at_ms <= :now_ms
  AND pair.blocked_until_ms <= :now_ms AND pair.full_at_ms <= :pair_full_at_ms
  AND NOT EXISTS (
    SELECT FROM outgoing AS before
    WHERE before.tenant_id = head.tenant_id AND before.address = head.address
      AND before.counterpart = head.counterpart
      AND before.number < head.number
      AND (before.state IN ('pending', 'sending') OR before.lease_until_ms IS NOT NULL)
  )
ORDER BY head.due_at_ms, head.number LIMIT :rows_max FOR UPDATE SKIP LOCKED

-- name: save_account
UPDATE sending_rate SET full_at_ms = :full_at_ms, used_at_ms = :used_at_ms
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = ''

-- name: spend
UPDATE sending_rate SET full_at_ms = GREATEST(full_at_ms, :at_ms) + :step_ms
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart

-- name: locked_pair
SELECT * FROM sending_rate WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart
FOR UPDATE

-- name: block
UPDATE sending_rate SET blocked_until_ms = GREATEST(blocked_until_ms, :until_ms)
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart

-- name: raise_watermark
UPDATE sending_rate SET
  delivered_to_ms = GREATEST(delivered_to_ms, :up_to_ms),
  read_to_ms = CASE WHEN :read THEN GREATEST(read_to_ms, :up_to_ms) ELSE read_to_ms END
WHERE tenant_id = :tenant_id AND address = :address AND counterpart = :counterpart

-- name: lapsed
SELECT * FROM outgoing
WHERE lease_until_ms <= :now_ms OR state = 'pending' AND created_at_ms <= :old_ms
ORDER BY changed_at_ms LIMIT :rows_max

-- name: taken_since
-- The condition on changed_at_ms is there for its index: a part changes after it is tried, but clocks differ.
SELECT * FROM outgoing
WHERE tenant_id = :tenant_id AND address = :address AND state IN ('sent', 'unknown') AND payload IS NOT NULL
  AND lease_until_ms IS NULL AND changed_at_ms >= :changed_since_ms
  AND (tried_at_ms, outgoing_id) > (:since_ms, :after)
ORDER BY tried_at_ms, outgoing_id LIMIT :rows_max

-- name: backlog
SELECT count(*) AS rows, min(created_at_ms) AS oldest_ms FROM (
  SELECT created_at_ms FROM outgoing WHERE state = 'pending' ORDER BY created_at_ms LIMIT 100000
) AS waiting

-- name: lock_provider_ids
-- A report and the provider's answer that name one id wait for each other; in one order, so they cannot deadlock.
SELECT pg_advisory_xact_lock('early_report'::regclass::oid::integer, bucket)
FROM (SELECT DISTINCT hashtext(name) AS bucket FROM unnest(CAST(:names AS text[])) AS name ORDER BY 1) AS buckets

-- name: keep_early_report
INSERT INTO early_report (tenant_id, address, provider_message_id, status, code, detail, kept_at_ms)
VALUES (:tenant_id, :address, :provider_message_id, :status, :code, :detail, :kept_at_ms)
ON CONFLICT DO NOTHING

-- name: take_early_reports
DELETE FROM early_report
WHERE tenant_id = :tenant_id AND address = :address AND provider_message_id = :provider_message_id
RETURNING *

-- name: sweep_words
UPDATE outgoing SET payload = NULL WHERE (tenant_id, outgoing_id) IN (
  SELECT tenant_id, outgoing_id FROM outgoing
  WHERE payload IS NOT NULL AND state NOT IN ('pending', 'sending')
    AND changed_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
  LIMIT :rows_max
)

-- name: sweep_outgoing
DELETE FROM outgoing WHERE (tenant_id, outgoing_id) IN (
  SELECT tenant_id, outgoing_id FROM outgoing
  WHERE state NOT IN ('pending', 'sending')
    AND changed_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
  LIMIT :rows_max
)

-- name: sweep_early_reports
DELETE FROM early_report WHERE (tenant_id, address, provider_message_id, status) IN (
  SELECT tenant_id, address, provider_message_id, status FROM early_report
  WHERE kept_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
  LIMIT :rows_max
)

-- name: sweep_pairs
-- Whose last part is gone as well; a part that is put just now has moved `used_at_ms`, which is looked at again.
DELETE FROM sending_rate AS pair
WHERE counterpart <> '' AND used_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
  AND (tenant_id, address, counterpart) IN (
    SELECT tenant_id, address, counterpart FROM sending_rate AS old
    WHERE counterpart <> '' AND used_at_ms < extract(epoch FROM now()) * 1000 - :keep_days * 86400000.0
      AND NOT EXISTS (
        SELECT FROM outgoing
        WHERE outgoing.tenant_id = old.tenant_id AND outgoing.address = old.address
          AND outgoing.counterpart = old.counterpart
      )
    LIMIT :rows_max
  )
