-- safe with previous release: yes
-- Of nodes that are accounts of a provider: which of its ids is which of ours, and where each leg was put (JSON of the
-- driver's own, nothing personal). Nodes belong to no tenant.
CREATE TABLE provider_thing (
  node text NOT NULL,
  kind text NOT NULL,
  id text NOT NULL,
  provider_id text,
  state text NOT NULL,
  PRIMARY KEY (node, kind, id)
) WITH (fillfactor = 50);
