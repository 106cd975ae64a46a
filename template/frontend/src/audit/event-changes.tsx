import { changes } from "./changes";

interface EventChangesProps {
  before: Readonly<Record<string, unknown>> | null;
  after: Readonly<Record<string, unknown>> | null;
}

/** Each field that changed, with what it was and what it is. */
export function EventChanges({ before, after }: EventChangesProps) {
  const found = changes(before, after);
  if (found.length === 0) return <span className="text-muted">–</span>;
  return (
    <details>
      <summary className="cursor-pointer text-sm">
        {found.length === 1 ? "1 field" : `${found.length} fields`}
      </summary>
      <dl className="mt-2 grid max-w-xl gap-2 text-xs">
        {found.map((change) => (
          <div key={change.field} className="grid gap-0.5">
            <dt className="font-medium text-muted">{change.field}</dt>
            <dd className="grid gap-0.5 font-mono break-all">
              {change.before === null ? null : (
                <del className="rounded bg-danger-soft px-1.5 py-0.5 text-danger-ink">{change.before}</del>
              )}
              {change.after === null ? null : (
                <ins className="rounded bg-accent-soft px-1.5 py-0.5 text-accent-ink no-underline">
                  {change.after}
                </ins>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
