-- safe with previous release: yes
-- The router API's own: configuration of tenants, where domains live, who holds an address, API keys, audit.

-- Where a domain lives. Given out by the platform once, never changed: the state of the domain is in that partition.
CREATE TABLE domain (
  tenant_id text NOT NULL,
  domain_id text NOT NULL,
  partition integer NOT NULL,
  PRIMARY KEY (tenant_id, domain_id)
);
SELECT protect_tenants('domain');

-- Every version that ever was active; the highest is. `hash` is SHA-256 of the document, which is kept as written.
CREATE TABLE configuration_version (
  tenant_id text NOT NULL,
  version integer NOT NULL,
  hash text NOT NULL,
  document text NOT NULL,
  created_at_ms bigint NOT NULL,
  created_by text NOT NULL,
  PRIMARY KEY (tenant_id, version)
);
SELECT protect_tenants('configuration_version');

-- The agents of the active version.
CREATE TABLE agent (
  tenant_id text NOT NULL,
  agent_id text NOT NULL,
  domain_id text NOT NULL,
  name text NOT NULL,
  PRIMARY KEY (tenant_id, agent_id),
  FOREIGN KEY (tenant_id, domain_id) REFERENCES domain
);
SELECT protect_tenants('agent');

-- Channel addresses of active versions. One tenant holds an address, whoever came first: messages to it must not be
-- drawn to another. The key therefore spans tenants.
CREATE TABLE channel_address (
  address text PRIMARY KEY,
  tenant_id text NOT NULL
);
SELECT protect_tenants('channel_address');

-- Keys of integrations; a key is looked up by its id before its tenant is known.
CREATE TABLE api_key (
  key_id text PRIMARY KEY,
  tenant_id text NOT NULL,
  integration text NOT NULL,
  digest bytea NOT NULL,
  expires_at_ms bigint NOT NULL,
  revoked_at_ms bigint
);
CREATE INDEX api_key_tenant ON api_key (tenant_id, expires_at_ms);
SELECT protect_tenants('api_key');

-- One row per privileged action, under the id of its command or event, so that a repeat is no second row.
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
