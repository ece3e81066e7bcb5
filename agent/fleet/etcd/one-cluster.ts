/** The endpoints of a lock as members of one cluster: two clusters would give the same slot twice. */
export interface ClusterCheck {
  /**
   * Notes the cluster of which an endpoint is a member. All endpoints are asked at the first note, and those
   * again that gave another id: a cluster that was made anew has another id, at every endpoint.
   * @returns two endpoints that are not of one cluster, by the id that each gave last; null = there are none
   */
  note(endpoint: string, cluster: string, signal: AbortSignal): Promise<readonly [string, string] | null>;
}

/** @param ask for the cluster of an endpoint; rejects where it does not answer */
export function createClusterCheck(
  endpoints: readonly string[],
  ask: (endpoint: string, signal: AbortSignal) => Promise<string>,
): ClusterCheck {
  const clusters = new Map<string, string>();
  let isFirst = true;
  const unlike = (cluster: string): string[] =>
    endpoints.filter((endpoint) => {
      const own = clusters.get(endpoint);
      return own === undefined ? isFirst : own !== cluster;
    });
  return {
    async note(endpoint, cluster, signal) {
      clusters.set(endpoint, cluster);
      const others = unlike(cluster);
      const answers = await Promise.allSettled(others.map((other) => ask(other, signal)));
      signal.throwIfAborted();
      // For an endpoint that does not answer its last id counts.
      for (const [place, answer] of answers.entries())
        if (answer.status === 'fulfilled') clusters.set(others[place] ?? '', answer.value);
      isFirst = false;
      const [other] = unlike(cluster);
      return other === undefined ? null : [endpoint, other];
    },
  };
}
