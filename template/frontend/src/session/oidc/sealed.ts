import { EncryptJWT, jwtDecrypt } from "jose";

import { sessionSecret } from "./settings";

/**
 * Values that the browser keeps and cannot read or change: encrypted, good for a while and for one
 * purpose. `seal(…)` and `open(…)` of another purpose do not fit together.
 */

let keys: Promise<Map<string, Uint8Array>> | undefined;

async function key(purpose: string): Promise<Uint8Array> {
  keys ??= Promise.resolve(new Map<string, Uint8Array>());
  const known = await keys;
  const found = known.get(purpose);
  if (found) return found;
  const bytes = (text: string) => new TextEncoder().encode(text);
  const secret = await crypto.subtle.importKey("raw", bytes(sessionSecret()), "HKDF", false, [
    "deriveBits",
  ]);
  const derived = await crypto.subtle.deriveBits(
    { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(32), info: bytes(purpose) },
    secret,
    256,
  );
  const made = new Uint8Array(derived);
  known.set(purpose, made);
  return made;
}

export async function seal(purpose: string, value: object, seconds: number): Promise<string> {
  return new EncryptJWT({ value })
    .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
    .setIssuedAt()
    .setExpirationTime(`${seconds} s`)
    .encrypt(await key(purpose));
}

/** What was sealed; null when it is forged, damaged, over, or sealed for something else. */
export async function open<T>(purpose: string, sealed: string | undefined): Promise<T | null> {
  if (!sealed) return null;
  const secret = await key(purpose);
  try {
    const { payload } = await jwtDecrypt(sealed, secret, {
      keyManagementAlgorithms: ["dir"],
      contentEncryptionAlgorithms: ["A256GCM"],
    });
    return payload.value as T;
  } catch {
    return null;
  }
}
