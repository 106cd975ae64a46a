type Values = Readonly<Record<string, unknown>> | null;

export interface Change {
  field: string;
  before: string | null;
  after: string | null;
}

/** What differs between a row before and after; all of it where there was no row, or is none now. */
export function changes(before: Values, after: Values): Change[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...fields]
    .map((field) => ({ field, before: told(before, field), after: told(after, field) }))
    .filter(({ before: old, after: now }) => old !== now)
    .sort((one, other) => one.field.localeCompare(other.field));
}

function told(values: Values, field: string): string | null {
  const value = values?.[field];
  if (value === undefined || value === null) return null;
  return typeof value === "string" ? value : JSON.stringify(value);
}
