"""NOT for production: one node, no replication, no fsync, no security, no transactions. For development and trials."""
