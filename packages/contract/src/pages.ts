/** Lists that are answered page by page. */
import { z } from 'zod';
import { LIMITS } from './limits.ts';

/** `cursor` is opaque: the `next` of the page before. */
export const pageQuery = {
  cursor: z.string().max(256).optional(),
  limit: z.coerce.number().int().min(1).max(LIMITS.pageSize).default(100),
};

export function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), next: z.string().nullable() });
}
