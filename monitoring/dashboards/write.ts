/** The dashboards as files: `make docs` writes them below monitoring/dashboards/json. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DashboardLinkPlacement } from '@grafana/grafana-foundation-sdk/dashboard';
import { overviewDashboard } from './overview.js';
import { relayDashboard } from './relay.js';
import { routerDashboard } from './router.js';

/** Name of each file and its text. */
export function dashboardFiles(): ReadonlyMap<string, string> {
  const dashboards = [overviewDashboard(), relayDashboard(), routerDashboard()];
  return new Map(
    dashboards.map((one) => [`${one.uid}.json`, `${JSON.stringify(one, inSight, 2)}\n`]),
  );
}

/** The SDK puts all links into a menu; without a placement they stand at the top of the page. */
const inSight = (_key: string, value: unknown) =>
  value === DashboardLinkPlacement.InControlsMenu ? undefined : value;

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = fileURLToPath(new URL('../../../monitoring/dashboards/json/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of dashboardFiles()) writeFileSync(`${folder}${name}`, text);
}
