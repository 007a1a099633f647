-- safe with previous release: yes
-- By what the caller names an act, so that a repeat is known: a digest of the Idempotency-Key, or domain and request id.
ALTER TABLE audit ADD COLUMN asked_as text;
CREATE INDEX audit_asked_as ON audit (tenant_id, asked_as, at_ms) WHERE asked_as IS NOT NULL;
