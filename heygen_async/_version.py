"""
The version, written once: here, where the build finds it and a client reads it without touching a file.
"""

__version__ = "0.1.0"
