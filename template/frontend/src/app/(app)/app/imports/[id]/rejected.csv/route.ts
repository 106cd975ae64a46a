import { apiUrl, credentials } from "@/api";

/** The rejected rows as a file, passed on as it comes. */
export async function GET(
  _request: Request,
  { params }: { params: Promise<{ id: string }> },
): Promise<Response> {
  const { id } = await params;
  const answer = await fetch(`${apiUrl()}/api/v1/imports/${encodeURIComponent(id)}/rejected.csv`, {
    headers: await credentials(),
    cache: "no-store",
  });
  if (!answer.ok) return new Response(null, { status: answer.status });
  return new Response(answer.body, {
    headers: {
      "Content-Type": "text/csv; charset=utf-8",
      "Content-Disposition": 'attachment; filename="rejected.csv"',
      "Cache-Control": "no-store",
    },
  });
}
