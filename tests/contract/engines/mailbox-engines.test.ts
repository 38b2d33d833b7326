import { createRamMailboxes, openJournalMailboxes } from '@ron/svc-mailbox/service';
import { describeMailboxEngine } from './mailbox-engine-suite.ts';

describeMailboxEngine('ram', {
  durable: false,
  open: async (env, settings) => createRamMailboxes({ env, config: settings, bytesMax: settings().bytes_max }),
});

describeMailboxEngine('journal', {
  durable: true,
  open: (env, settings, onDamage) =>
    openJournalMailboxes({
      env,
      folder: 'mailbox',
      config: settings,
      bytesMax: settings().bytes_max,
      // Small, so that a test of a few dozen messages fills, drops and reads segments.
      segmentBytes: 1_048_576,
      reserveBytes: 65_536,
      hotBytesMax: 4_096,
      onDamage,
    }),
});
