"""What the ledger holds as plain sheets, for other programs."""
