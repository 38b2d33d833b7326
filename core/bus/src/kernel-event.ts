/** What the kernel tells the process: a closed union, so a `switch` over `type` is complete. */
export type KernelEvent =
  | { readonly type: 'Health'; readonly service: string; readonly ok: boolean }
  | { readonly type: 'ConfigUpdated'; readonly version: number }
  | { readonly type: 'ServiceCrashed'; readonly service: string; readonly reason: string }
  | { readonly type: 'Shutdown' };
