import "server-only";

import { cookies } from "next/headers";

// No __Host- prefix: over plain http, not every browser keeps what must be Secure.
const NAME = "development-session";

export async function read(): Promise<string | null> {
  return (await cookies()).get(NAME)?.value ?? null;
}

export async function write(token: string, seconds: number): Promise<void> {
  (await cookies()).set(NAME, token, {
    httpOnly: true,
    sameSite: "lax",
    path: "/",
    maxAge: seconds,
  });
}

export async function remove(): Promise<void> {
  (await cookies()).delete(NAME);
}
