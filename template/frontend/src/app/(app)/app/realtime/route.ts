import { api } from "@/api";
import { isSameOrigin } from "@/api/same-origin";

/** A ticket for one WebSocket, for who is signed in: the browser itself holds no token. */
export async function POST(request: Request): Promise<Response> {
  if (!isSameOrigin(request)) return new Response(null, { status: 403 });
  const { data, response } = await (await api()).POST("/api/v1/realtime/tickets");
  if (!data) return new Response(null, { status: response.status });
  return Response.json({ ticket: data.ticket }, { headers: { "Cache-Control": "no-store" } });
}
