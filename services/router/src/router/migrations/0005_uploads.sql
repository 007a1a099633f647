-- safe with previous release: yes
-- Files that agents gave to be sent. The row comes before the file, so that none is forgotten; `size_bytes` says that the
-- file is whole, `sent_at_ms` that a message has it, and then it is the gateway's to delete.
CREATE TABLE upload (
  tenant_id text NOT NULL,
  blob_id text NOT NULL,
  agent_id text NOT NULL,
  interaction_id text NOT NULL,
  begun_at_ms bigint NOT NULL,
  name text NOT NULL,
  mime text,
  size_bytes bigint,
  sha256 text,
  sent_at_ms bigint,
  PRIMARY KEY (tenant_id, blob_id)
);
CREATE INDEX upload_begun ON upload (begun_at_ms);
SELECT protect_tenants('upload');
