/** Paths inside the sandbox. */

/** What a pattern can say of them. */
export const SANDBOX_PATH_PATTERN = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\\\0]+)+$/;

/** Absolute, normalised, no `..`, no NUL, no backslash, no halves of characters. */
export function isSandboxPath(path: string): boolean {
  return SANDBOX_PATH_PATTERN.test(path) && path.isWellFormed();
}
