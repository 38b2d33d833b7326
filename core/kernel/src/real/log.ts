import { type DestinationStream, destination, pino, stdSerializers } from 'pino';
import type { Log, LogFields } from '../env/log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  /** `info` by default. */
  readonly level?: LogLevel;
  /** Where lines go; standard error by default, synchronously: the last line before a crash is the one that is wanted. */
  readonly stream?: 'stdout' | 'stderr' | DestinationStream;
}

/** Fields that no line may show, at the top and one level down. */
const secretFields = [
  'authorization',
  'capability',
  'cap',
  'token',
  'key',
  'secret',
  'passphrase',
  'password',
  'cookie',
  'seed',
  'RON_CAP',
  'ron-cap',
];

/** One JSON line a message: `level`, `time` (ISO 8601), the fields, `msg`. */
export function createLog(options: LogOptions = {}): Log {
  const { stream = 'stderr' } = options;
  const target = typeof stream === 'string' ? destination({ dest: stream === 'stdout' ? 1 : 2, sync: true }) : stream;
  const quoted = secretFields.map((name) => (/^\w+$/.test(name) ? name : `["${name}"]`));
  const nested = secretFields.map((name) => (/^\w+$/.test(name) ? `*.${name}` : `*["${name}"]`));
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
      redact: { paths: [...quoted, ...nested], censor: '[redacted]' },
    },
    target,
  );
  return wrap(logger);
}

type PinoLike = Pick<ReturnType<typeof pino>, 'debug' | 'info' | 'warn' | 'error'> & {
  child(fields: LogFields): PinoLike;
};

function wrap(logger: PinoLike): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    child: (fields) => wrap(logger.child(fields)),
  };
}
