/** Keeps what is published of this Jupyter like the server's list. */

import { Event } from '@jupyterlab/services';

import { Publication, PublicationList } from './api';
import { Following } from './following';
import { TunnelAPI, TunnelError } from './restapi';
import { IPublicationManager } from './tokens';

const EVENT_SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/publication/v1';

/** What one fetch brought. */
interface Snapshot extends PublicationList {
  problem: TunnelError | null;
}

const NOTHING: Snapshot = {
  publications: [],
  ways: [],
  hours: 0,
  password_file: '',
  outside: false,
  problem: null
};

export class PublicationManager
  extends Following<Snapshot>
  implements IPublicationManager
{
  constructor(
    private readonly _api: TunnelAPI,
    events: Event.Stream,
    when: Promise<unknown>
  ) {
    super({
      name: 'jupyter-remote-tunnel:publications',
      events,
      when,
      schema: EVENT_SCHEMA,
      first: NOTHING,
      ask: last => ask(_api, last)
    });
  }

  get publications(): readonly Publication[] {
    return this.value.publications;
  }

  get ways(): PublicationList['ways'] {
    return this.value.ways;
  }

  get hours(): number {
    return this.value.hours;
  }

  get passwordFile(): string {
    return this.value.password_file;
  }

  get isOutside(): boolean {
    return this.value.outside;
  }

  get isLost(): boolean {
    return this.isOutside && this.problem?.code === 'server_unreachable';
  }

  async stop(id: string): Promise<void> {
    try {
      await this.refreshed(() => this._api.stopPublishing(id));
    } catch (error) {
      const { code } = error as TunnelError;
      // Who came in through it is cut off by its end, mostly before the answer.
      const isCut = code === 'server_unreachable' || code === 'http';
      if (code !== 'not_found' && !(this.isOutside && isCut)) {
        throw error;
      }
    }
  }

  extend(id: string): Promise<Publication> {
    return this.refreshed(() => this._api.extendPublishing(id));
  }
}

async function ask(api: TunnelAPI, last: Snapshot): Promise<Snapshot> {
  try {
    return { ...(await api.publications(true)), problem: null };
  } catch (error) {
    return { ...last, problem: error as TunnelError };
  }
}
