"""Time, peak memory and the value computed, beside a plain baseline or the floor, in the same run."""
