import { auditContract } from './audit.ts';
import type { Contract } from './contract.ts';
import { dhtContract } from './dht.ts';
import { edgeContract } from './edge.ts';
import { gatewayContract } from './gateway.ts';
import { kmsContract } from './kms.ts';
import { overlayContract } from './overlay.ts';
import { passportContract } from './passport.ts';
import { policyContract } from './policy.ts';
import { registryContract } from './registry.ts';

/** The Public Plane: what a node answers to clients, over HTTP and OAP. */
export const publicContracts: readonly Contract[] = [
  gatewayContract,
  edgeContract,
  passportContract,
  policyContract,
  auditContract,
  registryContract,
  kmsContract,
  overlayContract,
  dhtContract,
];
