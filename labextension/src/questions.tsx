/**
 * What the hosts want to know, put to the person: one dialog after the other, each for as long as
 * its question waits.
 */

import { Dialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { Message } from '@lumino/messaging';
import * as React from 'react';

import { Prompt, PromptAnswer, Question } from './api';
import { DialogBody, launch, showError } from './dialogs';
import { QuestionFields } from './questionfields';
import { TunnelError } from './restapi';
import { ITunnelManager } from './tokens';

/** Asks from now on. Every tab of a login does, and the first answer counts. */
export class Questions {
  constructor(
    private readonly _manager: ITunnelManager,
    private readonly _trans: TranslationBundle
  ) {
    _manager.changed.connect(this._look, this);
    this._look();
  }

  private _look(): void {
    const { prompts } = this._manager;
    const shown = this._dialog?.promptId;
    if (shown !== undefined && !prompts.some(({ id }) => id === shown)) {
      // It was answered elsewhere, or nobody needs the answer any more.
      this._dialog!.withdraw();
    }
    if (!this._isAsking) {
      void this._askAll();
    }
  }

  private async _askAll(): Promise<void> {
    this._isAsking = true;
    for (let prompt = this._next(); prompt; prompt = this._next()) {
      await this._ask(prompt);
    }
    this._isAsking = false;
  }

  private _next(): Prompt | undefined {
    return this._manager.prompts.find(({ id }) => !this._givenUp.has(id));
  }

  private async _ask(prompt: Prompt): Promise<void> {
    try {
      const answer = await this._answerTo(prompt);
      if (answer === GIVEN_UP) {
        // Whatever the server says to that, it shall not come again and again.
        this._givenUp.add(prompt.id);
        await this._manager.giveUp(prompt.id);
      } else if (answer !== WITHDRAWN) {
        await this._manager.answer(prompt.id, answer);
      }
    } catch (error) {
      // Another tab was faster.
      if ((error as TunnelError).code !== 'not_found') {
        const title = this._trans.__('%1 got no answer', prompt.hop);
        await showError(title, error as TunnelError, this._trans);
      }
    }
  }

  private async _answerTo(
    prompt: Prompt
  ): Promise<PromptAnswer | typeof GIVEN_UP | typeof WITHDRAWN> {
    const make = (): QuestionDialog => {
      this._dialog = new QuestionDialog(
        prompt,
        this._manager.tunnels
          .filter(({ id }) => prompt.tunnels.includes(id))
          .map(({ name }) => name),
        this._trans
      );
      return this._dialog;
    };
    try {
      const { button, isChecked, value } = await launch(make);
      if (this._dialog!.isWithdrawn) {
        return WITHDRAWN;
      }
      const remember = isChecked === true || button.actions.includes(REMEMBER);
      return button.accept ? { answers: value ?? [], remember } : GIVEN_UP;
    } catch {
      // It was disposed of, which says nothing about the question.
      return WITHDRAWN;
    } finally {
      this._dialog = null;
    }
  }

  private _dialog: QuestionDialog | null = null;
  private _isAsking = false;
  private readonly _givenUp = new Set<string>();
}

const GIVEN_UP = 'given up';
const WITHDRAWN = 'withdrawn';

// What a button does beside accepting.
const REMEMBER = 'remember';

class QuestionDialog extends Dialog<string[]> {
  /** @param tunnels - the names of those that wait for the answer. */
  constructor(
    prompt: Prompt,
    tunnels: readonly string[],
    trans: TranslationBundle
  ) {
    const { question } = prompt;
    const title = titleOf(prompt, trans);
    const form = new QuestionForm(prompt, tunnels, trans);
    super({
      title,
      body: form,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        ...acceptButtons(question, trans)
      ],
      // Where nothing is typed, an Enter that was meant for something else must accept nothing.
      defaultButton: question.fields.length > 0 ? 1 : 0,
      checkbox:
        question.kind === 'passphrase'
          ? {
              label: trans.__(
                'Keep the key open until this Jupyter server ends'
              )
            }
          : null,
      focusNodeSelector: '[data-first-field]'
    });
    this._form = form;
    this.promptId = prompt.id;
    this.addClass('jp-RemoteTunnel-dialog');
    this.node.setAttribute('aria-label', title);
    this.node.setAttribute('aria-describedby', form.aboutId);
  }

  readonly promptId: string;

  /** Whether nobody closed it. */
  isWithdrawn = false;

  /**
   * Close it, or take it out of the queue. Where somebody types in it, not in another tab's, it
   * stays until they close it: what they go on typing would else land in a notebook, or in the next
   * host's question.
   */
  withdraw(): void {
    if (this.isWithdrawn) {
      return;
    }
    this.isWithdrawn = true;
    if (this._form.isBegun && document.hasFocus()) {
      this._form.end();
    } else {
      this.reject();
    }
  }

  /** A click beside it, which closes other dialogs, may be meant for what was there before. */
  protected override _evtClick(event: MouseEvent): void {
    if (event.target !== this.node) {
      super._evtClick(event);
    }
  }

  protected override _evtKeydown(event: KeyboardEvent): void {
    const next = event.key === 'Enter' ? this._form.after(event.target) : null;
    if (next) {
      event.preventDefault();
      event.stopPropagation();
      next.focus();
    } else {
      super._evtKeydown(event);
    }
  }

  private readonly _form: QuestionForm;
}

