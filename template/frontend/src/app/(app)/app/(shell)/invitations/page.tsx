import { MailPlus } from "lucide-react";
import type { Metadata } from "next";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me } from "@/api";
import { ConfirmedAction } from "@/components/confirmed-action";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Badge } from "@/components/ui/badge";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { Pagination } from "@/components/ui/pagination";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { inWords } from "@/format";
import { resend, revoke } from "@/invitations/actions";
import { InvitationForm } from "@/invitations/invitation-form";

export const metadata: Metadata = { title: "Invitations" };

const PATH = "/app/invitations";

export default async function InvitationsPage({ searchParams }: { searchParams: SearchParams }) {
  const cursor = parameter(await searchParams, "cursor");
  const { permissions } = await me();
  if (!permissions.includes("members:write")) return <NotAllowed what="invitations" />;
  const query = { limit: 50, ...(cursor ? { cursor } : {}) };
  const { items, next_cursor: next } = await held(
    (await api()).GET("/api/v1/invitations", { params: { query } }),
  );
  return (
    <>
      <PageHeader title="Invitations">
        Whom you invite gets a mail with a link that only they can use, for seven days.
      </PageHeader>
      <div className="grid gap-6">
        <Card>
          <CardHeader title="Invite somebody" />
          <CardBody>
            <InvitationForm />
          </CardBody>
        </Card>
        <Card>
          <CardHeader title="Sent" />
          {items.length === 0 ? (
            <EmptyState Icon={MailPlus} title="Nobody was invited yet" />
          ) : (
            <Table label="Invitations">
              <TableHead>
                <TableRow>
                  <HeaderCell>Email address</HeaderCell>
                  <HeaderCell>Role</HeaderCell>
                  <HeaderCell>State</HeaderCell>
                  <HeaderCell>Good until</HeaderCell>
                  <HeaderCell>
                    <span className="sr-only">Actions</span>
                  </HeaderCell>
                </TableRow>
              </TableHead>
              <TableBody>
                {items.map(({ id, email, role, status, expires_at: expires }) => (
                  <TableRow key={id}>
                    <Cell className="font-medium">{email}</Cell>
                    <Cell>{role}</Cell>
                    <Cell>
                      <Badge tone={status === "open" ? "info" : status === "accepted" ? "accent" : "neutral"}>
                        {status}
                      </Badge>
                    </Cell>
                    <Cell className="whitespace-nowrap text-muted">{inWords(expires)}</Cell>
                    <Cell>
                      {status === "open" || status === "expired" ? (
                        <div className="flex justify-end gap-2">
                          <ConfirmedAction
                            label="Send again"
                            of={`to ${email}`}
                            title={`Send the mail to ${email} again?`}
                            action={resend.bind(null, id)}
                          >
                            It has a new link, and the ones before it stop working.
                          </ConfirmedAction>
                          <ConfirmedAction
                            label="Take back"
                            of={`the invitation of ${email}`}
                            title={`Take the invitation of ${email} back?`}
                            action={revoke.bind(null, id)}
                          >
                            The link in the mail stops working.
                          </ConfirmedAction>
                        </div>
                      ) : null}
                    </Cell>
                  </TableRow>
                ))}
              </TableBody>
            </Table>
          )}
          <Pagination
            label="Pages of invitations"
            first={cursor ? addressOf(PATH, {}) : null}
            next={next ? addressOf(PATH, { cursor: next }) : null}
          />
        </Card>
      </div>
    </>
  );
}
