"""A report as a neutral document, and what renders it: HTML, Markdown, JSON and LaTeX, all with the same numbers."""
