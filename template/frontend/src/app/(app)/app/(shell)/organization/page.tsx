import type { Metadata } from "next";

import { me } from "@/api";
import { ConfirmedAction } from "@/components/confirmed-action";
import { PageHeader } from "@/components/page-header";
import { Card, CardBody, CardHeader } from "@/components/ui/card";
import { leaveOrganization } from "@/organizations/actions";
import { RenameForm } from "@/organizations/rename-form";

export const metadata: Metadata = { title: "Organization" };

export default async function OrganizationPage() {
  const { organization, permissions, role } = await me();
  if (!organization) return null;
  return (
    <>
      <PageHeader title={organization.name}>{`You work here as ${role ?? "a guest"}.`}</PageHeader>
      <div className="grid gap-6">
        {permissions.includes("organization:write") ? (
          <Card>
            <CardHeader title="Name" />
            <CardBody>
              <RenameForm name={organization.name} />
            </CardBody>
          </Card>
        ) : null}
        <Card>
          <CardHeader title="Leave" description="What belongs to the organization stays here." />
          <CardBody>
            <ConfirmedAction label="Leave" title={`Leave ${organization.name}?`} action={leaveOrganization}>
              You are out at once, and your API keys stop working. Somebody must invite you to come back.
            </ConfirmedAction>
          </CardBody>
        </Card>
      </div>
    </>
  );
}
