"""What a network's probabilities are worth: metrics, calibration, intervals; knows no network."""
