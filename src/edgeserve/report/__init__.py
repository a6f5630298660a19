"""A bundle's report: what was recorded, section by section, as a page or as Markdown."""
