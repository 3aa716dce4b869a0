"""The report of a sweep: one HTML page that loads nothing, Markdown, a table, or JSON."""
