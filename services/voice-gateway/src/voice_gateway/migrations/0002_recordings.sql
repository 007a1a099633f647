-- safe with previous release: yes
-- What nodes have recorded: wanted (to be fetched), kept (in the store of files), failed, removed. `due_at_ms`: when
-- something is to be done about it at its node: fetch it, or have the node forget it; none: nothing. `pauses` is JSON.
CREATE TABLE recording (
  tenant_id text NOT NULL,
  recording_id text NOT NULL,
  interaction_id text NOT NULL,
  domain text NOT NULL,
  client text NOT NULL,
  node text NOT NULL,
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('wanted', 'kept', 'failed', 'removed')),
  begun_at_ms bigint NOT NULL,
  seconds double precision NOT NULL,
  pauses text NOT NULL,
  wanted_at_ms bigint NOT NULL,
  keep_until_ms bigint NOT NULL,
  due_at_ms bigint,
  attempts integer NOT NULL DEFAULT 0,
  size_bytes bigint,
  sha256 text,
  content_type text,
  reason text,
  PRIMARY KEY (tenant_id, recording_id)
);
SELECT protect_tenants('recording');
CREATE INDEX recording_due ON recording (node, due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX recording_expiry ON recording (keep_until_ms);
CREATE INDEX recording_interaction ON recording (tenant_id, interaction_id);

-- Who had a call, or the task of its voicemail: they may perhaps hear what was recorded.
CREATE TABLE call_agent (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  agent_id text NOT NULL,
  at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, interaction_id, agent_id)
);
SELECT protect_tenants('call_agent');
CREATE INDEX call_agent_at ON call_agent (at_ms);

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
