import { RonError } from '@ron/proto/errors';
import { KeystoreError } from '../keystore-error.ts';

/** The reason of a keystore's refusal or the code of an error of the table; `accepted` without one. */
export async function refusalOf(task: () => unknown): Promise<string> {
  try {
    await task();
  } catch (error) {
    if (error instanceof KeystoreError) return error.reason;
    if (error instanceof RonError) return error.code;
    throw error;
  }
  return 'accepted';
}
