"""Every path of the server, and its OpenAPI document."""
