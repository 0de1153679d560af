/** The files that are shipped for Prometheus and Grafana. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { runProcess } from '../../../control/hosts/process.js';
import { requireAll } from '../rivals/installed.js';
import { hasPrometheus } from './prometheus.js';

const shipped = (path: string) =>
  fileURLToPath(new URL(`../../../monitoring/${path}`, import.meta.url));
const read = <T>(path: string, shape: z.ZodType<T>): T =>
  shape.parse(parse(readFileSync(shipped(path), 'utf8')));

const prometheus = read(
  'provisioning/prometheus/prometheus.yml',
  z.object({
    global: z.object({ scrape_interval: z.string() }),
    rule_files: z.array(z.string()),
    scrape_configs: z.array(
      z.object({
        job_name: z.string(),
        static_configs: z.array(z.object({ targets: z.array(z.string()) })),
      }),
    ),
  }),
);

/** Where the package has them. */
const INSTALLED = '/usr/share/sidetrack';

describe.skipIf(!hasPrometheus)('prometheus.yml', () => {
  it('is taken by promtool, with the rules where the package has them', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sidetrack-provisioning-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    mkdirSync(join(directory, 'rules'));
    const rules = readdirSync(shipped('.')).includes('rules') ? readdirSync(shipped('rules')) : [];
    for (const name of rules.filter((one) => one.endsWith('.yml')))
      writeFileSync(join(directory, 'rules', name), readFileSync(shipped(`rules/${name}`)));
    const text = readFileSync(shipped('provisioning/prometheus/prometheus.yml'), 'utf8');
    expect(text).toContain(INSTALLED);
    const file = join(directory, 'prometheus.yml');
    writeFileSync(file, text.replaceAll(INSTALLED, directory));
    const { status, stdout, stderr } = await runProcess(['promtool', 'check', 'config', file]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain('SUCCESS');
  });
});

describe('the shipped files', () => {
  it('scrape our programs where they listen', () => {
    const jobs = prometheus.scrape_configs.map(
      ({ job_name, static_configs }) => [job_name, ...static_configs[0]!.targets] as const,
    );
    expect(jobs).toContainEqual(['sidetrack-relay', '127.0.0.1:9150']);
    expect(jobs).toContainEqual(['sidetrack-exporter', '127.0.0.1:9151']);
  });

  it('tell Grafana how often Prometheus scrapes', () => {
    const { datasources } = read(
      'provisioning/grafana/datasource.yaml',
      z.object({
        datasources: z.array(
          z.object({ type: z.string(), jsonData: z.object({ timeInterval: z.string() }) }),
        ),
      }),
    );
    expect(datasources).toHaveLength(1);
    expect(datasources[0]).toMatchObject({
      type: 'prometheus',
      jsonData: { timeInterval: prometheus.global.scrape_interval },
    });
  });

  it('have Grafana look for dashboards where the package has them', () => {
    const { providers } = read(
      'provisioning/grafana/dashboards.yaml',
      z.object({ providers: z.array(z.object({ options: z.object({ path: z.string() }) })) }),
    );
    expect(providers.map(({ options }) => options.path)).toEqual([`${INSTALLED}/dashboards`]);
  });
});

const PACKAGES = fileURLToPath(new URL('../../../build/package', import.meta.url));
const built = (end: string) =>
  existsSync(PACKAGES) ? readdirSync(PACKAGES).find((name) => name.endsWith(end)) : undefined;

describe.skipIf(!(built('.deb') && built('.tgz')) && !requireAll)('the packages', () => {
  const FILES = [
    'dashboards/sidetrack-overview.json',
    'dashboards/sidetrack-relay.json',
    'dashboards/sidetrack-router.json',
    'grafana/dashboards.yaml',
    'grafana/datasource.yaml',
    'prometheus/prometheus.yml',
    'rules/sidetrack.rules.yml',
  ];
  const filesOf = async (...argv: string[]) => {
    const { status, stdout, stderr } = await runProcess(argv);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.split('\n').map((line) => line.split(/\s+/).at(-1)!);
  };

  it('have all of it where it is looked for', async () => {
    const deb = await filesOf('dpkg-deb', '--contents', join(PACKAGES, built('.deb')!));
    const tgz = await filesOf('tar', '--list', '--file', join(PACKAGES, built('.tgz')!));
    for (const file of FILES) {
      expect(deb).toContain(`.${INSTALLED}/${file}`);
      expect(tgz).toContain(`package/monitoring/${file}`);
    }
    // What makes them needs a library that is in no package.
    expect([...deb, ...tgz].filter((name) => name.includes('dashboards/write'))).toEqual([]);
  });
});
