"""Past runs: found by their ids."""
