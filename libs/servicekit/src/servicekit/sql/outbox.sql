-- name: lock_outbox
SELECT pg_advisory_xact_lock('outbox'::regclass::oid::integer, -1)

-- name: oldest
SELECT id, tenant_id, order_key, topic, partition, key, value, headers
FROM outbox WHERE refused IS NULL ORDER BY id LIMIT :rows_max

-- name: remove
DELETE FROM outbox WHERE id = ANY(:ids)

-- name: refuse
UPDATE outbox SET refused = :reason WHERE id = :id

-- name: depth
SELECT count(*) AS rows FROM (SELECT 1 FROM outbox WHERE refused IS NULL LIMIT 100000) AS counted
