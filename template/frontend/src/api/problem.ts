/** An error answer of the API: RFC 9457's problem, as the API's documentation describes it. */
export class ApiProblem extends Error {
  override name = "ApiProblem";

  constructor(
    readonly status: number,
    readonly type: string,
    readonly detail: string,
    /** What is wrong with which field of the request. */
    readonly fields: Readonly<Record<string, string>> = {},
    readonly requestId: string | null = null,
  ) {
    super(`${status} ${type}: ${detail} (request ${requestId ?? "unknown"})`);
  }
}

interface Body {
  type?: string;
  title?: string;
  detail?: string;
  request_id?: string;
  errors?: readonly { field: string; message: string }[];
}

/** The problem that an answer is, also when something else than the API gave it. */
export function problemOf(response: Response, body: unknown): ApiProblem {
  const problem: Body = typeof body === "object" && body !== null ? body : {};
  const fields = (problem.errors ?? []).map(({ field, message }) => [
    field.replace(/^body\./, ""),
    sentence(message.replace(/^Value error, /, "")),
  ]);
  return new ApiProblem(
    response.status,
    problem.type ?? "about:blank",
    problem.detail ?? problem.title ?? "The server did not say what went wrong.",
    Object.fromEntries(fields) as Record<string, string>,
    problem.request_id ?? response.headers.get("x-request-id"),
  );
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
