"""What HTML pages are built of that need no script and no network: markup, style, tables, charts and pictures of kinds."""
