import { file } from "@/api/file";

/** The rejected rows as a file. */
export async function GET(
  request: Request,
  { params }: { params: Promise<{ id: string }> },
): Promise<Response> {
  const { id } = await params;
  return file(`imports/${encodeURIComponent(id)}/rejected.csv`, request.signal);
}
