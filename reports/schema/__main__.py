"""`python -m reports.schema`: bring the schema and its documentation up to date."""

from reports.schema.described import write

if __name__ == "__main__":
    write()
