// Discovers the server from its metadata and asks for a token, with a client
// that is not ours: npm openid-client.
//
//   stdin   {"issuer": "…", "client_id": "…",
//            "client_secret": "…" or "private_jwk": {…},
//            "grant_type": "…", "parameters": {"subject_token": "…", …},
//            "document": "oauth2" or "oidc"}
//   stdout  {"metadata": {…}, "response": {…}}
//
// grant_type defaults to token exchange. document says which of the two
// metadata documents is read; oauth2 (RFC 8414) by default. "method" is the
// way a secret is sent: client_secret_basic, or client_secret_post by default.
import { importJWK } from 'jose';
import * as client from 'openid-client';

import { main } from './input.mjs';

const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'; // RFC 8693, Section 2.1

async function authentication({ client_secret, private_jwk, method }) {
  if (!client_secret === !private_jwk) throw new Error('one of client_secret and private_jwk is required');
  if (client_secret) {
    return method === 'client_secret_basic' ? client.ClientSecretBasic(client_secret) : client.ClientSecretPost(client_secret);
  }
  const key = await importJWK(private_jwk, private_jwk.alg);
  return client.PrivateKeyJwt({ key, kid: private_jwk.kid });
}

await main(async (given) => {
  const issuer = new URL(given.issuer);
  const loopback = ['127.0.0.1', '[::1]', 'localhost'].includes(issuer.hostname);
  const config = await client.discovery(issuer, given.client_id, undefined, await authentication(given), {
    algorithm: given.document === 'oidc' ? 'oidc' : 'oauth2',
    execute: loopback ? [client.allowInsecureRequests] : [], // plain http is for loopback
  });
  const response = await client.genericGrantRequest(config, given.grant_type ?? TOKEN_EXCHANGE, given.parameters ?? {});
  return { metadata: config.serverMetadata(), response };
});
