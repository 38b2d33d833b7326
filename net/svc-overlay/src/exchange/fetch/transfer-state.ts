import { groupCount, hash } from '@ron/b3';
import { RonError } from '@ron/proto/errors';
import { GroupSet } from '../group-set.ts';

/**
 * What was fetched so far, for another process to go on. True of the bytes in the sink only if they were made durable
 * before this was: whoever stores it syncs the sink first.
 */
export interface TransferState {
  readonly v: 1;
  readonly address: string;
  readonly size: number;
  /** base64url bitmap of the groups that were written. */
  readonly groups: string;
  /** Over the other fields, so that a damaged state is not believed. */
  readonly check: string;
}

export function encodeTransferState(address: string, size: number, written: GroupSet): TransferState {
  const groups = Buffer.from(written.toBytes()).toString('base64url');
  return { v: 1, address, size, groups, check: checkOf(address, size, groups) };
}

/** Refuses (`bad_request`) a state of another object and one that was changed. */
export function parseTransferState(state: TransferState, address: string): { size: number; written: GroupSet } {
  const { v, size, groups, check } = state;
  if (v !== 1 || state.address !== address) throw new RonError('bad_request', 'the state is of another object');
  if (
    !Number.isSafeInteger(size) ||
    size < 0 ||
    typeof groups !== 'string' ||
    check !== checkOf(address, size, groups)
  ) {
    throw new RonError('bad_request', 'the state of the transfer is damaged: begin anew');
  }
  return { size, written: GroupSet.fromBytes(groupCount(size), Buffer.from(groups, 'base64url')) };
}

function checkOf(address: string, size: number, groups: string): string {
  return Buffer.from(hash(Buffer.from(`ron-transfer/1 ${address} ${size} ${groups}`))).toString('hex');
}
