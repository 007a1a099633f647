-- name: take_node
INSERT INTO node AS kept (node, holder, lease_until_ms, driver)
VALUES (:node, :holder, :until_ms, :driver)
ON CONFLICT (node) DO UPDATE
SET holder = excluded.holder, lease_until_ms = excluded.lease_until_ms, driver = excluded.driver,
  epoch = kept.epoch + 1, commits = 0, connected = false
WHERE kept.holder IS NULL OR kept.holder = excluded.holder OR kept.lease_until_ms <= :now_ms
RETURNING epoch

-- name: keep_node
UPDATE node SET lease_until_ms = :until_ms, connected = :connected, calls = :calls
WHERE node = :node AND epoch = :epoch

-- name: release_node
UPDATE node SET holder = NULL, lease_until_ms = 0, connected = false WHERE node = :node AND epoch = :epoch

-- name: commits_of
SELECT commits FROM node WHERE node = :node AND epoch = :epoch FOR UPDATE

-- name: count_commit
UPDATE node SET commits = :number WHERE node = :node AND epoch = :epoch

-- name: nodes
SELECT node, driver, connected, calls, holder IS NOT NULL AND lease_until_ms > :now_ms AS owned FROM node ORDER BY node

-- name: calls_of
SELECT tenant_id, interaction_id, node, state, to_do FROM call WHERE node = :node ORDER BY interaction_id

-- name: keep_calls
INSERT INTO call (tenant_id, interaction_id, node, state, to_do)
SELECT given.tenant_id, given.interaction_id, :node, given.state, given.to_do
FROM unnest(
  CAST(:tenants AS text[]), CAST(:interactions AS text[]), CAST(:states AS text[]), CAST(:to_dos AS text[])
) AS given (tenant_id, interaction_id, state, to_do)
ON CONFLICT (tenant_id, interaction_id) DO UPDATE
SET node = excluded.node, state = excluded.state, to_do = excluded.to_do

-- name: forget_calls
DELETE FROM call USING unnest(CAST(:tenants AS text[]), CAST(:interactions AS text[])) AS gone (tenant_id, interaction_id)
WHERE call.tenant_id = gone.tenant_id AND call.interaction_id = gone.interaction_id

-- name: positions
SELECT topic, partition, next_offset, sequence FROM consumer_position WHERE consumer = :consumer

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
