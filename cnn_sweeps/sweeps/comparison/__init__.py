"""Ablations over several seeds, compared with a base model by confidence intervals."""
