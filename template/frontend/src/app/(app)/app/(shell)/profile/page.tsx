import type { Metadata } from "next";

import { me } from "@/api";
import { PageHeader } from "@/components/page-header";
import { Badge } from "@/components/ui/badge";
import { buttonLook } from "@/components/ui/button";
import { Card, CardBody } from "@/components/ui/card";
import { session } from "@/session";

export const metadata: Metadata = { title: "Profile" };

export default async function ProfilePage() {
  const { user, organization, role, permissions } = await me();
  const facts = [
    ["Name", user.name],
    ["Email address", user.email],
    ["Id at the sign-in provider", user.subject],
    ["Organization", organization?.name],
    ["Role", role],
  ] as const;
  return (
    <>
      <PageHeader
        title="Profile"
        actions={
          session.accountUrl ? (
            <a href={session.accountUrl} className={buttonLook({ variant: "secondary" })}>
              Change your account
            </a>
          ) : null
        }
      >
        What the product knows of you, from who signs you in.
      </PageHeader>
      <Card>
        <CardBody>
          <dl className="grid gap-4 sm:grid-cols-2">
            {facts
              .filter(([, value]) => value)
              .map(([name, value]) => (
                <div key={name} className="grid gap-0.5">
                  <dt className="text-sm text-muted">{name}</dt>
                  <dd className="break-all">{value}</dd>
                </div>
              ))}
            <div className="grid gap-1.5 sm:col-span-2">
              <dt className="text-sm text-muted">You may</dt>
              <dd className="flex flex-wrap gap-1.5">
                {permissions.map((name) => (
                  <Badge key={name}>{name}</Badge>
                ))}
              </dd>
            </div>
          </dl>
        </CardBody>
      </Card>
    </>
  );
}
