"""One module for each kind of data: files to arrays."""
