/** The result of one probe of the application. `signed-out`: it lives, and asks to be taken out. */
export type ProbeAnswer =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'signed-out' }
  | { readonly kind: 'unhealthy'; readonly reason: string };

/** One way to ask the application for its health. */
export interface Probe {
  /** Never throws for a bad answer: that is `unhealthy` with its reason. Bounded by its own timeout. */
  ask(signal: AbortSignal): Promise<ProbeAnswer>;
}
