"""The firmware project of a model and a board: its sources, what builds it, and what it weighs."""
