"""Signing in at a tenant's own OIDC issuer (OpenID Connect Core 1.0, authorization code flow with PKCE)."""
