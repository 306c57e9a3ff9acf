/** The hosts to choose from: the aliases of the ssh configuration. */

import { ISignal, Signal } from '@lumino/signaling';

import { ErrorStatus, Host } from './api';
import { TunnelAPI, TunnelError } from './restapi';

/** Nobody tells of changes in files, so this asks when somebody is about to look. */
export class HostBook {
  constructor(private readonly _api: Pick<TunnelAPI, 'hosts'>) {}

  /** The aliases, in the order of the configuration. */
  get aliases(): readonly Host[] {
    return this._aliases;
  }

  /** Why there may be more of them, or null. */
  get problem(): Pick<ErrorStatus, 'message' | 'hint'> | null {
    return this._problem;
  }

  /** One of these two was asked for. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Ask the server; never fails, but sets `problem`. */
  refresh(): Promise<void> {
    this._running ??= this._fetch().finally(() => {
      this._running = null;
    });
    return this._running;
  }

  private async _fetch(): Promise<void> {
    try {
      const { hosts, problem } = await this._api.hosts(true);
      this._aliases = hosts.filter(({ alias }) => alias);
      this._problem = problem;
    } catch (error) {
      this._problem = error as TunnelError;
    }
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _aliases: readonly Host[] = [];
  private _problem: Pick<ErrorStatus, 'message' | 'hint'> | null = null;
  private _running: Promise<void> | null = null;
}

/** Where ssh goes for an alias ("ann@10.0.0.5:2222"), as far as its configuration says; else ''. */
export function wayOf({ host, host_name, port, user }: Host): string {
  if (host_name === null && port === null && user === null) {
    return '';
  }
  const name = host_name ?? host;
  return [
    user === null ? '' : `${user}@`,
    name.includes(':') ? `[${name}]` : name,
    port === null ? '' : `:${port}`
  ].join('');
}

/** Those that a person means by `words`, each of which is somewhere in the alias or its way. */
export function matching(hosts: readonly Host[], words: string): Host[] {
  const wanted = words.toLowerCase().split(/\s+/);
  return hosts.filter(host => {
    const text = `${host.host} ${wayOf(host)}`.toLowerCase();
    return wanted.every(word => text.includes(word));
  });
}
