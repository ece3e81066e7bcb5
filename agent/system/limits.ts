/** Limits of Linux that several rooms have to keep. */

/** Of a unix socket's path: `sun_path` holds 108 bytes with its NUL, a longer one can neither be bound nor connected to (unix(7)). */
export const SOCKET_PATH_BYTES = 107;

/** No process has a larger number (PID_MAX_LIMIT, proc_sys_kernel(5)). */
export const MAX_PID = 4_194_304;
