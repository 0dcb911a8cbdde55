"""What every variant must hold: one function per assertion, grouped by what it looks at."""
