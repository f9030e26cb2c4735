// A real OAuth server with dynamic client registration (RFC 7591, RFC 7592), for tests.
//
// It prints one line of JSON when it is ready and ends with its standard input, so that it never outlives whoever
// started it. `/_server/clients` and `/_server/log` tell a test what the server holds and what it was asked.

import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { parseArgs } from 'node:util';

// The library comments on its runtime and on features on standard output, which here carries the one line of JSON.
console.info = () => {};
console.warn = () => {};
const { Provider } = await import('oidc-provider');

const { values: options } = parseArgs({
  options: {
    // Registration demands this bearer token.
    'initial-access-token': { type: 'string' },
    // Secrets expire after so many seconds; without it they never do (client_secret_expires_at: 0).
    'secret-ttl': { type: 'string' },
    // The library's own default accepts what expired up to 15 seconds ago.
    'clock-tolerance': { type: 'string', default: '0' },
  },
});
const secretTtl = Number(options['secret-ttl'] ?? 0);

// The library's own in-memory adapter forgets all but the last 1,000 entries, clients included.
const entries = new Map();

class Adapter {
  constructor(model) {
    if (!entries.has(model)) entries.set(model, new Map());
    this.entries = entries.get(model);
  }

  async find(id) {
    return this.entries.get(id);
  }

  async findByUid(uid) {
    return [...this.entries.values()].find((entry) => entry.uid === uid);
  }

  async findByUserCode(code) {
    return [...this.entries.values()].find((entry) => entry.userCode === code);
  }

  async upsert(id, payload) {
    this.entries.set(id, payload);
  }

  async consume(id) {
    this.entries.get(id).consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.entries.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, entry] of this.entries) {
      if (entry.grantId === grantId) this.entries.delete(id);
    }
  }
}

// Policies come with initial access tokens only. Renewing a client must not renew its secret's life.
async function expireSecret(_ctx, properties) {
  if (secretTtl && properties.client_secret_expires_at === 0) {
    properties.client_secret_expires_at = Math.floor(Date.now() / 1000) + secretTtl;
  }
}

function configuration() {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return {
    adapter: Adapter,
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clockTolerance: Number(options['clock-tolerance']),
    cookies: { keys: [randomBytes(32).toString('hex')] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      registration: { enabled: true, initialAccessToken: true, policies: { expireSecret } },
      registrationManagement: { enabled: true, rotateRegistrationAccessToken: false },
      revocation: { enabled: true },
    },
    jwks: { keys: [{ ...key, use: 'sig', alg: 'ES256' }] },
    scopes: ['read', 'write', 'admin'],
    ttl: { InitialAccessToken: 365 * 24 * 3600 },
  };
}

function operationOf({ method, url }) {
  if (method === 'POST' && url === '/token') return 'Token';
  if (method === 'POST' && url === '/reg') return 'Create';
  if (!url.startsWith('/reg/')) return 'Other';
  return { GET: 'Read', PUT: 'Update', DELETE: 'Delete' }[method] ?? 'Other';
}

function clients() {
  return [...(entries.get('Client')?.values() ?? [])].map(({ client_id, client_name, scope }) => ({
    client_id,
    client_name,
    scope,
  }));
}

const server = http.createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, configuration());
const initialAccessToken = await new provider.InitialAccessToken({
  jti: options['initial-access-token'],
  policies: ['expireSecret'],
}).save();

const serve = provider.callback();
const log = [];
server.on('request', (request, response) => {
  const admin = { '/_server/clients': clients, '/_server/log': () => log }[request.url];
  if (admin) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(admin()));
    return;
  }
  const seen = { at: new Date().toISOString(), operation: operationOf(request), path: request.url, status: null };
  log.push(seen);
  // Noted before a byte leaves, so that whoever has the answer also finds it in the log.
  const { writeHead } = response;
  response.writeHead = (status, ...rest) => {
    seen.status = status;
    return writeHead.call(response, status, ...rest);
  };
  if (seen.operation === 'Create' && !options['initial-access-token']) {
    // Registration is open to all; the policy needs a token all the same.
    request.headers.authorization ??= `Bearer ${initialAccessToken}`;
  }
  serve(request, response);
});

console.log(JSON.stringify({
  issuer,
  registrationEndpoint: `${issuer}/reg`,
  tokenEndpoint: `${issuer}/token`,
  initialAccessToken: options['initial-access-token'],
}));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
