"""`cnn-sweeps compare`: runs of all studies, ranked by any metric."""
