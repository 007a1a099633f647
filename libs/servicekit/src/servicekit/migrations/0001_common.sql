-- safe with previous release: yes
-- What every service's schema has: the tenant guard, the outbox, the inbox, the positions of its consumers.

-- Every table with a tenant_id calls this: SELECT protect_tenants('customers');
-- No tenant set means no rows; '*' is set by consumers and relays, which serve every tenant.
CREATE FUNCTION protect_tenants(guarded regclass) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', guarded);
  EXECUTE format(
    $policy$CREATE POLICY tenant ON %s USING (
      tenant_id = current_setting('app.tenant', true) OR current_setting('app.tenant', true) = '*'
    )$policy$, guarded);
END
$body$;

-- Events that wait to be published; a refused one stays for the operator and is passed over.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text NOT NULL,
  order_key text NOT NULL,
  topic text NOT NULL,
  partition integer,
  key bytea NOT NULL,
  value bytea NOT NULL,
  headers text NOT NULL,  -- JSON: [[name, text], ...]
  refused text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
SELECT protect_tenants('outbox');

-- Messages of other systems that were taken already; received_at serves the sweep.
CREATE TABLE inbox (
  tenant_id text NOT NULL,
  source text NOT NULL,
  message_id text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, source, message_id)
);
CREATE INDEX inbox_received ON inbox (received_at);
SELECT protect_tenants('inbox');

-- How far a consumer's effects go; kept with the effects, so it is right after every crash.
CREATE TABLE consumer_position (
  consumer text NOT NULL,
  topic text NOT NULL,
  partition integer NOT NULL,
  next_offset bigint NOT NULL,
  sequence text,
  PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50);

-- Ids of a sequence are drawn in another order than transactions commit in. Per order key it is the same order here:
-- whoever draws an id for a key holds the key's lock until it commits. Runs last in a transaction and takes the locks
-- in one order, so it cannot deadlock; 256 buckets bound the locks of one transaction.
CREATE FUNCTION outbox_append(
  tenants text[], order_keys text[], topics text[], partitions integer[], keys bytea[], contents bytea[], heads text[]
) RETURNS void LANGUAGE plpgsql AS $body$
BEGIN
  PERFORM pg_advisory_xact_lock('outbox'::regclass::oid::integer, bucket)
  FROM (SELECT DISTINCT hashtext(order_key) & 255 AS bucket FROM unnest(order_keys) AS order_key ORDER BY 1) AS buckets;
  INSERT INTO outbox (tenant_id, order_key, topic, partition, key, value, headers)
  SELECT * FROM unnest(tenants, order_keys, topics, partitions, keys, contents, heads);
END
$body$;
