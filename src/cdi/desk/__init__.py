"""The desk: the pages where people decide about logs, under the name that they signed in with."""
