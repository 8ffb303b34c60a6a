"""The engine beside peers and limits on one seeded workload, as ratios taken in one run."""
