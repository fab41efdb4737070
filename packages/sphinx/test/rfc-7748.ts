/** The vectors of RFC 7748, section 5.2, for X25519. */
const hex = (text: string) => Uint8Array.from(Buffer.from(text, 'hex'));

export const RFC_7748_VECTORS = [
  {
    scalar: hex('a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4'),
    element: hex('e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c'),
    product: hex('c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552'),
  },
  {
    scalar: hex('4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d'),
    element: hex('e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493'),
    product: hex('95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957'),
  },
] as const;

/** What the iterated computation begins with, as scalar and as element. */
export const BASE = hex(`09${'00'.repeat(31)}`);

export const RFC_7748_ITERATED = {
  once: hex('422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079'),
  thousandTimes: hex('684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51'),
} as const;
