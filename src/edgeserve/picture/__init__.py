"""Pictures of a plan: as text for a terminal, as SVG, as a page of its own."""
