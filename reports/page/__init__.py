"""One self-contained page about a Summary, and the scripts that its item browser loads on demand."""

from reports.page.document import write_page

__all__ = ["write_page"]
