// An OpenID Connect provider on loopback: whoever types a name is signed in as that user.
//
// Environment: PORT; KEYS, private JWKs of which the first signs; ORGANIZATION, what is said of every
// user's organization; MACHINE_SECRET.

import { Provider } from 'oidc-provider';

const { PORT, MACHINE_SECRET } = process.env;
const keys = JSON.parse(process.env.KEYS);
const organization = JSON.parse(process.env.ORGANIZATION);
const issuer = `http://127.0.0.1:${PORT}`;
const scope = 'openid offline_access contacts';

const provider = new Provider(issuer, {
  jwks: { keys },
  cookies: { keys: [MACHINE_SECRET] },
  clientDefaults: { id_token_signed_response_alg: keys[0].alg },
  scopes: scope.split(' '),
  clients: [
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
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      // RFC 9068: a JWT for the API that it names.
      getResourceServerInfo: (_, resource) => ({
        scope: 'contacts',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 600,
        jwt: { sign: { alg: keys[0].alg } },
      }),
    },
  },
});

provider.listen(Number(PORT), '127.0.0.1', () => console.log("ready"));
