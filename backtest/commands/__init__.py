"""The commands of levdyn, one file each; what they need is imported when they run."""
