"""The half for asyncio, from which the other one is made."""
