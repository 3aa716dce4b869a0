"""From the config of a network to the network."""
