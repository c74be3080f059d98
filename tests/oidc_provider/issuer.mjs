// A real issuer for the tests: the certified provider, on loopback, as the file that it is given says.
//
//   node issuer.mjs CONFIG.json
//
// CONFIG: {"port", "jwks" (private), "clients", "accounts": {id: claims}, "id_token_claims": true|false}. The accounts are
// read anew for each question, so that a test can take somebody out of a group. One line on stdout says the address.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

const path = process.argv[2];
const read = () => JSON.parse(readFileSync(path, 'utf-8'));
const config = read();

const server = createServer();
server.listen(config.port, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: config.clients,
    jwks: config.jwks,
    cookies: { keys: ['of-the-tests-alone'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    // Conforming: what a scope asks for is told at the UserInfo endpoint. Many issuers put it into the ID token.
    conformIdTokenClaims: !config.id_token_claims,
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 3600, IdToken: 600, Interaction: 600, Session: 3600 },
    findAccount(_, id) {
      const claims = read().accounts[id];
      return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
    },
  });
  server.on('request', provider.callback());
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});
// Whoever started it has gone.
process.stdin.on('end', () => process.exit(0)).resume();
