import { Download, History } from "lucide-react";
import type { Metadata } from "next";
import Form from "next/form";
import Link from "next/link";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me } from "@/api";
import { ApiProblem } from "@/api/problem";
import { EventChanges } from "@/audit/event-changes";
import { filters, filtersOf, query, type Filter, type Filters } from "@/audit/filters";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Alert } from "@/components/ui/alert";
import { Badge } from "@/components/ui/badge";
import { Button, buttonLook } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Pagination } from "@/components/ui/pagination";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { inWords } from "@/format";

export const metadata: Metadata = { title: "Audit trail" };

const PATH = "/app/audit";
const EXPORT = "/app/audit/export";
const formats = { csv: "CSV", ndjson: "JSON lines" } as const;

const labels: Record<Filter, string> = {
  actor: "Who",
  action: "Did what",
  table: "In which table",
  since: "Since",
};
const hints: Partial<Record<Filter, string>> = {
  actor: "Their id",
  action: "insert, update, delete, …",
  table: "contacts, imports, …",
};

export default async function AuditPage({ searchParams }: { searchParams: SearchParams }) {
  const given = await searchParams;
  const cursor = parameter(given, "cursor");
  const asked = filtersOf((name) => parameter(given, name));
  const { permissions } = await me();
  if (!permissions.includes("audit:read")) return <NotAllowed what="the audit trail" />;
  const page = await events(asked, cursor);
  const isFiltered = filters.some((name) => asked[name]);
  return (
    <>
      <PageHeader
        title="Audit trail"
        actions={Object.entries(formats).map(([format, name]) => (
          <a
            key={format}
            href={addressOf(EXPORT, { ...asked, format })}
            download
            className={buttonLook({ variant: "secondary" })}
          >
            <Download aria-hidden />
            Export {name}
          </a>
        ))}
      >
        Who changed what, and when, as the database itself recorded it. Nobody can change it here.
      </PageHeader>
      <Card>
        <Form action={PATH} className="flex flex-wrap items-end gap-3 border-b border-line px-5 py-4">
          {filters.map((name) => (
            <div key={name} className="w-full sm:w-44">
              <Field label={labels[name]}>
                {(control) => (
                  <Input
                    {...control}
                    key={asked[name]}
                    name={name}
                    type={name === "since" ? "date" : "text"}
                    maxLength={255}
                    defaultValue={asked[name]}
                    placeholder={hints[name]}
                  />
                )}
              </Field>
            </div>
          ))}
          <Button type="submit" variant="secondary">
            Filter
          </Button>
          {isFiltered ? (
            <Link href={PATH} className={buttonLook({ variant: "quiet" })}>
              Show everything
            </Link>
          ) : null}
        </Form>
        {page instanceof ApiProblem ? (
          <div className="p-5">
            <Alert tone="danger">{Object.values(page.fields)[0] ?? page.detail}</Alert>
          </div>
        ) : page.items.length === 0 ? (
          <EmptyState Icon={History} title="Nothing was recorded">
            {isFiltered ? "No record fits these filters." : "What is changed here shows up at once."}
          </EmptyState>
        ) : (
          <>
            <Table label="Audit trail">
              <TableHead>
                <TableRow>
                  <HeaderCell>When</HeaderCell>
                  <HeaderCell>Who</HeaderCell>
                  <HeaderCell>Did what</HeaderCell>
                  <HeaderCell>Where</HeaderCell>
                  <HeaderCell>Changes</HeaderCell>
                </TableRow>
              </TableHead>
              <TableBody>
                {page.items.map((event) => (
                  <TableRow key={event.id}>
                    <Cell className="align-top whitespace-nowrap text-muted">
                      {inWords(event.occurred_at)}
                    </Cell>
                    <Cell className="max-w-56 truncate align-top">
                      {event.actor ?? event.login}
                      {event.api_key_id ? <span className="text-muted"> (API key)</span> : null}
                    </Cell>
                    <Cell className="align-top">
                      <Badge>{event.action}</Badge>
                    </Cell>
                    <Cell className="align-top">{event.table_name ?? "–"}</Cell>
                    <Cell>
                      <EventChanges before={event.old ?? null} after={event.new ?? null} />
                    </Cell>
                  </TableRow>
                ))}
              </TableBody>
            </Table>
            <Pagination
              label="Pages of the audit trail"
              first={cursor ? addressOf(PATH, asked) : null}
              next={page.next_cursor ? addressOf(PATH, { ...asked, cursor: page.next_cursor }) : null}
            />
          </>
        )}
      </Card>
    </>
  );
}

/** A page of events; the problem, if a filter is not understood. */
async function events(asked: Filters, cursor: string) {
  const place = cursor ? { cursor } : {};
  try {
    return await held(
      (await api()).GET("/api/v1/audit-events", {
        params: { query: { limit: 50, ...query(asked), ...place } },
      }),
    );
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 422) return error;
    throw error;
  }
}
