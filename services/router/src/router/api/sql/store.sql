-- name: active
SELECT version, hash, document, created_at_ms, created_by
FROM configuration_version ORDER BY version DESC LIMIT 1

-- name: active_version
SELECT coalesce(max(version), 0) AS version FROM configuration_version

-- name: dispositions
SELECT domain -> 'dispositions' AS dispositions
FROM (SELECT document FROM configuration_version ORDER BY version DESC LIMIT 1) AS active,
  jsonb_array_elements(CAST(active.document AS jsonb) -> 'domains') AS domain
WHERE domain ->> 'id' = :domain

-- name: document
SELECT document FROM configuration_version WHERE version = :version

-- name: versions
SELECT version, hash, created_at_ms, created_by
FROM configuration_version ORDER BY version DESC LIMIT :rows_max

-- name: lock_tenant
SELECT pg_advisory_xact_lock('configuration_version'::regclass::oid::integer, hashtext(:tenant)) IS NULL AS locked

-- name: keep_version
INSERT INTO configuration_version (tenant_id, version, hash, document, created_at_ms, created_by)
VALUES (:tenant, :version, :hash, :document, :created_at_ms, :created_by)

-- name: drop_agents
DELETE FROM agent WHERE agent_id <> ALL (:agent_ids)

-- name: keep_agents
INSERT INTO agent (tenant_id, agent_id, domain_id, name)
SELECT :tenant, * FROM unnest(CAST(:agent_ids AS text[]), CAST(:domains AS text[]), CAST(:names AS text[]))
ON CONFLICT (tenant_id, agent_id) DO UPDATE SET domain_id = excluded.domain_id, name = excluded.name

-- name: drop_addresses
DELETE FROM channel_address WHERE address <> ALL (:addresses)

-- name: keep_addresses
INSERT INTO channel_address (tenant_id, address)
SELECT :tenant, address FROM unnest(CAST(:addresses AS text[])) AS address
ON CONFLICT DO NOTHING

-- name: addresses
SELECT address FROM channel_address

-- name: held_by_others
SELECT address FROM channel_address WHERE tenant_id <> :tenant AND address = ANY (:addresses)

-- name: domains
SELECT domain_id, partition FROM domain

-- name: lock_places
SELECT pg_advisory_xact_lock('domain'::regclass::oid::integer, 0) IS NULL AS locked

-- name: places_taken
SELECT partition, count(*) AS domains FROM domain GROUP BY partition

-- name: keep_domain
INSERT INTO domain (tenant_id, domain_id, partition) VALUES (:tenant, :domain, :partition)
ON CONFLICT DO NOTHING

-- name: seat
SELECT agent.agent_id, agent.name, agent.domain_id AS domain, domain.partition
FROM agent JOIN domain USING (tenant_id, domain_id)
WHERE agent_id = :agent_id

-- name: audit
INSERT INTO audit (tenant_id, audit_id, at_ms, actor, action, target, content, asked_as)
VALUES (:tenant, :audit_id, :at_ms, :actor, :action, :target, CAST(:content AS jsonb), :asked_as)
ON CONFLICT DO NOTHING

-- name: lock_asked
SELECT pg_advisory_xact_lock('audit'::regclass::oid::integer, hashtext(:asked_as)) IS NULL AS locked

-- name: asked_since
SELECT audit_id, content = CAST(:content AS jsonb) AS alike
FROM audit WHERE asked_as = :asked_as AND at_ms > :since_ms ORDER BY at_ms DESC LIMIT 1

-- name: asked_last
SELECT audit_id FROM audit WHERE asked_as = :asked_as ORDER BY at_ms DESC LIMIT 1

-- name: audit_outcome
INSERT INTO audit_outcome (tenant_id, audit_id, at_ms, outcome, code)
SELECT :tenant, audit_id, :at_ms, :outcome, :code FROM audit WHERE audit_id = :audit_id
ON CONFLICT DO NOTHING

-- name: audited_actor
SELECT actor FROM audit WHERE audit_id = :audit_id
