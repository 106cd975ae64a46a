// An OpenID Connect provider on loopback: whoever types a name is signed in as that user.
//
// Environment: PORT; KEYS, private JWKs of which the first signs; ORGANIZATION, what is said of every
// user's organization; MACHINE_SECRET; APP_URL and APP_SECRET, the front end that is its client, if there is
// one; TOKEN_SECONDS, how long an access token is good.

import { Provider } from 'oidc-provider';

const { PORT, MACHINE_SECRET, APP_URL, APP_SECRET, TOKEN_SECONDS } = process.env;
const keys = JSON.parse(process.env.KEYS);
const organization = JSON.parse(process.env.ORGANIZATION);
const issuer = `http://127.0.0.1:${PORT}`;
const scope = 'openid profile email offline_access contacts';

// As people register a web application: a secret, and the addresses to come back to.
const app = {
  client_id: 'app',
  // A plain http address is let in for a native application, if it is on this machine.
  application_type: 'native',
  client_secret: APP_SECRET,
  token_endpoint_auth_method: 'client_secret_post',
  redirect_uris: [`${APP_URL}/session/callback`],
  post_logout_redirect_uris: [`${APP_URL}/sign-in`],
  grant_types: ['authorization_code', 'refresh_token'],
};

const provider = new Provider(issuer, {
  jwks: { keys },
  cookies: { keys: [MACHINE_SECRET] },
  clientDefaults: { id_token_signed_response_alg: keys[0].alg },
  scopes: scope.split(' '),
  // A refresh token is good once, as the current practice for OAuth has it: RFC 9700, 4.14.2.
  rotateRefreshToken: true,
  clients: [
    ...(APP_URL ? [app] : []),
    {
      client_id: 'browser',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/signed-in'],
      grant_types: ['authorization_code', 'refresh_token'],
    },
    {
      client_id: 'machine',
      client_secret: MACHINE_SECRET,
      redirect_uris: [],
      response_types: [],
      grant_types: ['client_credentials'],
    },
  ],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: () => organization,
  features: {
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      // RFC 9068: a JWT for the API that it names.
      getResourceServerInfo: (_, resource) => ({
        scope: 'contacts',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: Number(TOKEN_SECONDS),
        jwt: { sign: { alg: keys[0].alg } },
      }),
    },
  },
});

provider.on('grant.success', ({ oidc }) => console.log(`granted ${oidc.params.grant_type}`));
provider.listen(Number(PORT), '127.0.0.1', () => console.log("ready"));
