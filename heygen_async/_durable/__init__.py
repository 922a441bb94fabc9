"""
The parts of `heygen_async.durable`: records, decisions, store, engine, work.
"""
