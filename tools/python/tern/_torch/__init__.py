"""From a PyTorch module to a program: `trace` records what a module computes, `layers` and `functions` say what stands for each
of its parts, `models` declares its parameters, `write` puts the text together."""
