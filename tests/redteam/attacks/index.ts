import type { Attack } from '../attack.ts';
import { edgeAttacks } from './edge.ts';
import { frontAttacks } from './front.ts';
import { httpBodies } from './http-bodies.ts';
import { httpFraming } from './http-framing.ts';
import { httpLoad } from './http-load.ts';
import { http2 } from './http2.ts';
import { kernel } from './kernel.ts';
import { lifecycle } from './lifecycle.ts';
import { oap } from './oap.ts';
import { oapLoad } from './oap-load.ts';
import { storage } from './storage.ts';

export const attacks: readonly Attack[] = [
  ...[...httpFraming, ...httpBodies, ...httpLoad, ...oap, ...oapLoad],
  ...[...kernel, ...lifecycle, ...storage],
  ...[...edgeAttacks, ...frontAttacks, ...http2],
];
