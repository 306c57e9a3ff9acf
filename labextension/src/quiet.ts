/** When a dialog that made room for the hosts' questions can come back. */

import { ITunnelManager } from './tokens';

// Milliseconds. Mostly a host asks on, or is content, before the dialog would come back for a blink.
const PAUSE = 500;

/**
 * Fulfilled when the hosts ask nothing, and not at once again, or what they ask for is over.
 *
 * @param over - fulfilled when `isBusy` gives false.
 */
export async function quiet(
  manager: ITunnelManager,
  isBusy: () => boolean,
  over: Promise<void>
): Promise<void> {
  let isQuiet = false;
  while (isBusy() && !isQuiet) {
    const events = [nextChange(manager), over];
    const isAsked = manager.prompts.length > 0;
    isQuiet = await Promise.race([
      ...events.map(event => event.then(() => false)),
      ...(isAsked ? [] : [pause().then(() => true)])
    ]);
  }
}

/** Fulfilled at the next change of the list. */
function nextChange(manager: ITunnelManager): Promise<void> {
  return new Promise(resolve => {
    const slot = (): void => {
      manager.changed.disconnect(slot);
      resolve();
    };
    manager.changed.connect(slot);
  });
}

function pause(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, PAUSE));
}
