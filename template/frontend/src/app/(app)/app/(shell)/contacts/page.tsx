import { Search, UserRound } from "lucide-react";
import type { Metadata, Route } from "next";
import Form from "next/form";
import Link from "next/link";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me } from "@/api";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Button, buttonLook } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Pagination } from "@/components/ui/pagination";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { amount, inWords } from "@/format";

export const metadata: Metadata = { title: "Contacts" };

const PATH = "/app/contacts";
const PAGE = 50;

export default async function ContactsPage({ searchParams }: { searchParams: SearchParams }) {
  const given = await searchParams;
  const q = parameter(given, "q");
  const cursor = parameter(given, "cursor");
  const { permissions } = await me();
  if (!permissions.includes("contacts:read")) return <NotAllowed what="contacts" />;
  const query = { limit: PAGE, ...(q ? { q } : {}), ...(cursor ? { cursor } : {}) };
  const { items, next_cursor: next } = await held(
    (await api()).GET("/api/v1/contacts", { params: { query } }),
  );
  const writes = permissions.includes("contacts:write");
  return (
    <>
      <PageHeader
        title="Contacts"
        actions={
          writes ? (
            <>
              <Link href="/app/imports" className={buttonLook({ variant: "secondary" })}>
                Import
              </Link>
              <Link href="/app/contacts/new" className={buttonLook()}>
                New contact
              </Link>
            </>
          ) : null
        }
      />
      <Card>
        <Form action={PATH} role="search" className="flex items-end gap-2 border-b border-line px-5 py-4">
          <div className="max-w-sm flex-1">
            <Field label="Search" labelHidden>
              {(control) => (
                <Input
                  {...control}
                  key={q}
                  name="q"
                  type="search"
                  maxLength={200}
                  defaultValue={q}
                  placeholder="How a name or an address begins"
                />
              )}
            </Field>
          </div>
          <Button type="submit" variant="secondary">
            <Search aria-hidden />
            Search
          </Button>
        </Form>
        {items.length === 0 ? (
          <EmptyState
            Icon={UserRound}
            title={q ? "Nobody begins like that" : "No contacts yet"}
            actions={
              q ? (
                <Link href={PATH} className={buttonLook({ variant: "secondary" })}>
                  Show everybody
                </Link>
              ) : null
            }
          >
            {q ? "A search finds how a name or an address begins." : "Add one, or import a CSV file."}
          </EmptyState>
        ) : (
          <Table label="Contacts">
            <TableHead>
              <TableRow>
                <HeaderCell>Name</HeaderCell>
                <HeaderCell className="max-sm:hidden">Email address</HeaderCell>
                <HeaderCell className="max-sm:hidden">Company</HeaderCell>
                <HeaderCell className="text-right">Amount</HeaderCell>
                <HeaderCell className="max-sm:hidden">Added</HeaderCell>
              </TableRow>
            </TableHead>
            <TableBody>
              {items.map((contact) => (
                <TableRow key={contact.id}>
                  <Cell className="min-w-40 wrap-anywhere">
                    <Link
                      href={`${PATH}/${contact.id}` as Route}
                      className="line-clamp-2 font-medium hover:underline"
                    >
                      {contact.name}
                    </Link>
                    {/* A phone has room for two columns. */}
                    <span className="line-clamp-1 break-all text-muted sm:hidden">
                      {contact.email}
                    </span>
                  </Cell>
                  <Cell className="max-w-72 truncate text-muted max-sm:hidden">
                    {contact.email}
                  </Cell>
                  <Cell className="max-w-44 truncate max-sm:hidden">{contact.company}</Cell>
                  <Cell className="text-right whitespace-nowrap">{amount(contact.amount)}</Cell>
                  <Cell className="whitespace-nowrap text-muted max-sm:hidden">
                    {inWords(contact.created_at)}
                  </Cell>
                </TableRow>
              ))}
            </TableBody>
          </Table>
        )}
        <Pagination
          label="Pages of contacts"
          first={cursor ? addressOf(PATH, { q }) : null}
          next={next ? addressOf(PATH, { q, cursor: next }) : null}
        />
      </Card>
    </>
  );
}
