import type { Metadata } from "next";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me } from "@/api";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Card } from "@/components/ui/card";
import { Pagination } from "@/components/ui/pagination";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { inWords } from "@/format";
import { MemberActions } from "@/members/choice";

export const metadata: Metadata = { title: "Members" };

const PATH = "/app/members";

export default async function MembersPage({ searchParams }: { searchParams: SearchParams }) {
  const cursor = parameter(await searchParams, "cursor");
  const mine = await me();
  if (!mine.permissions.includes("members:read")) return <NotAllowed what="members" />;
  const query = { limit: 100, ...(cursor ? { cursor } : {}) };
  const { items, next_cursor: next } = await held(
    (await api()).GET("/api/v1/members", { params: { query } }),
  );
  return (
    <>
      <PageHeader title="Members">Who belongs to {mine.organization?.name}, and as what.</PageHeader>
      <Card>
        <Table label="Members">
          <TableHead>
            <TableRow>
              <HeaderCell>Name</HeaderCell>
              <HeaderCell>Email address</HeaderCell>
              <HeaderCell>Since</HeaderCell>
              <HeaderCell>Role</HeaderCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {items.map((member) => (
              <TableRow key={member.id}>
                <Cell className="font-medium">
                  {member.name ?? "–"}
                  {member.user_id === mine.user.id ? <span className="text-muted"> (you)</span> : null}
                </Cell>
                <Cell className="text-muted">{member.email ?? "–"}</Cell>
                <Cell className="whitespace-nowrap text-muted">{inWords(member.created_at)}</Cell>
                <Cell>
                  <MemberActions member={member} mine={mine} />
                </Cell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
        <Pagination
          label="Pages of members"
          first={cursor ? addressOf(PATH, {}) : null}
          next={next ? addressOf(PATH, { cursor: next }) : null}
        />
      </Card>
    </>
  );
}
