import { apiUrl, credentialsIfAny } from "@/api";
import { isSameOrigin } from "@/api/same-origin";

/** Pass a file on to the API as it comes in, at the API's pace, keeping no copy. */
export async function POST(request: Request): Promise<Response> {
  if (!isSameOrigin(request)) return new Response(null, { status: 403 });
  const credentials = await credentialsIfAny();
  if (!credentials) return signedOut();
  const headers = new Headers(credentials);
  for (const name of ["content-type", "content-length", "idempotency-key"]) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  const answer = await passedOn(request.body, headers, request.signal);
  if (!answer) return refusal(503, "The server cannot be reached. Try again in a moment.");
  if (answer.status === 401) return signedOut();
  return new Response(answer.body, {
    status: answer.status,
    headers: {
      "Content-Type": answer.headers.get("content-type") ?? "application/json",
      "Cache-Control": "no-store",
    },
  });
}

async function passedOn(body: Request["body"], headers: Headers, signal: AbortSignal) {
  return fetch(`${apiUrl()}/api/v1/imports`, {
    method: "POST",
    headers,
    body,
    // What a body that is still coming in needs; the types do not know it yet.
    duplex: "half",
    // Otherwise fetch keeps the whole body, to be able to send it again after a redirect or to ask who it is.
    redirect: "error",
    window: null,
    cache: "no-store",
    signal,
  } as RequestInit).catch((error: unknown) => {
    console.error(error);
    return null;
  });
}

/** The page with the file stays as it is. Sent to sign in, the browser would send the whole file there. */
function signedOut(): Response {
  return refusal(401, "Your session has ended. Sign in again in another tab, then try again here.");
}

function refusal(status: number, detail: string): Response {
  return Response.json({ detail }, { status, headers: { "Cache-Control": "no-store" } });
}
