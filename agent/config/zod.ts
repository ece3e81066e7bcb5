import { createRequire } from 'node:module';

/**
 * zod, by `require`: it opens its files one after the other. By `import` Node opens all fifty languages of its messages at
 * once, which is more descriptors than a process of `LimitNOFILE=64` has left, and no way leads around them (4.6.7).
 */
export const { z } = createRequire(import.meta.url)('zod') as typeof import('zod');
