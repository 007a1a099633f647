-- name: locked_position
-- The row is made when there is none, and locked either way: a second consumer of the partition waits here.
INSERT INTO consumer_position AS kept (consumer, topic, partition, next_offset)
VALUES (:consumer, :topic, :partition, 0)
ON CONFLICT (consumer, topic, partition) DO UPDATE SET next_offset = kept.next_offset
RETURNING next_offset, sequence

-- name: move_position
UPDATE consumer_position SET next_offset = :next_offset, sequence = :sequence
WHERE consumer = :consumer AND topic = :topic AND partition = :partition

-- name: next_offset
SELECT next_offset FROM consumer_position
WHERE consumer = :consumer AND topic = :topic AND partition = :partition

-- name: first_time
INSERT INTO inbox (tenant_id, source, message_id) VALUES (:tenant, :source, :message_id) ON CONFLICT DO NOTHING

-- name: outbox_append
SELECT outbox_append(
  :tenants, :order_keys, :topics, CAST(:partitions AS integer[]), :keys, CAST(:contents AS bytea[]), :heads
)

-- name: open_transaction
-- Local to the transaction: on a pooled connection nothing of it outlives the transaction.
SELECT
  set_config('app.tenant', :tenant, true),
  set_config('search_path', :schema, true),
  set_config('statement_timeout', '10s', true),
  set_config('lock_timeout', '5s', true),
  set_config('idle_in_transaction_session_timeout', '60s', true)
