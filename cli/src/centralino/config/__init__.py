"""`centralino config`: a tenant's configuration as files."""
