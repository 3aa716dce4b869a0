"""The pictures of a report: Matplotlib figures made of findings, one function for each."""
