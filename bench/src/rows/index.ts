import type { Row } from '../row.ts';
import { capabilityRows } from './capability.ts';
import { edgeFillRow } from './edge-fill.ts';
import { edgeHitRows } from './edge-hit.ts';
import { getRows } from './get.ts';
import { hashRow } from './hash.ts';
import { mailboxRows } from './mailbox.ts';
import { oapEchoRow } from './oap-echo.ts';
import { putRows } from './put.ts';
import { putLargeRow } from './put-large.ts';
import { resolveRow } from './resolve.ts';
import { startRows } from './start.ts';
import { trustAuditRows } from './trust-audit.ts';
import { trustGrowthRows } from './trust-growth.ts';
import { trustKmsRows } from './trust-kms.ts';
import { trustPassportRows } from './trust-passport.ts';
import { trustPipelineRows } from './trust-pipeline.ts';
import { trustPolicyRows } from './trust-policy.ts';
import { trustRevocationRows } from './trust-revocation.ts';
import { trustStartRows } from './trust-start.ts';
import { trustVerifyRows } from './trust-verify.ts';

export const rows: readonly Row[] = [
  ...getRows,
  ...putRows,
  putLargeRow,
  hashRow,
  oapEchoRow,
  resolveRow,
  ...capabilityRows,
  ...mailboxRows,
  ...startRows,
  ...edgeHitRows,
  edgeFillRow,
  ...trustVerifyRows,
  ...trustPolicyRows,
  ...trustAuditRows,
  ...trustKmsRows,
  ...trustPassportRows,
  ...trustPipelineRows,
  ...trustRevocationRows,
  ...trustStartRows,
  ...trustGrowthRows,
];
