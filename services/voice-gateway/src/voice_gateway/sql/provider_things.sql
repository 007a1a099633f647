-- name: keep_thing
INSERT INTO provider_thing (node, kind, id, provider_id, state) VALUES (:node, :kind, :id, :provider_id, :state)
ON CONFLICT (node, kind, id) DO UPDATE SET provider_id = excluded.provider_id, state = excluded.state

-- name: forget_thing
DELETE FROM provider_thing WHERE node = :node AND kind = :kind AND id = :id

-- name: things
SELECT kind, id, provider_id, state FROM provider_thing WHERE node = :node
