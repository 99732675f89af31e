"""One call of a handler: what it is given, and what its return or its exception means."""
