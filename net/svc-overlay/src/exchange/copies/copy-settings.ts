import type { OverlayConfig } from '../../config.ts';
import { repairLimitsDefault } from '../placement/repair-limits.ts';
import type { PlacementLimits } from '../placements.ts';
import type { CopySettings } from './copy-ports.ts';

/** What the configuration says of the copies that this node wants. Made anew only after a reload. */
export function copySettings(config: () => Readonly<OverlayConfig>): () => CopySettings {
  let made: { readonly of: Readonly<OverlayConfig>; readonly settings: CopySettings } | undefined;
  return () => {
    const now = config();
    if (made?.of !== now) made = { of: now, settings: settingsOf(now) };
    return made.settings;
  };
}

function settingsOf(config: Readonly<OverlayConfig>): CopySettings {
  return {
    ttlMs: config.copies_ttl_ms,
    // A copy is asked for three times before it would end.
    checkMs: Math.min(config.copies_check_ms, config.copies_ttl_ms / 3),
    repair: {
      ...repairLimitsDefault,
      bytesPerSecond: config.copies_bytes_per_second,
      graceMs: config.copies_grace_ms,
      urgentGraceMs: Math.min(config.copies_last_grace_ms, config.copies_grace_ms),
    },
  };
}

/** What it says of the copies that others have here. What storage must keep free is not in `freeBytes`. */
export function placingLimits({ copies_bytes_max }: Readonly<OverlayConfig>): Partial<PlacementLimits> {
  return { bytesMax: copies_bytes_max, sizeBytesMax: copies_bytes_max, reserveBytes: 0 };
}
