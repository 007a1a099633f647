-- safe with previous release: yes
-- One row per privileged action; rows are added and never changed, not even by the application. `content` is what was
-- asked beside the target.
CREATE TABLE audit (
  tenant_id text NOT NULL,
  audit_id text NOT NULL,
  at_ms bigint NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  content jsonb NOT NULL,
  PRIMARY KEY (tenant_id, audit_id)
);
SELECT protect_tenants('audit');
DO $body$
DECLARE
  granted record;
BEGIN
  FOR granted IN
    SELECT DISTINCT grantee FROM information_schema.role_table_grants
    WHERE table_schema = current_schema() AND table_name = 'audit' AND grantee <> current_user
  LOOP
    EXECUTE format('REVOKE UPDATE, DELETE ON audit FROM %I', granted.grantee);
  END LOOP;
END
$body$;
