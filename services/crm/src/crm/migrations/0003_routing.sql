-- safe with previous release: no
-- What routing may need to know of a customer; written by people and integrators.
ALTER TABLE customer
  ADD COLUMN tier text,
  ADD COLUMN language text,
  ADD COLUMN labels jsonb NOT NULL DEFAULT '[]';

ALTER TABLE interaction ADD COLUMN end_cause text;
ALTER TABLE message ADD COLUMN visibility text NOT NULL DEFAULT 'customer'
  CHECK (visibility IN ('customer', 'internal'));

-- `role` is null for a transfer's task until somebody has it. `given_to`: where a task went that its queue gave up.
ALTER TABLE task DROP CONSTRAINT task_state_check;
ALTER TABLE task
  ADD CONSTRAINT task_state_check
    CHECK (state IN ('waiting', 'assigned', 'wrap-up', 'completed', 'abandoned', 'transferred-out')),
  ADD COLUMN role text DEFAULT 'owner',
  ADD COLUMN deferred_for text,
  ADD COLUMN given_to text,
  ADD COLUMN held_ms bigint;

-- What the router did about an interaction, in the order of its events; `told` are those fields that people may want.
CREATE TABLE routing_step (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  sequence text COLLATE "C" NOT NULL,
  task_id text NOT NULL,
  type text NOT NULL,
  at_ms bigint NOT NULL,
  told jsonb NOT NULL,
  PRIMARY KEY (tenant_id, interaction_id, sequence)
);
SELECT protect_tenants('routing_step');

-- One row per privileged action; rows are added and never changed, not even by the application.
CREATE TABLE audit (
  tenant_id text NOT NULL,
  audit_id text NOT NULL,
  at_ms bigint NOT NULL,
  actor text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
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
