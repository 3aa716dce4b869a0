"""The figures of a report: Matplotlib figures of a sweep's results, a function each."""
