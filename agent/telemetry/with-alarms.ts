import type { Listener, Service } from '../engine/service.ts';
import type { Status } from '../lifecycle/model/api.ts';

/** A service whose statuses have more alarms than those of the lifecycle. */
export interface AlarmedService {
  readonly service: Service;
  /** To be called when the alarms have changed: the watchers get a status with them. */
  readonly changed: () => void;
}

/** @param more the alarms of now, behind those of the lifecycle */
export function withAlarms(service: Service, more: () => readonly string[]): AlarmedService {
  const listeners = new Set<Listener>();
  const completed = (status: Status): Status => {
    const alarms = more();
    return alarms.length === 0 ? status : { ...status, alarms: [...status.alarms, ...alarms] };
  };
  const status = (): Status => completed(service.status());
  return {
    service: {
      submit: (request) => service.submit(request),
      result: (id) => service.result(id),
      cancel: (id, by) => service.cancel(id, by),
      holders: () => service.holders(),
      unlock: (request) => service.unlock(request),
      pool: () => service.pool(),
      status,
      watch(listener) {
        listeners.add(listener);
        const unwatch = service.watch({
          status: (shown) => listener.status(completed(shown)),
          result: (result) => listener.result(result),
          slotFreed: (freed) => listener.slotFreed?.(freed),
        });
        return () => {
          listeners.delete(listener);
          unwatch();
        };
      },
    },
    changed() {
      for (const listener of listeners) listener.status(status());
    },
  };
}
