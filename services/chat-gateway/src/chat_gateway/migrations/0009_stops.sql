-- safe with previous release: yes
-- Addresses by which nothing is sent any more, because the tenant's system has answered 410 (Gone). `mark` is a digest of
-- the account as it was configured then: of another configuration this says nothing.
CREATE TABLE sending_stop (
  tenant_id text NOT NULL,
  address text NOT NULL,
  mark text NOT NULL,
  at_ms bigint NOT NULL,
  PRIMARY KEY (tenant_id, address)
);
SELECT protect_tenants('sending_stop');
