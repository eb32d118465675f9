"""The benchmark's parts, one per file: registry, cases, tools, alone, report."""
