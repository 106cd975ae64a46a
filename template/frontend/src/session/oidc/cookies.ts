import { open, seal } from "./sealed";

/** What a session holds. `expires` is the access token's end, in milliseconds. */
export interface Tokens {
  access: string;
  refresh: string | null;
  expires: number;
}

interface Jar {
  get(name: string): { value: string } | undefined;
}

interface Writing {
  name: string;
  value: string;
  maxAge: number;
  expires?: Date;
}

/** Sent by no other site's request but a link, over https only, to this host only. */
export const cookieOptions = { httpOnly: true, secure: true, sameSite: "lax", path: "/" } as const;

export const SIGNING_IN = "__Host-signing-in";
const SESSION = "__Host-session";
const DAYS = 14 * 24 * 60 * 60;

// A browser keeps 4,096 bytes of a cookie, its name and attributes included.
const LONGEST = 3800;
const MOST = 4;

/** The tokens in a request's cookies; null when nobody is signed in. */
export async function readTokens(jar: Jar): Promise<Tokens | null> {
  const parts = names().map((name) => jar.get(name)?.value ?? "");
  return open<Tokens>(SESSION, parts.join("") || undefined);
}

/** The cookies that hold these tokens, and end what is left of longer ones; null ends the session. */
export async function written(tokens: Tokens | null): Promise<Writing[]> {
  const sealed = tokens ? await seal(SESSION, tokens, DAYS) : "";
  if (sealed.length > MOST * LONGEST) throw new Error("The provider's tokens are too long to keep.");
  return names().map((name, at) => {
    const value = sealed.slice(at * LONGEST, (at + 1) * LONGEST);
    // Next sends what the proxy sets once more, without a Max-Age of 0: a date long past stays.
    return value ? { name, value, maxAge: DAYS } : { name, value, maxAge: 0, expires: new Date(0) };
  });
}

function names(): string[] {
  return Array.from({ length: MOST }, (_, at) => (at ? `${SESSION}.${at}` : SESSION));
}
