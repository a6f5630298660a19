"""Measurements that people run: `make bench`, `make bench-...`."""
