/** A dashboard as one SVG, each panel at its place on the page. */
import type { DashboardFile, View } from '../grafana.js';
import type { PanelData } from '../panel-data.js';
import { drawGraph, drawHeatMap, drawNumber, drawStates, drawTable } from './panels.js';
import { type Box, document, rectangle, text } from './svg.js';

const CELL = 30;
const GAP = 8;
const HEAD = 44;
const TITLE = 28;

type Draw = (data: PanelData, box: Box, view: View) => string[];

const KINDS: Readonly<Record<string, Draw>> = {
  timeseries: drawGraph,
  stat: drawNumber,
  'state-timeline': drawStates,
  heatmap: drawHeatMap,
  table: drawTable,
};

export function dashboardPicture(
  dashboard: DashboardFile,
  data: readonly PanelData[],
  view: View,
): string {
  const column = (view.width - GAP) / 24;
  const boxOf = ({ x, y, w, h }: { x: number; y: number; w: number; h: number }): Box => ({
    x: GAP + x * column,
    y: HEAD + y * (CELL + GAP),
    width: w * column - GAP,
    height: h * (CELL + GAP) - GAP,
  });
  const shapes = [text(GAP + 4, 28, dashboard.title, { size: 18, bold: true })];
  let bottom = 0;
  for (const panel of dashboard.panels) {
    const box = boxOf(panel.gridPos);
    bottom = Math.max(bottom, box.y + box.height);
    if (panel.type === 'row') {
      const mark = panel.collapsed ? '▸' : '▾';
      const more = panel.collapsed ? ` (${panel.panels.length} panels)` : '';
      shapes.push(text(box.x + 4, box.y + 20, `${mark} ${panel.title}${more}`, { size: 15 }));
      continue;
    }
    const one = data.find((each) => each.panel.id === panel.id);
    if (one === undefined) throw new Error(`no data of panel ${panel.title}`);
    shapes.push(rectangle(box, '#fff', ' stroke="#dcdee0" rx="2"'));
    shapes.push(text(box.x + 10, box.y + 19, panel.title, { size: 14, bold: true }));
    const inside = { ...box, y: box.y + TITLE, height: box.height - TITLE };
    const empty = one.queries.every(({ series }) => series.length === 0);
    if (empty && panel.type !== 'stat')
      shapes.push(
        text(box.x + box.width / 2, box.y + box.height / 2, 'No data', {
          anchor: 'middle',
          color: '#6e7178',
        }),
      );
    else shapes.push(...KINDS[panel.type]!(one, inside, view));
  }
  return document(dashboard.title, { width: view.width, height: Math.ceil(bottom + GAP) }, shapes);
}
