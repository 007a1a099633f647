"""Where mail ends on a development stack: it takes whatever is sent to anybody, keeps it, and shows it."""
