-- safe with previous release: yes
-- Conversations and messages as gatewaykit's statements name them (libs/gatewaykit); removed 30 days after the end.
-- Identifiers, helpers, files and the window are JSON.
CREATE TABLE conversation (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  channel text NOT NULL,
  address text NOT NULL,
  client text NOT NULL,
  domain text NOT NULL,
  partition integer NOT NULL,
  queue_hint text,
  idle_close_seconds integer NOT NULL,
  abandon_seconds integer NOT NULL,
  idle_release_seconds integer,
  state text NOT NULL CHECK (state IN ('open', 'waiting', 'assigned', 'ended')),
  active_at_ms bigint NOT NULL,
  check_at_ms bigint NOT NULL,
  silent boolean NOT NULL DEFAULT false,
  unanswered_since_ms bigint,
  gone_at_ms bigint,
  task_id text,
  assignment_id text,
  agent_id text,
  agent_name text,
  helpers text NOT NULL DEFAULT '[]',
  parked boolean NOT NULL DEFAULT false,
  awaits_answer boolean NOT NULL DEFAULT false,
  routed_sequence text NOT NULL,
  last_number integer NOT NULL,
  customer_number integer NOT NULL,
  customer_message_id text NOT NULL,
  delivered_number integer NOT NULL,
  end_reason text,
  end_cause text,
  revision bigint NOT NULL,
  counterpart text,
  identifiers text NOT NULL DEFAULT '[]',
  subject text,
  continues text,
  reopen_seconds integer NOT NULL DEFAULT 0,
  reply_window text,
  ended_at_ms bigint,
  PRIMARY KEY (tenant_id, interaction_id)
);
SELECT protect_tenants('conversation');
CREATE INDEX conversation_check ON conversation (check_at_ms);
CREATE UNIQUE INDEX conversation_open ON conversation (tenant_id, address, counterpart)
  WHERE counterpart IS NOT NULL AND state <> 'ended';
CREATE INDEX conversation_ended ON conversation (tenant_id, address, counterpart, ended_at_ms)
  WHERE counterpart IS NOT NULL AND state = 'ended';
-- A reply address names the interaction and no tenant.
CREATE INDEX conversation_interaction ON conversation (interaction_id);

CREATE TABLE message (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  number integer NOT NULL,
  message_id text NOT NULL,
  sender text NOT NULL CHECK (sender IN ('customer', 'agent', 'system')),
  text text NOT NULL,
  at_ms bigint NOT NULL,
  client_message_id text,
  agent_name text,
  address text,
  provider_message_id text,
  files text NOT NULL DEFAULT '[]',
  html text,
  edited_at_ms bigint,
  erased_at_ms bigint,
  PRIMARY KEY (tenant_id, interaction_id, number),
  UNIQUE (tenant_id, message_id),
  FOREIGN KEY (tenant_id, interaction_id) REFERENCES conversation ON DELETE CASCADE
);
SELECT protect_tenants('message');
CREATE UNIQUE INDEX message_provider ON message (tenant_id, address, provider_message_id)
  WHERE provider_message_id IS NOT NULL;

-- Every message that was taken, by the hash of its Message-ID, or of its content where it has none or one that another
-- message had before. It says what comes again, and which conversation an answer belongs to. `thread` is the
-- counterpart of its conversations; none: it belongs to none. It outlives them, and keeps nobody's words.
CREATE TABLE mail_message (
  tenant_id text NOT NULL,
  address text NOT NULL,
  id_hash text NOT NULL,
  content_sha256 text NOT NULL,
  thread text,
  interaction_id text,
  at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, address, id_hash)
);
SELECT protect_tenants('mail_message');
CREATE INDEX mail_message_interaction ON mail_message (interaction_id) WHERE interaction_id IS NOT NULL;
CREATE INDEX mail_message_at ON mail_message (at_ms);

-- A mailbox that is read by IMAP: who reads it, and how far. `validity` is the folder's UIDVALIDITY.
CREATE TABLE mailbox (
  tenant_id text NOT NULL,
  address text NOT NULL,
  holder text,
  lease_until_ms bigint NOT NULL DEFAULT 0,
  validity bigint,
  last_uid bigint NOT NULL DEFAULT 0,
  read_at_ms bigint,
  PRIMARY KEY (tenant_id, address)
);
SELECT protect_tenants('mailbox');
