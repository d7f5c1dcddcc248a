// Runs npm's oidc-provider with the applications that the tests ask both providers as. Says where it is, and stays until
// its input ends. Usage: node oracle.mjs FOLDER_OF_NODE_MODULES
import { createServer } from 'node:http';

const [modules] = process.argv.slice(2);
// It warns of its development keys; they are all that it needs here.
console.warn = () => {};
console.info = () => {};
const { Provider } = await import(`${modules}/oidc-provider/lib/index.js`);

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const issuer = `http://localhost:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'demo-web',
      client_secret: 'demo-web-secret',
      redirect_uris: ['http://localhost:8080/cb'],
      post_logout_redirect_uris: ['http://localhost:8080/'],
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    },
    {
      client_id: 'demo-spa',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://localhost:8081/cb'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    {
      client_id: 'tv',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: [],
      response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code'],
    },
  ],
  // Whoever signs in has the address that they typed.
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: id, email_verified: true }) }),
  pkce: { required: (_, client) => client.clientId === 'demo-spa' },
  features: {
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    dPoP: { enabled: true },
    claimsParameter: { enabled: true },
    resourceIndicators: { enabled: true },
    registration: { enabled: true },
    backchannelLogout: { enabled: true },
    jwtUserinfo: { enabled: true },
    jwtIntrospection: { enabled: true },
  },
  routes: {
    authorization: '/authorize',
    introspection: '/introspect',
    jwks: '/jwks',
    pushed_authorization_request: '/par',
    revocation: '/revoke',
    userinfo: '/userinfo',
    end_session: '/logout',
    registration: '/register',
    device_authorization: '/device_authorization',
  },
});
server.on('request', provider.callback());
console.log(JSON.stringify({ issuer }));
process.stdin.on('end', () => process.exit(0)).resume();
