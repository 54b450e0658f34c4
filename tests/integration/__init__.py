"""Against a real Postgres and a real Redis."""
