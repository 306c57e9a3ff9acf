/** What is published as the test sets it, and what is asked of it. */

import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import { Check, Publication, PublicationList, PublishReport } from '../src/api';
import { TunnelError } from '../src/restapi';
import { IPublicationManager } from '../src/tokens';

export function check(change: Partial<Check> = {}): Check {
  return {
    name: 'gateway',
    verdict: 'ok',
    says: 'gw lets us in.',
    typed: [],
    details: [],
    advice: '',
    remedy: '',
    change: null,
    ...change
  };
}

export function publication(change: Partial<Publication> = {}): Publication {
  return {
    id: 'abcdefabcdef',
    way: 'proxy',
    host: 'gw',
    name: 'jupyter.example.org',
    url: 'https://jupyter.example.org/',
    state: 'shown',
    since: '2026-11-21T03:00:00+00:00',
    until: '2026-11-21T11:00:00+00:00',
    tunnel: '0123456789ab',
    checks: [check()],
    visitors: [],
    exposed: ['The login page is shown.'],
    problem: '',
    ...change
  };
}

/** The answer that tells a report line by line. */
export function reported(report: PublishReport): string {
  const none = { check: null, report: null, error: null };
  return [
    ...report.checks.map(check => ({ ...none, check })),
    { ...none, report }
  ]
    .map(line => `${JSON.stringify(line)}\n`)
    .join('');
}

export class ListedPublications implements IPublicationManager {
  publications: Publication[] = [];
  ways: PublicationList['ways'] = ['proxy'];
  hours = 8;
  passwordFile = '/home/me/.jupyter/jupyter_server_config.json';
  isOutside = false;
  isLost = false;
  problem: TunnelError | null = null;
  readonly ready = Promise.resolve();
  readonly changed = new Signal<this, void>(this);
  readonly isDisposed = false;

  /** What was asked for, in order. */
  readonly asked: [string, string][] = [];
  /** With which the next requests fail. */
  readonly errors: TunnelError[] = [];
  watching = 0;

  dispose(): void {}

  async refresh(): Promise<void> {}

  watch(): IDisposable {
    this.watching += 1;
    return new DisposableDelegate(() => {
      this.watching -= 1;
    });
  }

  async stop(id: string): Promise<void> {
    this._ask('stop', id);
    this.show(...this.publications.filter(one => one.id !== id));
  }

  async extend(id: string): Promise<Publication> {
    this._ask('extend', id);
    return this.publications.find(one => one.id === id)!;
  }

  /** Have these published. */
  show(...publications: Publication[]): void {
    this.publications = publications;
    this.changed.emit();
  }

  private _ask(method: string, id: string): void {
    this.asked.push([method, id]);
    const error = this.errors.shift();
    if (error) {
      throw error;
    }
  }
}
