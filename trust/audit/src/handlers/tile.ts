import type { auditContract } from '@ron/proto/audit';
import type { Handlers } from '@ron/proto/contract';
import { RonError } from '@ron/proto/errors';
import { ResidentBody } from '@ron/proto/stream';
import { parseTilePath, tileWidth } from '@ron/tlog';
import type { AuditLog } from '../log.ts';

export function createTile(log: AuditLog): Handlers<typeof auditContract>['tile'] {
  return async ({ path }) => {
    const name = parseTilePath(path);
    if (name === undefined) throw new RonError('bad_request', 'a tile is <level>/<N>[.p/<W>] or entries/<N>[.p/<W>]');
    const bytes = await log.tile(name);
    if (bytes === undefined) throw new RonError('not_found', 'the log has no such tile, or keeps it no longer');
    return {
      output: {
        content_type: 'application/octet-stream',
        // A partial tile goes when the full one comes.
        cache_control: name.width === tileWidth ? 'private, max-age=31536000, immutable' : 'no-store',
        content_length: bytes.byteLength,
      },
      body: new ResidentBody(bytes),
    };
  };
}
