"""The benchmark's parts, one a file: registry, cases, tools, alone, report."""
