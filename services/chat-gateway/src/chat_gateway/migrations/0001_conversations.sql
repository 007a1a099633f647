-- safe with previous release: yes
-- An interaction as the gateway keeps it; made with the first message, removed 30 days after the end.
CREATE TABLE conversation (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  address text NOT NULL,
  client text NOT NULL,
  domain text NOT NULL,
  partition integer NOT NULL,
  queue_hint text,
  idle_close_seconds integer NOT NULL,
  abandon_seconds integer NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'waiting', 'assigned', 'ended')),
  active_at_ms bigint NOT NULL,
  check_at_ms bigint NOT NULL,
  gone_at_ms bigint,
  task_id text,
  assignment_id text,
  agent_id text,
  agent_name text,
  routed_sequence text NOT NULL,
  last_number integer NOT NULL,
  customer_number integer NOT NULL,
  customer_message_id text NOT NULL,
  delivered_number integer NOT NULL,
  end_reason text,
  revision bigint NOT NULL,
  PRIMARY KEY (tenant_id, interaction_id)
);
SELECT protect_tenants('conversation');
CREATE INDEX conversation_check ON conversation (check_at_ms);

-- The visitor's socket reads this by number; the numbers of an interaction are 1, 2, 3... without gaps.
CREATE TABLE message (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  number integer NOT NULL,
  message_id text NOT NULL,
  sender text NOT NULL CHECK (sender IN ('customer', 'agent')),
  text text NOT NULL,
  at_ms bigint NOT NULL,
  client_message_id text,
  agent_name text,
  PRIMARY KEY (tenant_id, interaction_id, number),
  UNIQUE (tenant_id, message_id),
  FOREIGN KEY (tenant_id, interaction_id) REFERENCES conversation ON DELETE CASCADE
);
SELECT protect_tenants('message');

-- Tasks of every channel as routing.events tell, until they end; a visitor's position is counted from those that wait.
CREATE TABLE line_task (
  tenant_id text NOT NULL,
  task_id text NOT NULL,
  interaction_id text NOT NULL,
  domain text NOT NULL,
  queue text NOT NULL,
  priority integer NOT NULL,
  queued_at_ms bigint NOT NULL,
  waiting boolean NOT NULL,
  PRIMARY KEY (tenant_id, task_id)
);
SELECT protect_tenants('line_task');
CREATE INDEX line_task_line ON line_task (tenant_id, domain, queue, priority DESC, queued_at_ms, task_id) WHERE waiting;
CREATE INDEX line_task_interaction ON line_task (tenant_id, interaction_id) WHERE waiting;
