"""Compares the service as it is with the contract: asks, records, judges, reports."""
