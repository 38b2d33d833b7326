import { recordBytes } from '@ron/journal';
import type { BoxKey, Command } from '../state/command.ts';
import type { Message } from '../state/message.ts';
import { type Failure, failuresMax } from '../state/message.ts';
import {
  changedBytesMax,
  failureBytesMax,
  failureFixedBytes,
  goneRecordBytes,
  messageRecordBytesMax,
  namesBytesMax,
} from './records.ts';

/** A lease that is given or extended, and a redrive, tell of no reason. */
const leasedBytes = recordBytes(changedBytesMax);
const goneBytes = recordBytes(goneRecordBytes);
const changedWithReasonBytes = recordBytes(changedBytesMax + failureBytesMax);

/**
 * The most that a command writes, record heads included, whatever it finds when its turn comes. It is also what the
 * command costs its tenant.
 */
export function bytesMaxOf(command: Command): number {
  switch (command.op) {
    case 'send': {
      const { tenant, box, group = '', content, jsonBytes } = command;
      const texts = [tenant, box, group, content.body.kind === 'address' ? content.body.address : ''];
      // JSON is never shorter than the bytes of a text; bytes are base64 there.
      return recordBytes(messageRecordBytesMax(texts, jsonBytes)) + namesBytesMax(tenant, box);
    }
    case 'receive':
      return command.max * leasedBytes;
    case 'ack':
      return command.leases.length * goneBytes;
    case 'extend':
      return command.leases.length * leasedBytes;
    case 'nack':
    case 'release':
      return command.leases.length * changedWithReasonBytes;
    case 'remove':
      return goneBytes;
    case 'quarantine':
      return changedWithReasonBytes;
    case 'redrive':
      return (command.ids?.length ?? command.max) * leasedBytes;
    case 'purge':
      return (command.ids?.length ?? command.max) * goneBytes;
  }
}

/** Of a message whose record had this payload, when it is written again as it stands by then. */
export function carriedBytesMax({ box, failures }: Message, payloadBytes: number): number {
  // Each failure takes a lease, which takes a write of its own: in one batch no more than one can come, and one by time.
  const added = failuresBytes(failures) + 2 * failureBytesMax;
  return recordBytes(payloadBytes + added) + namesBytesMax(box.tenant.name, box.name);
}

function failuresBytes(failures: readonly Failure[]): number {
  return failures.reduce((sum, { reason = '' }) => sum + failureFixedBytes + 3 * reason.length, 0);
}

/** Of a message that is written again from memory, or as one that is lost. */
export function rewrittenBytesMax({ box, origin }: Message): number {
  const { group = '', address = '', jsonBytes } = origin;
  const texts = [box.tenant.name, box.name, group, address];
  const bytes = messageRecordBytesMax(texts, jsonBytes) + failuresMax * failureBytesMax;
  return recordBytes(bytes) + namesBytesMax(box.tenant.name, box.name) + changedWithReasonBytes;
}

/** Of a message that was lost. */
export function buriedBytesMax({ tenant, box }: BoxKey): number {
  return recordBytes(messageRecordBytesMax([tenant, box], 0)) + namesBytesMax(tenant, box);
}
