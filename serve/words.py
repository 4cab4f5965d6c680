"""Words that training and service must share (stdlib only)."""

MISSING = ""  # what a missing category is in the graph; no declared value may be empty
RECORDS = "records"  # the key of many rows in a request; one row is the body itself
LONGEST = 200  # characters of a category's value
