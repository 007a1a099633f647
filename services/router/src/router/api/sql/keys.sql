-- name: find
SELECT key_id, tenant_id, integration, digest, expires_at_ms, revoked_at_ms FROM api_key WHERE key_id = :key_id

-- name: of_tenant
SELECT key_id, tenant_id, integration, digest, expires_at_ms, revoked_at_ms
FROM api_key ORDER BY expires_at_ms DESC, key_id LIMIT :rows_max

-- name: keep
INSERT INTO api_key (tenant_id, key_id, integration, digest, expires_at_ms, revoked_at_ms)
VALUES (:tenant, :key_id, :integration, :digest, :expires_at_ms, :revoked_at_ms)
ON CONFLICT (key_id) DO UPDATE SET revoked_at_ms = excluded.revoked_at_ms
