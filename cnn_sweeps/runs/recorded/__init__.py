"""What earlier runs have left: their records, looked up, ranked and compared."""
