"""History from the network into a catalog, and live capture; `feeds.download` and `feeds.record` are its functions."""
