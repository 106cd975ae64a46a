import { apiUrl, credentials } from "@/api";
import { isSameOrigin } from "@/api/same-origin";

/** Pass a file on to the API as it comes in, at the API's pace, keeping no copy. */
export async function POST(request: Request): Promise<Response> {
  if (!isSameOrigin(request)) return new Response(null, { status: 403 });
  const headers = new Headers(await credentials());
  for (const name of ["content-type", "content-length", "idempotency-key"]) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const answer = await fetch(`${apiUrl()}/api/v1/imports`, {
    method: "POST",
    headers,
    body: request.body,
    // What a body that is still coming in needs; the types do not know it yet.
    duplex: "half",
    // Otherwise fetch keeps the whole body, to be able to send it again after a redirect or to ask who it is.
    redirect: "error",
    window: null,
    cache: "no-store",
    signal: request.signal,
  } as RequestInit);
  return new Response(answer.body, {
    status: answer.status,
    headers: {
      "Content-Type": answer.headers.get("content-type") ?? "application/json",
      "Cache-Control": "no-store",
    },
  });
}
