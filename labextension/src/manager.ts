/**
 * Keeps the list of tunnels, and of what their hosts ask, like the server's.
 */

import { Event } from '@jupyterlab/services';

import {
  Application,
  OpenedTunnel,
  OthersPrompt,
  Prompt,
  PromptAnswer,
  TunnelRequest,
  TunnelStatus
} from './api';
import { Following } from './following';
import { UNKNOWN } from './format';
import { TunnelAPI, TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

const EVENT_SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/tunnel/v1';

/** What one fetch brought. */
interface Snapshot {
  tunnels: TunnelStatus[];
  applications: Application[];
  originNames: string;
  prompts: Prompt[];
  others: OthersPrompt[];
  problem: TunnelError | null;
}

const NOTHING: Snapshot = {
  tunnels: [],
  applications: [],
  originNames: '',
  prompts: [],
  others: [],
  problem: null
};

export class TunnelManager
  extends Following<Snapshot>
  implements ITunnelManager
{
  constructor(
    private readonly _api: TunnelAPI,
    events: Event.Stream,
    when: Promise<unknown>
  ) {
    super({
      name: 'jupyter-remote-tunnel:tunnels',
      events,
      when,
      schema: EVENT_SCHEMA,
      first: NOTHING,
      ask: last => ask(_api, last)
    });
  }

  get tunnels(): readonly TunnelStatus[] {
    return this.value.tunnels;
  }

  get applications(): readonly Application[] {
    return this.value.applications;
  }

  get originNames(): string {
    return this.value.originNames;
  }

  get prompts(): readonly Prompt[] {
    return this.value.prompts;
  }

  get others(): readonly OthersPrompt[] {
    return this.value.others;
  }

  async open(request: TunnelRequest): Promise<OpenedTunnel> {
    return this._watched(() => this._api.open(request));
  }

  async restart(id: string): Promise<void> {
    await this._watched(() => this._api.restart(id));
  }

  async close(id: string): Promise<void> {
    await this.refreshed(() => this._api.close(id));
  }

  async answer(prompt: string, answer: PromptAnswer): Promise<void> {
    await this.refreshed(() => this._api.answer(prompt, answer));
  }

  async giveUp(prompt: string): Promise<void> {
    await this.refreshed(() => this._api.giveUp(prompt));
  }

  /** Do what a host may ask something for: nobody waits for long for a question of which no event
   * told. */
  private async _watched<T>(action: () => Promise<T>): Promise<T> {
    const watch = this.watch();
    try {
      return await this.refreshed(action);
    } finally {
      watch.dispose();
    }
  }
}

async function ask(api: TunnelAPI, last: Snapshot): Promise<Snapshot> {
  try {
    const [tunnels, { apps, views }, { prompts, others }] = await Promise.all([
      api.tunnels(true),
      api.applications(true),
      api.prompts(true)
    ]);
    return {
      tunnels,
      applications: apps,
      originNames: views.names,
      prompts,
      others,
      problem: null
    };
  } catch (error) {
    return {
      ...last,
      // The last list stays, with the reason why nobody knows what has become of it.
      tunnels: last.tunnels.map(inTheDark),
      // A dialog that cannot be answered would only be in the way of what Jupyter says of that.
      prompts: [],
      others: [],
      problem: error as TunnelError
    };
  }
}

/** What is left of a status while the server does not tell. */
function inTheDark(tunnel: TunnelStatus): TunnelStatus {
  return { ...tunnel, state: UNKNOWN, error: null, next_try: null };
}
