-- safe with previous release: no
-- How many more began to wait in a week (7 days from the epoch on) than ceased to: so a backlog is the sum of a year's 52
-- rows and of one week's intervals, however long it is that counting began. Kept by whoever adds to `metric_interval`.
CREATE TABLE metric_backlog (
  tenant_id text NOT NULL,
  counting smallint NOT NULL,
  at_ms bigint NOT NULL,
  domain text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  client text COLLATE "C" NOT NULL,
  channel text COLLATE "C" NOT NULL,
  more bigint NOT NULL,
  PRIMARY KEY (tenant_id, counting, at_ms, domain, name, client, channel)
) WITH (fillfactor = 70);
SELECT protect_tenants('metric_backlog');
INSERT INTO metric_backlog (tenant_id, counting, at_ms, domain, name, client, channel, more)
SELECT tenant_id, counting, at_ms - at_ms % 604800000, domain, name, client, channel, sum(waits_begun - waits_ended)
FROM metric_interval WHERE "of" = 'queue' GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(waits_begun - waits_ended) <> 0;
