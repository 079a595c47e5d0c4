// An OpenID provider on loopback for tests: one confidential client, one public one, and anybody may sign in under any
// name. Usage: node provider.mjs PORT REDIRECT_URI [conforms]. It says "ready" when it serves and ends with its standard input.
import Provider from "oidc-provider";

const [port, redirect, how] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  clients: [
    { client_id: "landfall", client_secret: "a secret of thirty-two letters or so", redirect_uris: [redirect], grant_types: ["authorization_code"], response_types: ["code"] },
    { client_id: "landfall-cli", token_endpoint_auth_method: "none", application_type: "native", redirect_uris: ["http://localhost/auth/callback"], grant_types: ["authorization_code"], response_types: ["code"] },
    { client_id: "stranger", token_endpoint_auth_method: "none", application_type: "native", redirect_uris: ["http://localhost/auth/callback"], grant_types: ["authorization_code"], response_types: ["code"] },
  ],
  claims: { openid: ["sub"], email: ["email"], profile: ["name"], groups: ["groups"] },
  scopes: ["openid", "email", "profile", "groups"],
  conformIdTokenClaims: how === "conforms",
  pkce: { required: () => true },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, name: id, groups: [`${id}s`, "everybody"] }) }),
  cookies: { keys: ["for tests"] },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
