/** Lists that are fetched on the way to something else. */
import { printable } from '../../config/diagnostic.js';
import type { ListConfig } from '../../config/list-config.js';
import { refreshList } from '../../lists/refresh.js';
import { printWarnings, say } from '../output.js';

/** For a list that has no copy yet. @throws ListError */
export async function obtainList(list: ListConfig): Promise<void> {
  say(`  fetching ${printable(list.shownUrl)}`);
  const refreshed = await refreshList(list, { force: true });
  if (refreshed.kind === 'failed') throw refreshed.error;
  if (refreshed.kind === 'changed') printWarnings(refreshed.warnings);
}
