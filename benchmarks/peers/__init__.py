"""Peers on the same workload, each in an environment of its own."""
