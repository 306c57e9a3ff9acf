/** What was typed to publish this Jupyter and what becomes of it, whether its dialog is there or not. */

import { ISignal, Signal } from '@lumino/signaling';

import {
  Change,
  Check,
  Publication,
  PublishReport,
  PublishRequest
} from './api';
import { TunnelAPI, TunnelError } from './restapi';
import { IPublicationManager, ITunnelManager } from './tokens';

/** The fields of the dialog, as they stand there. */
export interface PublishFields {
  way: 'bind' | 'direct' | 'proxy';
  gateway: string;
  /** The host name that browsers use. */
  name: string;
  /** The web server of the gateway; '' is the one that is there. */
  proxy: '' | 'caddy' | 'nginx';
  hours: string;
  /** Of browsers' URLs. */
  port: string;
  /** Of the gateway's loopback, in place of a socket. */
  loopbackPort: string;
  /** Files on the machine of this Jupyter; '' for "bind" is what the gateway gets and renews. */
  certificate: string;
  key: string;
  /** Files on the gateway, in place of those from Let's Encrypt; '' is none. */
  gatewayCertificate: string;
  gatewayKey: string;
  selfSigned: boolean;
}

/** What they ask for. What has no place in this way is left out. */
export function toPublishRequest(fields: PublishFields): PublishRequest {
  const { certificate, gateway, key, name, proxy, selfSigned, way } = fields;
  return {
    way,
    name: name.trim(),
    port: number(fields.port),
    hours: number(fields.hours),
    self_signed: selfSigned,
    ...(way !== 'direct' && { gateway: gateway.trim() }),
    ...(way === 'proxy'
      ? {
          proxy: proxy || null,
          loopback_port: number(fields.loopbackPort),
          certificate: fields.gatewayCertificate.trim() || null,
          key: fields.gatewayKey.trim() || null
        }
      : { certificate: certificate.trim() || null, key: key.trim() || null })
  };
}

function number(text: string): number | null {
  return text.trim() === '' ? null : Number(text);
}

/** Whether these are the same, but for the hours. */
function isAllButHours(some: PublishFields, others: PublishFields): boolean {
  const keys = Object.keys(some) as (keyof PublishFields)[];
  return keys.every(key => key === 'hours' || some[key] === others[key]);
}

type Look = 'checkPublish' | 'publish';

/** What is under way, and can be given up. */
interface Running {
  look: Look;
  controller: AbortController;
}

export class Publishing {
  constructor(
    private readonly _api: Pick<
      TunnelAPI,
      Look | 'changeSetting' | 'setPassword'
    >,
    private readonly _tunnels: ITunnelManager,
    private readonly _publications: IPublicationManager,
    private _fields: PublishFields
  ) {}

  get fields(): PublishFields {
    return this._fields;
  }

  /**
   * Something else was typed: what was found is of what stood there before. Only the hours are no
   * part of what is looked at.
   */
  set fields(fields: PublishFields) {
    const isSame = isAllButHours(this._fields, fields);
    this._fields = fields;
    // What is being published would end by the hours that stood there.
    if (isSame && this._running?.look !== 'publish') {
      return;
    }
    this.cancel();
    this._tell(this._running, { checks: [], report: null, error: null });
  }

  /** What was found up to now. */
  get checks(): readonly Check[] {
    return this._found.report?.checks ?? this._found.checks;
  }

  /** All that was found; null as long as that is not known. */
  get report(): PublishReport | null {
    return this._found.report;
  }

  /** Why nothing was found. */
  get error(): TunnelError | null {
    return this._found.error;
  }

  get isBusy(): boolean {
    return this._running !== null;
  }

  /** Whether nothing failed, so that it may be published. */
  get isReady(): boolean {
    return !this.isBusy && this.report !== null && this.report.ok;
  }

  /** What came of it. */
  get published(): Publication | null {
    return this.report?.publication ?? null;
  }

  /** Where a new password would be written. */
  get passwordFile(): string {
    return this._publications.passwordFile;
  }

  /** One of the first six is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Fulfilled when what is under way is over. */
  get over(): Promise<void> {
    return this._over;
  }

  /** Look at all that can be seen before anything is opened; never fails. */
  check(): Promise<void> {
    return this._look('checkPublish');
  }

  /** Publish it, if nothing failed; never fails. */
  async publish(): Promise<void> {
    if (this.isReady) {
      await this._look('publish');
      await this._publications.refresh();
    }
  }

  /** Set the password of this Jupyter, and look again; fails with a `TunnelError`. */
  async setPassword(password: string): Promise<void> {
    await this._api.setPassword(password);
    this.cancel();
    void this.check();
  }

  /** Write a change that a check showed, and look again; fails with a `TunnelError`. */
  async changeSetting({ seen, setting }: Change): Promise<void> {
    await this._api.changeSetting({ seen, setting });
    this.cancel();
    void this.check();
  }

  /** End what is under way: nothing is published by it. */
  cancel(): void {
    this._running?.controller.abort();
  }

  private _look(look: Look): Promise<void> {
    if (this._running?.controller.signal.aborted) {
      this._over = this._over.then(() => this._find(look));
    } else if (!this._running) {
      this._over = this._find(look);
    }
    return this._over;
  }

  private async _find(look: Look): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    this._tell({ look, controller }, { checks: [], report: null, error: null });
    const tell = (found: Partial<Found>): void => {
      // What was typed since is something else.
      if (!signal.aborted) {
        this._tell(this._running, { ...this._found, ...found });
      }
    };
    // The gateway may ask something: nobody waits for long for a question of which no event told.
    const watch = this._tunnels.watch();
    try {
      const request = toPublishRequest(this._fields);
      const report = await this._api[look](request, signal, check =>
        tell({ checks: [...this._found.checks, check] })
      );
      tell({ report });
    } catch (error) {
      tell({ error: error as TunnelError });
    } finally {
      watch.dispose();
      this._tell(null, this._found);
    }
  }

  private _tell(running: Running | null, found: Found): void {
    this._running = running;
    this._found = found;
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private _found: Found = { checks: [], report: null, error: null };
  private _running: Running | null = null;
  private _over = Promise.resolve();
}

interface Found {
  checks: readonly Check[];
  report: PublishReport | null;
  error: TunnelError | null;
}
