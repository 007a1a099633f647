-- safe with previous release: yes
-- Who runs a node of telephony. Each take-over is an epoch; what an owner writes counts in its own epoch alone, and
-- each of its commits once, by their number. `connected` and `calls` are what the owner told last.
CREATE TABLE node (
  node text PRIMARY KEY,
  epoch bigint NOT NULL DEFAULT 1,
  holder text,
  lease_until_ms bigint NOT NULL,
  commits bigint NOT NULL DEFAULT 0,
  driver text NOT NULL,
  connected boolean NOT NULL DEFAULT false,
  calls integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Calls. `state` is JSON of domain.call, personal; `to_do` are the node's commands that are not known to be done, in
-- their order. One that is over stays for a time: its customer may be called back.
CREATE TABLE call (
  tenant_id text NOT NULL,
  interaction_id text NOT NULL,
  node text NOT NULL,
  state text NOT NULL,
  to_do text NOT NULL,
  over_at_ms bigint,
  PRIMARY KEY (tenant_id, interaction_id)
) WITH (fillfactor = 50);
SELECT protect_tenants('call');
CREATE INDEX call_node ON call (node) WHERE over_at_ms IS NULL;
CREATE INDEX call_over ON call (over_at_ms) WHERE over_at_ms IS NOT NULL;

-- Agents' phones on each node. The password goes as soon as the node has it.
CREATE TABLE phone (
  tenant_id text NOT NULL,
  agent_id text NOT NULL,
  node text NOT NULL,
  endpoint_id text NOT NULL,
  browser boolean NOT NULL,
  password text,
  asked_at_ms bigint NOT NULL,
  done_at_ms bigint,
  PRIMARY KEY (tenant_id, agent_id, node)
);
SELECT protect_tenants('phone');
CREATE INDEX phone_to_do ON phone (node, asked_at_ms) WHERE password IS NOT NULL;
