-- safe with previous release: yes
-- Audit rows are added and never changed, not even by the application.
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
