"""A virtual-clock driver of the production `decide`: random traffic in, figures with confidence intervals out."""
