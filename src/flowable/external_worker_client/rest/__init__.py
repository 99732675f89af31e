"""One HTTP call: what is sent, what comes back, what it means."""
