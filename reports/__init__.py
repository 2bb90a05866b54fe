"""What is told: the ledger of all measurements, and the tables made from it."""
