-- name: take_node
INSERT INTO node AS kept (node, holder, lease_until_ms, driver, url)
VALUES (:node, :holder, :until_ms, :driver, :url)
ON CONFLICT (node) DO UPDATE
SET holder = excluded.holder, lease_until_ms = excluded.lease_until_ms, driver = excluded.driver,
  url = excluded.url,
  epoch = kept.epoch + 1, commits = 0, connected = false
WHERE kept.holder IS NULL OR kept.holder = excluded.holder OR kept.lease_until_ms <= :now_ms
RETURNING epoch

-- name: keep_node
UPDATE node SET lease_until_ms = :until_ms, connected = :connected, calls = :calls
WHERE node = :node AND epoch = :epoch

-- name: release_node
UPDATE node SET holder = NULL, lease_until_ms = 0, connected = false WHERE node = :node AND epoch = :epoch

-- name: count_commit
-- How many there were before; no row: the node is another owner's.
WITH before AS (SELECT commits FROM node WHERE node = :node AND epoch = :epoch FOR UPDATE)
UPDATE node SET commits = greatest(node.commits, :number) FROM before
WHERE node.node = :node AND node.epoch = :epoch
RETURNING before.commits

-- name: nodes
SELECT node, driver, connected, calls, url, holder IS NOT NULL AND lease_until_ms > :now_ms AS owned FROM node ORDER BY node

-- name: calls_of
SELECT * FROM call WHERE node = :node AND over_at_ms IS NULL ORDER BY interaction_id

-- name: call
SELECT * FROM call WHERE tenant_id = :tenant_id AND interaction_id = :interaction_id

-- name: keep_calls
INSERT INTO call (tenant_id, interaction_id, node, state, to_do, over_at_ms)
SELECT * FROM unnest(
  CAST(:tenants AS text[]), CAST(:interactions AS text[]), CAST(:nodes AS text[]), CAST(:states AS text[]),
  CAST(:to_dos AS text[]), CAST(:overs AS bigint[])
)
ON CONFLICT (tenant_id, interaction_id) DO UPDATE
SET node = excluded.node, state = excluded.state, to_do = excluded.to_do, over_at_ms = excluded.over_at_ms

-- name: sweep_calls
DELETE FROM call WHERE ctid = ANY(ARRAY(
  SELECT ctid FROM call
  WHERE over_at_ms < (extract(epoch FROM now()) - :keep_days * 86400) * 1000 LIMIT :rows_max
))

-- name: positions
SELECT topic, partition, next_offset, sequence FROM consumer_position WHERE consumer = :consumer

-- name: keep_positions
-- Whoever writes has the node's epoch, so nobody else moves them.
INSERT INTO consumer_position (consumer, topic, partition, next_offset, sequence)
SELECT CAST(:consumer AS text), * FROM unnest(
  CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]), CAST(:sequences AS text[])
)
ON CONFLICT (consumer, topic, partition) DO UPDATE
SET next_offset = excluded.next_offset, sequence = excluded.sequence

-- name: ask_phone
INSERT INTO phone (tenant_id, agent_id, node, endpoint_id, browser, password, asked_at_ms)
VALUES (:tenant_id, :agent_id, :node, :endpoint_id, :browser, :password, :asked_at_ms)
ON CONFLICT (tenant_id, agent_id, node) DO UPDATE
SET endpoint_id = excluded.endpoint_id, browser = excluded.browser, password = excluded.password,
  asked_at_ms = excluded.asked_at_ms, done_at_ms = NULL

-- name: phones_to_do
SELECT * FROM phone WHERE node = :node AND password IS NOT NULL ORDER BY asked_at_ms LIMIT :rows_max

-- name: phone_done
-- A newer password than the one that the node has got stays to be done.
UPDATE phone SET password = NULL, done_at_ms = :now_ms
WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND node = :node AND password = :password

-- name: phones_done
SELECT node FROM phone
WHERE tenant_id = :tenant_id AND agent_id = :agent_id AND password IS NULL ORDER BY node
