-- safe with previous release: yes
-- What was asked, without who asked and the id, which stand beside it; and what became of it.
ALTER TABLE audit ADD COLUMN content jsonb NOT NULL DEFAULT '{}';

-- Of what is asked of the engine (audit ids `command:...` and `request:...`): one row once this service has learned it.
CREATE TABLE audit_outcome (
  tenant_id text NOT NULL,
  audit_id text NOT NULL,
  at_ms bigint NOT NULL,
  outcome text NOT NULL,
  code text,
  PRIMARY KEY (tenant_id, audit_id),
  FOREIGN KEY (tenant_id, audit_id) REFERENCES audit
);
SELECT protect_tenants('audit_outcome');
DO $body$
DECLARE
  granted record;
BEGIN
  FOR granted IN
    SELECT DISTINCT grantee FROM information_schema.role_table_grants
    WHERE table_schema = current_schema() AND table_name = 'audit_outcome' AND grantee <> current_user
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE ON audit_outcome FROM %I', granted.grantee);
  END LOOP;
END
$body$;
