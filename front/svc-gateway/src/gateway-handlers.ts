import type { Handlers } from '@ron/proto/contract';
import type { gatewayContract } from '@ron/proto/gateway';

export type GatewayHandlers = Handlers<typeof gatewayContract>;
