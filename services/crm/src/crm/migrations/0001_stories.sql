-- safe with previous release: yes
CREATE TABLE customer (
  tenant_id text NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  name text,
  named_at_ms bigint,  -- when it was told, if together with a verified identifier
  created_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, customer_id)
);
SELECT protect_tenants('customer');
CREATE INDEX customer_newest ON customer (tenant_id, created_at_ms DESC, customer_id DESC);

-- An identifier is held by one customer; the key lets two first interactions of one visitor make one customer.
CREATE TABLE identifier (
  tenant_id text NOT NULL,
  type text NOT NULL,
  value text NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  verified boolean NOT NULL,
  decision_id text NOT NULL,  -- the identity_decision that attached it
  PRIMARY KEY (tenant_id, type, value),
  FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
SELECT protect_tenants('identifier');
CREATE INDEX identifier_customer ON identifier (tenant_id, customer_id);

-- The evidence: whom an interaction's claims led to, and why. A new customer has the id of its decision.
CREATE TABLE identity_decision (
  tenant_id text NOT NULL,
  decision_id text NOT NULL,
  interaction_id text NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  claims jsonb NOT NULL,  -- [{type, value, verified}]
  conflicts jsonb NOT NULL,  -- other customers whom the claims point to
  decided_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, decision_id)
);
SELECT protect_tenants('identity_decision');
CREATE INDEX identity_decision_interaction ON identity_decision (tenant_id, interaction_id);

-- What a customer is found by, folded; searched by the beginning of a word.
CREATE TABLE customer_word (
  tenant_id text NOT NULL,
  word text COLLATE "C" NOT NULL,
  customer_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, word, customer_id),
  FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
SELECT protect_tenants('customer_word');
CREATE INDEX customer_word_customer ON customer_word (tenant_id, customer_id);

-- Written by events of topic interactions alone; messages and tasks do not refer to it, they may come before.
CREATE TABLE interaction (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  domain text NOT NULL,
  customer_id text COLLATE "C",
  client text,
  channel text,
  address text,
  language text,
  attributes jsonb NOT NULL,
  started_at_ms bigint,
  ended_at_ms bigint,
  end_reason text,
  PRIMARY KEY (tenant_id, interaction_id),
  FOREIGN KEY (tenant_id, customer_id) REFERENCES customer
);
SELECT protect_tenants('interaction');
CREATE INDEX interaction_customer ON interaction (tenant_id, customer_id, started_at_ms DESC);

CREATE TABLE message (
  tenant_id text NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  message_id text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  agent_id text,
  text text NOT NULL,
  at_ms bigint NOT NULL,
  delivered_at_ms bigint,
  PRIMARY KEY (tenant_id, interaction_id, number),
  UNIQUE (tenant_id, message_id)
);
SELECT protect_tenants('message');

CREATE TABLE failed_message (
  tenant_id text NOT NULL,
  message_id text NOT NULL,
  interaction_id text NOT NULL,
  agent_id text NOT NULL,
  reason text NOT NULL,
  detail text NOT NULL,
  failed_at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, message_id)
);
SELECT protect_tenants('failed_message');
CREATE INDEX failed_message_interaction ON failed_message (tenant_id, interaction_id, failed_at_ms);

-- The words of messages, newest first; full-text operators cannot use an index under row-level security.
CREATE TABLE message_word (
  tenant_id text NOT NULL,
  word text COLLATE "C" NOT NULL,
  at_ms bigint NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (tenant_id, word, at_ms, interaction_id, number)
);
SELECT protect_tenants('message_word');

CREATE TABLE task (
  tenant_id text NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  interaction_id text COLLATE "C" NOT NULL,
  domain text NOT NULL,
  queue text NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'assigned', 'wrap-up', 'completed', 'abandoned')),
  queued_at_ms bigint,
  agent_id text,
  assigned_at_ms bigint,
  waited_ms bigint,
  requeues integer NOT NULL,
  ended_at_ms bigint,
  handled_ms bigint,
  reason text,
  disposition text,
  PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 70);
SELECT protect_tenants('task');
CREATE INDEX task_interaction ON task (tenant_id, interaction_id);
