"""How tables are laid out, and how numbers and names are written."""
