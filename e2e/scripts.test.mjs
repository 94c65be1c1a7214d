// Holds the scripts here to their word: a verifier that accepts everything
// would prove nothing about the server.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';

const ISSUER = 'https://sts.example';
const AUDIENCE = 'https://gateway.example';

async function run(script, input) {
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url))]);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  child.stdin.end(JSON.stringify(input));
  const [code] = await once(child, 'close');
  return { code, out: out && JSON.parse(out), err };
}

async function signed({ claims = {}, header = {} } = {}) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: ISSUER, aud: AUDIENCE, sub: 'corp|alice', client_id: 'agent', jti: 'x', iat: now, exp: now + 60, ...claims };
  const token = await new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'at+jwt', ...header }).sign(privateKey);
  return { token, jwks: { keys: [jwk] }, privateKey };
}

test('verify accepts a good token', async () => {
  const { token, jwks } = await signed({ claims: { act: { sub: 'agent' } } });
  const got = await run('verify.mjs', { token, jwks, issuer: ISSUER, audience: AUDIENCE });
  assert.equal(got.code, 0, got.err);
  assert.equal(got.out.claims.act.sub, 'agent');
  assert.equal(got.out.header.kid, 'one');
});

test('verify refuses what a resource server must refuse', async (t) => {
  const past = Math.floor(Date.now() / 1000) - 5;
  const cases = {
    'another issuer': { claims: { iss: 'https://evil.example' } },
    'another audience': { claims: { aud: 'https://payments.example' } },
    'an ID token': { header: { typ: 'JWT' } },
    'an expired token': { claims: { exp: past } },
    'no subject': { claims: { sub: undefined } },
    'an unknown key': { header: { kid: 'two' } },
  };
  for (const [name, change] of Object.entries(cases)) {
    await t.test(name, async () => {
      const { token, jwks } = await signed(change);
      const got = await run('verify.mjs', { token, jwks, issuer: ISSUER, audience: AUDIENCE });
      assert.equal(got.code, 1);
      assert.equal(got.out, '');
    });
  }
  await t.test('a broken signature', async () => {
    const { jwks } = await signed();
    const { token } = await signed();
    assert.equal((await run('verify.mjs', { token, jwks, issuer: ISSUER, audience: AUDIENCE })).code, 1);
  });
});

// One server that answers as RFC 8414 and RFC 8693 say, and keeps the request.
async function provider() {
  const seen = {};
  const server = createServer(async (req, res) => {
    const issuer = `http://127.0.0.1:${server.address().port}`;
    res.setHeader('content-type', 'application/json');
    if (req.url.startsWith('/.well-known/')) {
      seen.document = req.url;
      res.end(JSON.stringify({ issuer, token_endpoint: `${issuer}/token`, token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt'] }));
      return;
    }
    let body = '';
    for await (const chunk of req) body += chunk;
    seen.form = new URLSearchParams(body);
    if (seen.form.get('scope') === 'refused') {
      res.statusCode = 400;
      res.end(JSON.stringify({ error: 'invalid_scope', error_description: 'no' }));
      return;
    }
    res.end(JSON.stringify({ access_token: 'a.b.c', token_type: 'Bearer', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token', expires_in: 60 }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { seen, server, issuer: `http://127.0.0.1:${server.address().port}` };
}

test('discover exchanges a token, with a secret and with a key', async () => {
  const { seen, server, issuer } = await provider();
  try {
    const parameters = { subject_token: 's', subject_token_type: 'urn:ietf:params:oauth:token-type:jwt' };
    const secret = await run('discover.mjs', { issuer, client_id: 'agent', client_secret: 'hush', parameters });
    assert.equal(secret.code, 0, secret.err);
    assert.equal(secret.out.response.access_token, 'a.b.c');
    assert.equal(seen.document, '/.well-known/oauth-authorization-server');
    assert.equal(seen.form.get('client_secret'), 'hush');
    assert.equal(seen.form.get('subject_token'), 's');

    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const private_jwk = { ...(await exportJWK(privateKey)), alg: 'ES256', kid: 'k' };
    const keyed = await run('discover.mjs', { issuer, client_id: 'agent', private_jwk, parameters, document: 'oidc' });
    assert.equal(keyed.code, 0, keyed.err);
    assert.equal(seen.document, '/.well-known/openid-configuration');
    const { payload } = await jwtVerify(seen.form.get('client_assertion'), publicKey);
    assert.equal(payload.sub, 'agent');
  } finally {
    server.close();
  }
});

test('discover reports a refusal', async () => {
  const { server, issuer } = await provider();
  try {
    const got = await run('discover.mjs', { issuer, client_id: 'agent', client_secret: 'hush', parameters: { scope: 'refused' } });
    assert.equal(got.code, 1);
    assert.equal(JSON.parse(got.err).error, 'invalid_scope');
  } finally {
    server.close();
  }
});
