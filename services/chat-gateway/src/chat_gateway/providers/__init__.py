"""One file for each provider of written channels (gatewaykit.domain.provider.Provider); all of it is pure."""
