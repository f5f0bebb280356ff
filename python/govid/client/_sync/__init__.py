"""The half for asyncio, from which the other one is made.

Written by scripts/client.py from its twin in _async; do not edit.
"""
