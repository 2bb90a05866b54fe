"""Two sessions or combinations of a ledger, question by question."""
