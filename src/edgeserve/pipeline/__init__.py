"""The only place that knows the order of the verbs, a module a verb."""
