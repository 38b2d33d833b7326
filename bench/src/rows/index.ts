import type { Row } from '../row.ts';
import { capabilityRows } from './capability.ts';
import { getRows } from './get.ts';
import { hashRow } from './hash.ts';
import { mailboxRows } from './mailbox.ts';
import { oapEchoRow } from './oap-echo.ts';
import { putRows } from './put.ts';
import { putLargeRow } from './put-large.ts';
import { resolveRow } from './resolve.ts';
import { startRows } from './start.ts';

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
];
