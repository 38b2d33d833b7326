import { attenuate, type Caveat, inspect } from '@ron/cap';
import { hmac } from '@ron/cap/hmac';
import type { CapabilityView } from '@ron/proto/capability';
import type { Caller } from './caller.ts';
import type { Caps } from './client.ts';
import { clientError } from './errors.ts';

export function createCaps(caller: Caller, own: () => string | undefined): Caps {
  const needed = (capability: string | undefined): string => {
    const chosen = capability ?? own();
    if (chosen === undefined) throw clientError('unauthenticated', 'there is no capability to work on', { corrId: '' });
    return chosen;
  };
  return {
    attenuate(changes, capability) {
      const caveats: Caveat[] = [];
      if (changes.rights !== undefined) caveats.push({ rights: changes.rights });
      if (changes.expiresAtMs !== undefined) caveats.push({ exp: changes.expiresAtMs });
      if (changes.bodyBytesMax !== undefined) caveats.push({ limits: { body_bytes_max: changes.bodyBytesMax } });
      return attenuate(needed(capability), caveats, hmac);
    },
    inspect: (capability) => inspect(needed(capability)),
    async whoami(options) {
      const { output } = await caller.call('whoami', {}, options);
      return output as CapabilityView;
    },
  };
}
