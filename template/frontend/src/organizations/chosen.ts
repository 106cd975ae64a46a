import "server-only";

import { cookies } from "next/headers";

const NAME = "organization";
const YEAR = 365 * 24 * 60 * 60;

/**
 * The organization that was chosen here, where the token names none. It is no secret and no proof:
 * the API lets in members only.
 */
export async function chosenOrganization(): Promise<string | null> {
  const value = (await cookies()).get(NAME)?.value;
  return value && /^[0-9a-f-]{36}$/.test(value) ? value : null;
}

/** Work there from now on; null leaves it to the token. Only where cookies can be set. */
export async function rememberOrganization(id: string | null): Promise<void> {
  const jar = await cookies();
  if (id === null) {
    jar.delete(NAME);
    return;
  }
  jar.set(NAME, id, {
    httpOnly: true,
    secure: process.env.APP_URL?.startsWith("https:") ?? false,
    sameSite: "lax",
    path: "/",
    maxAge: YEAR,
  });
}
