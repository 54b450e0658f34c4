"""The operator's rehearsal: ten faults on the real product, and what each looks like from outside."""