class QuestionForm extends DialogBody {
  constructor(
    private readonly _prompt: Prompt,
    private readonly _tunnels: readonly string[],
    private readonly _trans: TranslationBundle
  ) {
    super();
  }

  /** The id of what is to be read before an answer. */
  get aboutId(): string {
    return `jp-RemoteTunnel-question-${this._prompt.id}`;
  }

  /** Whether something was typed. */
  get isBegun(): boolean {
    return this._inputs.some(({ value }) => value !== '');
  }

  /** Take nothing more, and say so. */
  end(): void {
    this._clear();
    this._isOver = true;
    this.update();
  }

  /** What was typed. It is nowhere but in the fields. */
  getValue(): string[] {
    return this._inputs.map(({ value }) => value);
  }

  /** The field after `element`, if both are there: Enter goes there, and in the last one it answers. */
  after(element: EventTarget | null): HTMLInputElement | undefined {
    const place = this._inputs.findIndex(input => input === element);
    return place < 0 ? undefined : this._inputs[place + 1];
  }

  protected override onBeforeDetach(msg: Message): void {
    this._clear();
    super.onBeforeDetach(msg);
  }

  protected render(): JSX.Element {
    return (
      <QuestionFields
        prompt={this._prompt}
        tunnels={this._tunnels}
        aboutId={this.aboutId}
        isOver={this._isOver}
        trans={this._trans}
        onShown={() => this.shown()}
      />
    );
  }

  private _clear(): void {
    for (const input of this._inputs) {
      input.value = '';
    }
  }

  private get _inputs(): HTMLInputElement[] {
    return [...this.node.querySelectorAll('input')];
  }

  private _isOver = false;
}

function titleOf({ hop, question }: Prompt, trans: TranslationBundle): string {
  switch (question.kind) {
    case 'host_key':
      return trans.__('Unknown Host Key of %1', hop);
    case 'password':
      return trans.__('Password for %1', hop);
    case 'new_password':
      return trans.__('New Password for %1', hop);
    case 'passphrase':
      return trans.__('Passphrase of a Key');
    case 'keyboard_interactive':
      return trans.__('Login to %1', hop);
    case 'notice':
      return question.says
        ? trans.__('Login to %1', hop)
        : trans.__('Touch Your Security Key');
  }
}

/** The buttons beside *Cancel*. */
function acceptButtons(
  { kind, host_key: key }: Question,
  trans: TranslationBundle
): Dialog.IButton[] {
  switch (kind) {
    case 'host_key': {
      const once = Dialog.okButton({ label: trans.__('Accept Once') });
      const always = Dialog.okButton({
        label: trans.__('Accept and Remember'),
        actions: [REMEMBER]
      });
      return key!.file === null ? [once] : [once, always];
    }
    case 'password':
      return [Dialog.okButton({ label: trans.__('Log In') })];
    case 'new_password':
      return [Dialog.okButton({ label: trans.__('Change') })];
    case 'passphrase':
      return [Dialog.okButton({ label: trans.__('Unlock') })];
    case 'keyboard_interactive':
      return [Dialog.okButton({ label: trans.__('Answer') })];
    case 'notice':
      return [];
  }
}
