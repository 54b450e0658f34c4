"""What a developer runs instead of the real world: simulator, embedded servers, sample reports."""
