"""The form of `report.json`: how it is written, its JSON Schema, and the words about it."""
