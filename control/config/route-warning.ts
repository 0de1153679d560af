/** Routes of the relay that can never match: allowed, but hardly meant so. */
import type { Config, RouteConfig } from './config.js';
import { type Diagnostic, diagnosticAt } from './diagnostic.js';
import { isEmpty } from './warning.js';

/** Whether every connection that this one matches has been matched by that one before. */
function covers(earlier: RouteConfig, later: RouteConfig): boolean {
  if (earlier.to !== undefined) return false;
  return (
    earlier.ports === undefined ||
    (later.ports?.every(({ first, last }) =>
      earlier.ports?.some((range) => range.first <= first && last <= range.last),
    ) ??
      false)
  );
}

export function routeWarnings(config: Config): Diagnostic[] {
  const { routes } = config.relay;
  return routes.flatMap((route, i) => {
    const at = (message: string, hint: string) =>
      diagnosticAt(config.positionOf(['relay', 'routes', i]), { message, hint });
    if (route.to !== undefined && isEmpty(config, route.to))
      return [at(`route "${route.name}" never matches: "to" is empty`, 'fill the set')];
    const cover = routes.slice(0, i).find((earlier) => covers(earlier, route));
    if (cover === undefined) return [];
    const message = `route "${route.name}" never matches: "${cover.name}" before it takes every such connection`;
    return [at(message, 'move it up or remove it')];
  });
}
