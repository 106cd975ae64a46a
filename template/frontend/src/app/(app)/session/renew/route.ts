/** Asked before a long upload: the session was renewed on the way here, if it was about to end. */
export function GET(): Response {
  return new Response(null, { status: 204, headers: { "Cache-Control": "no-store" } });
}
