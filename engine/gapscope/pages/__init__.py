"""What HTML pages without script and network are built of: markup, style, tables, charts and pictures of kinds."""
