import { KeyRound } from "lucide-react";
import type { Metadata } from "next";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me, type Schemas } from "@/api";
import { revokeKey } from "@/api-keys/actions";
import { NewKeyForm } from "@/api-keys/new-key-form";
import { ConfirmedAction } from "@/components/confirmed-action";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Badge } from "@/components/ui/badge";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { Pagination } from "@/components/ui/pagination";
import { Cell, HeaderCell, Table, TableBody, TableHead, TableRow } from "@/components/ui/table";
import { inWords } from "@/format";

export const metadata: Metadata = { title: "API keys" };

const PATH = "/app/api-keys";

export default async function ApiKeysPage({ searchParams }: { searchParams: SearchParams }) {
  const cursor = parameter(await searchParams, "cursor");
  const { permissions, key_scopes: scopes } = await me();
  if (!permissions.includes("api_keys:read")) return <NotAllowed what="API keys" />;
  const query = { limit: 50, ...(cursor ? { cursor } : {}) };
  const { items, next_cursor: next } = await held(
    (await api()).GET("/api/v1/api-keys", { params: { query } }),
  );
  // A server component is rendered once for each request.
  // eslint-disable-next-line react-hooks/purity
  const now = Date.now();
  const writes = permissions.includes("api_keys:write");
  return (
    <>
      <PageHeader title="API keys">
        For programs that work in your name. Each may do what you choose, as long as you may.
      </PageHeader>
      <div className="grid gap-6">
        {writes ? (
          <Card>
            <CardHeader title="New key" />
            <CardBody>
              <NewKeyForm scopes={scopes} />
            </CardBody>
          </Card>
        ) : null}
        <Card>
          <CardHeader title="Keys" />
          {items.length === 0 ? (
            <EmptyState Icon={KeyRound} title="There are no keys" />
          ) : (
            <Table label="API keys">
              <TableHead>
                <TableRow>
                  <HeaderCell>Name</HeaderCell>
                  <HeaderCell>Ends in</HeaderCell>
                  <HeaderCell>May</HeaderCell>
                  <HeaderCell>Last used</HeaderCell>
                  <HeaderCell>State</HeaderCell>
                  <HeaderCell>
                    <span className="sr-only">Actions</span>
                  </HeaderCell>
                </TableRow>
              </TableHead>
              <TableBody>
                {items.map((key) => (
                  <TableRow key={key.id}>
                    <Cell className="min-w-40 font-medium wrap-anywhere">{key.name}</Cell>
                    <Cell>
                      <code>…{key.ending}</code>
                    </Cell>
                    <Cell className="max-w-56 truncate text-muted">{key.scopes.join(", ")}</Cell>
                    <Cell className="whitespace-nowrap text-muted">
                      {key.used_at ? inWords(key.used_at) : "never"}
                    </Cell>
                    <Cell>
                      {state(key, now)}
                    </Cell>
                    <Cell className="text-right">
                      {writes && !key.revoked_at ? (
                        <ConfirmedAction
                          label="Revoke"
                          of={key.name}
                          title={`Revoke ${key.name}?`}
                          action={revokeKey.bind(null, key.id)}
                        >
                          Programs that use it are refused from now on. This cannot be undone.
                        </ConfirmedAction>
                      ) : null}
                    </Cell>
                  </TableRow>
                ))}
              </TableBody>
            </Table>
          )}
          <Pagination
            label="Pages of API keys"
            first={cursor ? addressOf(PATH, {}) : null}
            next={next ? addressOf(PATH, { cursor: next }) : null}
          />
        </Card>
      </div>
    </>
  );
}

function state(key: Schemas["ApiKeyOut"], now: number) {
  const { revoked_at: revoked, expires_at: expires } = key;
  if (revoked) return <Badge>revoked</Badge>;
  if (Date.parse(expires) <= now) return <Badge>expired</Badge>;
  return <Badge tone="accent">{`until ${inWords(expires)}`}</Badge>;
}
