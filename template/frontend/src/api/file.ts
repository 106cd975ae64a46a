import "server-only";

import { apiUrl, credentialsIfAny } from ".";

const PASSED_ON = ["Content-Type", "Content-Disposition"];

/**
 * A file of the API's, passed on as it comes; who goes away ends it at the API too.
 *
 * Whatever is wrong is a status without a body: a browser would save a page of ours as the file.
 */
export async function file(path: string, signal: AbortSignal): Promise<Response> {
  const credentials = await credentialsIfAny();
  if (!credentials) return new Response(null, { status: 401 });
  const answer = await fetch(`${apiUrl()}/api/v1/${path}`, {
    headers: credentials,
    cache: "no-store",
    signal,
  }).catch((error: unknown) => {
    console.error(error);
    return null;
  });
  if (!answer?.ok) return new Response(null, { status: answer?.status ?? 503 });
  const headers = new Headers({ "Cache-Control": "no-store" });
  for (const name of PASSED_ON) {
    const value = answer.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return new Response(answer.body, { headers });
}
