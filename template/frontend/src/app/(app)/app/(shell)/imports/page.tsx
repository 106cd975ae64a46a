import type { Metadata } from "next";

import { addressOf, parameter, type SearchParams } from "@/addresses";
import { api, held, me } from "@/api";
import { NotAllowed } from "@/components/not-allowed";
import { PageHeader } from "@/components/page-header";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { Pagination } from "@/components/ui/pagination";
import { ImportTable } from "@/imports/import-table";
import { UploadForm } from "@/imports/upload-form";

export const metadata: Metadata = { title: "Imports" };

const PATH = "/app/imports";

export default async function ImportsPage({ searchParams }: { searchParams: SearchParams }) {
  const cursor = parameter(await searchParams, "cursor");
  const { permissions } = await me();
  if (!permissions.includes("imports:read")) return <NotAllowed what="imports" />;
  const query = { limit: 20, ...(cursor ? { cursor } : {}) };
  const { items, next_cursor: next } = await held(
    (await api()).GET("/api/v1/imports", { params: { query } }),
  );
  return (
    <>
      <PageHeader title="Imports">Contacts from a CSV file, of any size.</PageHeader>
      <div className="grid gap-6">
        {permissions.includes("imports:write") ? (
          <Card>
            <CardHeader title="Import a file" />
            <CardBody>
              <UploadForm />
            </CardBody>
          </Card>
        ) : null}
        {items.length > 0 ? (
          <Card>
            <CardHeader title="Earlier imports" />
            <ImportTable imports={items} />
            <Pagination
              label="Pages of imports"
              first={cursor ? addressOf(PATH, {}) : null}
              next={next ? addressOf(PATH, { cursor: next }) : null}
            />
          </Card>
        ) : null}
      </div>
    </>
  );
}
