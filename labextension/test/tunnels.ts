/** A manager whose list the test sets, and whose answers it gives. */

import { DisposableDelegate, IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import {
  Application,
  OpenedTunnel,
  OthersPrompt,
  Prompt,
  PromptAnswer,
  TunnelRequest,
  TunnelStatus
} from '../src/api';
import { TunnelError } from '../src/restapi';
import { ITunnelManager } from '../src/tokens';

export class ListedTunnels implements ITunnelManager {
  tunnels: TunnelStatus[] = [];
  applications: Application[] = [];
  originNames = '';
  prompts: Prompt[] = [];
  others: OthersPrompt[] = [];
  problem: TunnelError | null = null;
  readonly ready = Promise.resolve();
  readonly changed = new Signal<this, void>(this);
  readonly isDisposed = false;

  /** What was asked for, in order. */
  readonly asked: [string, unknown][] = [];
  /** What the next requests are answered, or will be; an error is thrown. */
  readonly answers: (
    OpenedTunnel | TunnelError | Promise<OpenedTunnel> | undefined
  )[] = [];

  dispose(): void {}

  async refresh(): Promise<void> {}

  watching = 0;

  watch(): IDisposable {
    this.watching += 1;
    return new DisposableDelegate(() => {
      this.watching -= 1;
    });
  }

  async open(request: TunnelRequest): Promise<OpenedTunnel> {
    return (await this._answer('open', request)) as OpenedTunnel;
  }

  async restart(id: string): Promise<void> {
    await this._answer('restart', id);
  }

  async close(id: string): Promise<void> {
    await this._answer('close', id);
  }

  async answer(prompt: string, answer: PromptAnswer): Promise<void> {
    await this._answer('answer', [prompt, answer]);
    this._forget(prompt);
  }

  async giveUp(prompt: string): Promise<void> {
    await this._answer('giveUp', prompt);
    this._forget(prompt);
  }

  /** Ask this login something. */
  ask(...prompts: Prompt[]): void {
    this.prompts = prompts;
    this.changed.emit();
  }

  private _forget(prompt: string): void {
    this.ask(...this.prompts.filter(({ id }) => id !== prompt));
  }

  private async _answer(
    method: string,
    argument: unknown
  ): Promise<OpenedTunnel | undefined> {
    this.asked.push([method, argument]);
    const answer = this.answers.shift();
    if (answer instanceof TunnelError) {
      throw answer;
    }
    return answer;
  }
}
