/** Values as Grafana writes them, in the units that the dashboards have. */

type Scale = readonly (readonly [factor: number, suffix: string])[];

const decimal = (suffix: string): Scale => [
  [1e9, ` G${suffix}`],
  [1e6, ` M${suffix}`],
  [1e3, ` k${suffix}`],
  [1, ` ${suffix}`],
];

const SCALES: Readonly<Record<string, Scale>> = {
  bps: decimal('b/s'),
  pps: decimal('p/s'),
  cps: [
    [1e6, 'M c/s'],
    [1e3, 'K c/s'],
    [1, ' c/s'],
  ],
  bytes: [
    [2 ** 30, ' GiB'],
    [2 ** 20, ' MiB'],
    [2 ** 10, ' KiB'],
    [1, ' B'],
  ],
  short: [
    [1e9, ' Bil'],
    [1e6, ' Mil'],
    [1e3, ' K'],
    [1, ''],
  ],
  s: [
    [86_400, ' days'],
    [3600, ' hours'],
    [60, ' mins'],
    [1, ' s'],
    [1e-3, ' ms'],
    [1e-6, ' µs'],
  ],
  percentunit: [[0.01, '%']],
};

/** Three digits, or as many decimals as the panel says. */
export function formatted(value: number, unit: string, decimals?: number): string {
  const scale = SCALES[unit];
  if (scale === undefined) throw new RangeError(`no picture has the unit ${unit}`);
  const size = Math.abs(value);
  const [factor, suffix] = scale.find(([from]) => size >= from) ?? scale.at(-1)!;
  const zero = value === 0 ? scale.find(([from]) => from <= 1)! : undefined;
  const scaled = value / (zero?.[0] ?? factor);
  const digits = decimals ?? (Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2);
  return `${Number(scaled.toFixed(digits))}${zero?.[1] ?? suffix}`;
}
