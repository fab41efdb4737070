import { KUBERNETES_LIMITS } from '../limits.ts';

/** Every time limit of this runtime; tests shorten them. */
export type KubernetesTiming = {
  [Key in keyof typeof KUBERNETES_LIMITS as Key extends `${string}Milliseconds` ? Key : never]: number;
};

export function timingWith(changes: Partial<KubernetesTiming>): KubernetesTiming {
  return { ...KUBERNETES_LIMITS, ...changes };
}
