"""int8: where the numbers come from (``ranges``) and what they make of a graph (``graph``)."""
