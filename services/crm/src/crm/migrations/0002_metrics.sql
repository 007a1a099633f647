-- safe with previous release: yes
-- Counts of routing events as contracts.meter makes them; docs/metrics-formulas.md says what each counts.
-- Of a queue by client and channel, or of an agent (client and channel are empty), in a quarter of an hour (UTC).
CREATE TABLE metric_interval (
  tenant_id text NOT NULL,
  counting smallint NOT NULL,  -- version of the rules
  "of" text COLLATE "C" NOT NULL CHECK ("of" IN ('queue', 'agent')),
  at_ms bigint NOT NULL,
  domain text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,  -- of the queue or the agent
  client text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  offered bigint NOT NULL,
  offered_by_transfer bigint NOT NULL,
  offered_by_move bigint NOT NULL,
  answered bigint NOT NULL,
  wait_ms bigint NOT NULL,
  abandoned bigint NOT NULL,
  abandoned_wait_ms bigint NOT NULL,
  short_abandoned bigint NOT NULL,
  moved_out bigint NOT NULL,
  called_back bigint NOT NULL,
  passed_out bigint NOT NULL,
  promised bigint NOT NULL,
  within bigint NOT NULL,
  forecast bigint NOT NULL,
  forecast_error_ms bigint NOT NULL,
  forecast_bias_ms bigint NOT NULL,
  others_offered bigint NOT NULL,
  others_assigned bigint NOT NULL,
  assigned_again bigint NOT NULL,
  left_again bigint NOT NULL,
  requeued bigint NOT NULL,
  unassigned bigint NOT NULL,
  handled bigint NOT NULL,
  handle_ms bigint NOT NULL,
  hold_ms bigint NOT NULL,
  wrapup_ms bigint NOT NULL,
  handed_over bigint NOT NULL,
  waits_begun bigint NOT NULL,
  waits_ended bigint NOT NULL,
  offers bigint NOT NULL,
  offers_accepted bigint NOT NULL,
  offers_rejected bigint NOT NULL,
  offers_expired bigint NOT NULL,
  offers_taken_back bigint NOT NULL,
  busy_ms bigint NOT NULL,
  task_ms bigint NOT NULL,
  idle_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, counting, "of", at_ms, domain, name, client, channel)
) WITH (fillfactor = 70);
SELECT protect_tenants('metric_interval');

-- The evidence: what each event added, by the task that it is about.
CREATE TABLE metric_entry (
  tenant_id text NOT NULL,
  counting smallint NOT NULL,
  at_ms bigint NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  sequence text COLLATE "C" NOT NULL,
  part smallint NOT NULL,  -- one event may add something in two queues
  domain text NOT NULL,
  queue text NOT NULL,
  client text NOT NULL,
  channel text NOT NULL,
  agent_id text,
  counts jsonb NOT NULL,  -- by name, zeros left out
  PRIMARY KEY (tenant_id, counting, at_ms, task_id, sequence, part)
);
SELECT protect_tenants('metric_entry');

-- What counting has to know of live tasks and of agents until their next event.
CREATE TABLE metered_task (
  tenant_id text NOT NULL,
  task_id text COLLATE "C" NOT NULL,
  queue text NOT NULL,
  client text NOT NULL,
  channel text NOT NULL,
  consults boolean NOT NULL,
  waits_since_ms bigint,
  assigned_at_ms bigint,
  wrapup_at_ms bigint,
  PRIMARY KEY (tenant_id, task_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
SELECT protect_tenants('metered_task');

CREATE TABLE metered_agent (
  tenant_id text NOT NULL,
  agent_id text COLLATE "C" NOT NULL,
  since_ms bigint NOT NULL,
  ready boolean NOT NULL,
  present boolean NOT NULL,
  in_hand integer NOT NULL,
  PRIMARY KEY (tenant_id, agent_id)
) WITH (fillfactor = 70);
SELECT protect_tenants('metered_agent');
