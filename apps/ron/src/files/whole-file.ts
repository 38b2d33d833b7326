import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { ByteStream } from '@ron/proto/stream';

/** A link that waits under the temporary name must not lead the bytes elsewhere. */
const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;

/** Writes a stream to `temporary`, then gives it its name: it is there whole, or not at all. Returns its bytes. */
export async function writeWhole(stream: ByteStream, temporary: string, destination: string): Promise<number> {
  let bytes = 0;
  try {
    {
      await using file = await open(temporary, flags, 0o644);
      for await (const piece of stream) {
        await file.writeFile(piece);
        bytes += piece.byteLength;
      }
    }
    await rename(temporary, destination);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  return bytes;
}

/** Devices and pipes are written as they are: nothing may take their place. */
export async function writeThrough(stream: ByteStream, device: string): Promise<number> {
  let bytes = 0;
  await using file = await open(device, 'w');
  for await (const piece of stream) {
    await file.writeFile(piece);
    bytes += piece.byteLength;
  }
  return bytes;
}
