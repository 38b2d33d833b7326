import type { Handlers } from '@ron/proto/contract';
import type { passportContract } from '@ron/proto/passport';

export type PassportHandler<K extends keyof Handlers<typeof passportContract>> = Handlers<typeof passportContract>[K];
