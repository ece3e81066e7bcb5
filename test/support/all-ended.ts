/**
 * What several that work beside each other have done, once all of them have ended: nothing of theirs outlives a failure of one.
 * @throws the first failure
 */
export async function allEnded<T>(works: readonly Promise<T>[]): Promise<T[]> {
  const ends = await Promise.allSettled(works);
  return ends.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}
