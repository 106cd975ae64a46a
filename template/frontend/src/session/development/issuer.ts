/** Where `make dev` issues tokens, and the secret that it made for this run. */
export interface Issuer {
  url: string;
  secret: string;
}

/**
 * The development issuer, or null: where the environment does not name one, or names one that is
 * not on this machine. No production environment has these variables, and the API there trusts
 * its provider's tokens only.
 */
export function issuer(): Issuer | null {
  const url = process.env.DEV_SIGN_IN_URL;
  const secret = process.env.DEV_SIGN_IN_SECRET;
  if (!url || !secret || new URL(url).hostname !== "127.0.0.1") return null;
  return { url, secret };
}

/** Ask it something, in the name of this server. */
export async function ask(path: string, body?: object): Promise<unknown> {
  const found = issuer();
  if (!found) throw new Error("There is no development issuer in this environment.");
  const response = await fetch(`${found.url}/development/${path}`, {
    method: body ? "POST" : "GET",
    headers: { Authorization: `Bearer ${found.secret}`, "Content-Type": "application/json" },
    body: body ? JSON.stringify(body) : null,
    cache: "no-store",
  });
  if (!response.ok) throw new Error(`The development issuer answered ${response.status}.`);
  return response.json();
}
