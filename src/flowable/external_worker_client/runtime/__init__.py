"""The life of a job, from acquire to settled."""
