"""The present from web sockets into a catalog: what archives do not keep, recorded while it happens."""
