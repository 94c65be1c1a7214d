// Verifies an access token as a resource server does, with a library that is
// not ours: npm jose.
//
//   stdin   {"token": "…", "issuer": "…", "audience": "…", "jwks_uri": "…" or "jwks": {…}}
//   stdout  {"header": {…}, "claims": {…}}
//
// Optional: "algorithms" (default ES256, RS256, EdDSA, Ed25519) and "now"
// (NumericDate, for tests that own the clock).
import { createLocalJWKSet, createRemoteJWKSet, jwtVerify } from 'jose';

import { main } from './input.mjs';

await main(async ({ token, issuer, audience, jwks, jwks_uri, algorithms, now }) => {
  if (!token || !issuer || !audience) throw new Error('token, issuer and audience are required');
  if (!jwks === !jwks_uri) throw new Error('one of jwks and jwks_uri is required');
  const keys = jwks ? createLocalJWKSet(jwks) : createRemoteJWKSet(new URL(jwks_uri));
  const { payload, protectedHeader } = await jwtVerify(token, keys, {
    issuer,
    audience,
    typ: 'at+jwt', // RFC 9068, Section 4
    algorithms: algorithms ?? ['ES256', 'RS256', 'EdDSA', 'Ed25519'],
    requiredClaims: ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'], // RFC 9068, Section 2.2
    currentDate: now === undefined ? undefined : new Date(now * 1000),
  });
  return { header: protectedHeader, claims: payload };
});
