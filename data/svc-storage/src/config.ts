import { Type } from 'typebox';

const hourMs = 3_600_000;
const mib = 1_048_576;

const whole = (fallback: number, minimum: number, description: string, maximum = Number.MAX_SAFE_INTEGER) =>
  Type.Integer({ default: fallback, minimum, maximum, description, reload: true });

/** Table `storage` of the configuration file. Every field is read at each use: a reload takes effect at once. */
export const StorageConfig = Type.Object(
  {
    object_bytes_max: whole(5 * 1024 * mib, 1, 'bytes of one object; the engine may allow less. Default 5 GiB'),
    grace_ms: whole(
      hourMs,
      0,
      'milliseconds for which a stored, asked-for or touched object is kept without a holder. Default 1 h',
    ),
    trash_ms: whole(24 * hourMs, 0, 'milliseconds between trash and purge, in which undelete works. Default 24 h'),
    upload_ttl_ms: whole(24 * hourMs, 1_000, 'milliseconds that an unfinished upload lives. Default 24 h'),
    uploads_max: whole(1_024, 1, 'unfinished uploads at once. Default 1,024', 100_000),
    upload_outboard_bytes_max: whole(
      64 * mib,
      8,
      'bytes of the trees of all unfinished verified uploads, which stay in memory. Default 64 MiB: 64 GiB of objects',
    ),
    upload_sweep_ms: whole(
      60_000,
      100,
      'milliseconds between two looks for expired uploads. Default 60 s',
      2 ** 31 - 1,
    ),
    collect_every_ms: whole(
      6 * hourMs,
      0,
      'milliseconds between two automatic collections, ±10 %; 0: only on request. Default 6 h',
      // The timer's own limit, less the scatter.
      1_900_000_000,
    ),
    scrub_bytes_per_second: whole(
      32 * mib,
      65_536,
      'bytes that a scrub verifies in a second when its request names no pace. Default 32 MiB',
    ),
    slice_ms: whole(5, 1, 'milliseconds of a background walk before other work gets its turn. Default 5', 1_000),
    slice_objects: whole(256, 1, 'objects of a background walk before other work gets its turn. Default 256', 100_000),
  },
  { additionalProperties: false },
);
