-- safe with previous release: yes
-- What goes to providers: each part of a message is a row, in its order among those to the same counterpart. `payload`
-- is JSON (Part of gatewaykit.domain.outgoing) and personal: it goes when the counterpart has the message, else after a
-- week. `round` rises when an agent has a part sent again.
CREATE TABLE outgoing (
  tenant_id text NOT NULL,
  outgoing_id text NOT NULL,
  message_id text NOT NULL,
  interaction_id text NOT NULL,
  domain text NOT NULL,
  address text NOT NULL,
  counterpart text NOT NULL CHECK (counterpart <> ''),
  part integer NOT NULL,
  round integer NOT NULL,
  number bigint NOT NULL,
  payload text,
  state text NOT NULL CHECK (state IN ('pending', 'sending', 'sent', 'delivered', 'read', 'failed', 'unknown')),
  attempts integer NOT NULL,
  created_at_ms bigint NOT NULL,
  due_at_ms bigint NOT NULL,
  changed_at_ms bigint NOT NULL,
  tried_at_ms bigint,
  lease_until_ms bigint,
  provider_message_id text,
  reason text,
  detail text,
  request_id text,
  PRIMARY KEY (tenant_id, outgoing_id),
  UNIQUE (tenant_id, message_id, part, round),
  UNIQUE (tenant_id, address, counterpart, number)
);
SELECT protect_tenants('outgoing');
CREATE INDEX outgoing_open ON outgoing (tenant_id, address, counterpart, number)
  WHERE state IN ('pending', 'sending') OR lease_until_ms IS NOT NULL;
CREATE INDEX outgoing_due ON outgoing (tenant_id, address, due_at_ms) WHERE state = 'pending';
CREATE INDEX outgoing_waiting ON outgoing (created_at_ms) WHERE state = 'pending';
CREATE INDEX outgoing_leased ON outgoing (lease_until_ms) WHERE lease_until_ms IS NOT NULL;
CREATE INDEX outgoing_provider ON outgoing (tenant_id, address, provider_message_id)
  WHERE provider_message_id IS NOT NULL;
CREATE INDEX outgoing_watermark ON outgoing (tenant_id, address, counterpart, tried_at_ms)
  WHERE state IN ('sent', 'delivered');
CREATE INDEX outgoing_changed ON outgoing (changed_at_ms);

-- How fast an account may send (counterpart ''), and how fast to one counterpart: `full_at_ms` is when its bucket is full
-- again. For a counterpart also the last order number, and up to when it has what was sent, or has read it.
CREATE TABLE sending_rate (
  tenant_id text NOT NULL,
  address text NOT NULL,
  counterpart text NOT NULL,
  last_number bigint NOT NULL DEFAULT 0,
  used_at_ms bigint NOT NULL,
  full_at_ms double precision NOT NULL DEFAULT 0,
  blocked_until_ms bigint NOT NULL DEFAULT 0,
  delivered_to_ms bigint NOT NULL DEFAULT 0,
  read_to_ms bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id, address, counterpart)
) WITH (fillfactor = 50);
SELECT protect_tenants('sending_rate');
CREATE INDEX sending_rate_accounts ON sending_rate (tenant_id, address) WHERE counterpart = '';
CREATE INDEX sending_rate_used ON sending_rate (used_at_ms);

-- Reports that came before the provider's answer to the sending was kept, and so name an id that nothing has yet.
CREATE TABLE early_report (
  tenant_id text NOT NULL,
  address text NOT NULL,
  provider_message_id text NOT NULL,
  status text NOT NULL,
  code text,
  detail text,
  kept_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, address, provider_message_id, status)
);
SELECT protect_tenants('early_report');
CREATE INDEX early_report_kept ON early_report (kept_at_ms);
