-- safe with previous release: yes
-- Files of customers' messages that are not here yet: each is fetched from its provider, or, where the customer took the
-- message back, deleted. `media` is JSON (MediaRef of gatewaykit.domain.content) and personal; it goes with the fetching.
CREATE TABLE pending_file (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  place integer NOT NULL,
  interaction_id text NOT NULL,
  address text NOT NULL,
  state text NOT NULL CHECK (state IN ('fetch', 'delete', 'failed')),
  media text,
  attempts integer NOT NULL,
  created_at_ms bigint NOT NULL,
  due_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, message_id, place)
);
SELECT protect_tenants('pending_file');
CREATE INDEX pending_file_due ON pending_file (due_at_ms) WHERE state <> 'failed';
CREATE INDEX pending_file_failed ON pending_file (created_at_ms) WHERE state = 'failed';

-- What was seen last of an address' webhooks.
CREATE TABLE webhook_note (
  tenant_id text NOT NULL,
  address text NOT NULL,
  delivered_at_ms bigint,
  refused_at_ms bigint,
  refused_because text,
  PRIMARY KEY (tenant_id, address)
);
SELECT protect_tenants('webhook_note');
