import type { Log } from '../env/log.ts';
import type { Config } from './config.ts';
import type { ConfigTables } from './schema.ts';

/** The file's new text takes effect, or, when it is not valid, the old one stays (false); the log says which, and what waits for a restart. */
export function reloadConfig<T extends ConfigTables>(config: Config<T>, text: string, log: Log): boolean {
  const result = config.reload(text);
  if (!result.ok) log.error({ problems: result.problems }, 'the new configuration is not valid: the old one stays');
  else if (result.changed.length + result.ignored.length > 0)
    log.warn({ changed: result.changed, needs_restart: result.ignored }, 'configuration reloaded');
  return result.ok;
}
