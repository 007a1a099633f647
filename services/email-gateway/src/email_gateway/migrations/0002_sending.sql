-- safe with previous release: yes
-- Who is not written to any more, by the hash of the address (domain.suppression): it keeps nobody's address.
CREATE TABLE suppression (
  tenant_id text NOT NULL,
  address_hash text NOT NULL,
  reason text NOT NULL,
  added_at_ms bigint NOT NULL,
  until_ms bigint,
  added_by text,
  PRIMARY KEY (tenant_id, address_hash)
);
SELECT protect_tenants('suppression');
CREATE INDEX suppression_until ON suppression (until_ms) WHERE until_ms IS NOT NULL;

-- Whom a mailbox has acknowledged last, and when.
CREATE TABLE acknowledgement (
  tenant_id text NOT NULL,
  address text NOT NULL,
  sender_hash text NOT NULL,
  at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, address, sender_hash)
);
SELECT protect_tenants('acknowledgement');
CREATE INDEX acknowledgement_at ON acknowledgement (at_ms);

-- What became of a message for each of several recipients, where it is not the same for all. `code` none: it was taken.
CREATE TABLE recipient_result (
  tenant_id text NOT NULL,
  outgoing_id text NOT NULL,
  address text NOT NULL,
  message_id text NOT NULL,
  code text,
  at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, outgoing_id, address)
);
SELECT protect_tenants('recipient_result');
CREATE INDEX recipient_result_message ON recipient_result (tenant_id, message_id);
CREATE INDEX recipient_result_at ON recipient_result (at_ms);

-- What an answer needs of a customer's message: its header's people and ids, what its sender wrote. JSON
-- (domain.outgoing.Original) as text, for strangers' words may hold what jsonb does not take; personal.
CREATE TABLE mail_original (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  interaction_id text NOT NULL,
  at_ms bigint NOT NULL,
  original text NOT NULL,
  PRIMARY KEY (tenant_id, message_id)
);
SELECT protect_tenants('mail_original');
CREATE INDEX mail_original_last ON mail_original (tenant_id, interaction_id, at_ms);
CREATE INDEX mail_original_at ON mail_original (at_ms);

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
