"""
The command `heygen-async` (extra `cli`): it uses what every user of the package can use, and nothing else.
"""
