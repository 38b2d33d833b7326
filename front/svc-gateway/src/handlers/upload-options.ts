import type { LiveConfig } from '@ron/service';
import type { GatewayConfig } from '../config.ts';
import type { GatewayHandlers } from '../gateway-handlers.ts';
import { tusExtensions, tusVersion } from '../tus.ts';

export function createUploadOptions(config: LiveConfig<GatewayConfig>): GatewayHandlers['upload_options'] {
  return () => ({
    tus_resumable: tusVersion,
    tus_version: tusVersion,
    tus_extension: tusExtensions,
    tus_max_size: config.current().object_bytes_max,
  });
}
