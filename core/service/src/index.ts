export type { AuthenticatedPrincipal, Authenticator, Credential } from './access.ts';
export { bindHttp, type HttpBindingOptions, httpRefusal } from './bind-http.ts';
export { bindLocal } from './bind-local.ts';
export { OapLink, type OapPeerOptions } from './bind-oap-client.ts';
export { bindOapServer, type OapBindingOptions } from './bind-oap-server.ts';
export { readWhole } from './bodies.ts';
export { corrIdOf, uuidV7 } from './corr-id.ts';
export {
  type Admission,
  defineService,
  type Gate,
  type LiveConfig,
  type Ports,
  type QuotaReport,
  type Running,
  type Service,
  type ServiceDefinition,
  type Uses,
} from './define.ts';
export { createDispatcher, type Dispatcher, type DispatcherOptions, type Incoming, type Outgoing } from './dispatch.ts';
export { type HostedService, type HostOptions, hostService, type StartOptions } from './host.ts';
export { createOpsEndpoints, type OpsEndpoints, type OpsSource } from './ops.ts';
export { rightsFor } from './rights.ts';
export { startOrder } from './start-order.ts';
export { loadCompiler } from './validators.ts';
