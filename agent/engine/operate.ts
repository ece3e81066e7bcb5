import type { Request, Result } from '../lifecycle/model/api.ts';
import type { Service } from './service.ts';

/** Submits a request and waits for its end. */
export async function operate(service: Service, request: Request): Promise<Result> {
  let found = (_result: Result): void => undefined;
  const result = new Promise<Result>((resolve) => {
    found = resolve;
  });
  const early: Result[] = [];
  let ticket: string | null = null;
  const unwatch = service.watch({
    status: () => undefined,
    result: (ended) => (ended.id === ticket ? found(ended) : early.push(ended)),
  });
  try {
    const submitted = await service.submit(request);
    if (!submitted.accepted) return submitted.result;
    ticket = submitted.id;
    return early.find(({ id }) => id === ticket) ?? (await result);
  } finally {
    unwatch();
  }
}
