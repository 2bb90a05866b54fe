"""Several ledgers joined into one, session by session."""
