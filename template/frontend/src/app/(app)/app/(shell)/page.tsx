import { FileUp } from "lucide-react";
import type { Metadata } from "next";
import Link from "next/link";

import { api, held, me } from "@/api";
import { BarChart } from "@/components/charts/bar-chart";
import { ShareChart } from "@/components/charts/share-chart";
import { PageHeader } from "@/components/page-header";
import { buttonLook } from "@/components/ui/button";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { EmptyState } from "@/components/ui/empty-state";
import { counted, dayInWords } from "@/format";
import { ImportTable } from "@/imports/import-table";

export const metadata: Metadata = { title: "Overview" };

const DAYS = 14;
const DAY = 24 * 60 * 60 * 1000;

export default async function OverviewPage() {
  const client = await api();
  const [mine, { items: imports }] = await Promise.all([
    me(),
    held(client.GET("/api/v1/imports", { params: { query: { limit: 200 } } })),
  ]);
  const rejected = imports.reduce((sum, one) => sum + one.rows_rejected, 0);
  const accepted = imports.reduce((sum, one) => sum + one.rows_done - one.rows_rejected, 0);
  const waiting = imports.reduce((sum, one) => sum + Math.max(0, (one.rows_total ?? 0) - one.rows_done), 0);
  return (
    <>
      <PageHeader title="Overview">
        {mine.organization ? `What happened lately in ${mine.organization.name}.` : "What happened lately."}
      </PageHeader>
      {imports.length === 0 ? (
        <Card>
          <EmptyState
            Icon={FileUp}
            title="Nothing was imported yet"
            actions={
              <Link href="/app/imports" className={buttonLook()}>
                Import contacts
              </Link>
            }
          >
            Bring your contacts along in a CSV file: its progress shows here.
          </EmptyState>
        </Card>
      ) : (
        <div className="grid gap-6 xl:grid-cols-2">
          <Card>
            <CardHeader title="Imports over time" description={`Files a day, the last ${DAYS} days`} />
            <CardBody>
              <BarChart label="Imports a day" bars={perDay(imports.map((one) => one.created_at))} />
            </CardBody>
          </Card>
          <Card>
            <CardHeader title="Rows by what became of them" description="Of the latest 200 imports" />
            <CardBody>
              <ShareChart
                label="Rows by status"
                shares={[
                  { label: "Imported", value: accepted, tone: "accent" },
                  { label: "Rejected", value: rejected, tone: "danger" },
                  { label: "Waiting", value: waiting, tone: "neutral" },
                ]}
                told={counted}
              />
            </CardBody>
          </Card>
          <Card className="xl:col-span-2">
            <CardHeader title="Latest imports" />
            <ImportTable imports={imports.slice(0, 5)} />
          </Card>
        </div>
      )}
    </>
  );
}

function perDay(moments: readonly string[]): { label: string; value: number }[] {
  const today = Math.floor(Date.now() / DAY);
  return Array.from({ length: DAYS }, (_, at) => {
    const day = today - DAYS + 1 + at;
    const value = moments.filter((iso) => Math.floor(Date.parse(iso) / DAY) === day).length;
    return { label: dayInWords(new Date(day * DAY)), value };
  });
}
