import type { Metadata } from "next";
import Link from "next/link";

import { api, found } from "@/api";
import { PageHeader } from "@/components/page-header";
import { buttonLook } from "@/components/ui/button";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { counted, inWords } from "@/format";
import { LiveProgress } from "@/imports/live-progress";
import { RejectedRows } from "@/imports/rejected-rows";

export const metadata: Metadata = { title: "Import" };

export default async function ImportPage({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params;
  const one = await found(
    (await api()).GET("/api/v1/imports/{import_id}", { params: { path: { import_id: id } } }),
  );
  return (
    <>
      <PageHeader
        title={one.file_name || "Import"}
        actions={
          <Link href="/app/contacts" className={buttonLook({ variant: "secondary" })}>
            See the contacts
          </Link>
        }
      >
        {`Begun ${inWords(one.created_at)}`}
      </PageHeader>
      <div className="grid gap-6">
        <Card>
          <CardBody>
            <LiveProgress id={id} rendered={one} />
          </CardBody>
        </Card>
        {one.rows_rejected > 0 ? (
          <Card>
            <CardHeader
              title="Rejected rows"
              description={`${counted(one.rows_rejected)} of them did not become contacts`}
              actions={
                // A file, so no soft navigation.
                <a
                  href={`/app/imports/${id}/rejected.csv`}
                  download
                  className={buttonLook({ variant: "secondary", size: "small" })}
                >
                  Download all
                </a>
              }
            />
            <RejectedRows id={id} />
          </Card>
        ) : null}
      </div>
    </>
  );
}
