/** Quantities as Kubernetes writes them: `250m`, `1500n`, `64Mi`, `1e3`. */

const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** Source: the grammar of `resource.Quantity` in k8s.io/apimachinery. Null for what is no quantity. */
export function parseQuantity(written: unknown): number | null {
  if (typeof written === 'number') return Number.isFinite(written) ? written : null;
  if (typeof written !== 'string') return null;
  const match = /^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:([eE][+-]?\d{1,3})|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei))?$/.exec(
    written,
  );
  if (match === null) return null;
  const [, number = '', exponent = '', suffix = ''] = match;
  const value = Number(number + exponent) * (FACTORS[suffix] ?? Number.NaN);
  return Number.isFinite(value) ? value : null;
}
