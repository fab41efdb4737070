/** The routes about money. */
import { FogError } from '@fog/contract';
import type { Staking } from '../settlement/stake/staking.ts';
import type { Wallets } from '../settlement/wallets.ts';
import type { PlainHandlers } from './handlers.ts';

type MoneyRouteName =
  | 'getWallet'
  | 'listWalletEntries'
  | 'sendMoney'
  | 'getJobPayment'
  | 'getDeploymentPayment'
  | 'listPrices'
  | 'getLedger';
type StakeRouteName = 'getStake' | 'changeStake' | 'listValidators' | 'listSlashes' | 'appealSlash' | 'decideSlash';

/** Throws `unsupported` in a fog that asks for no money. */
export function present<Part>(part: Part | null, message = 'this fog asks nobody for money'): Part {
  if (part !== null) return part;
  throw new FogError('unsupported', message, {
    hint: 'an operator can turn that on: economy = "on" in [coordinator] of config.toml, without FOG_ECONOMY=off',
  });
}

export function stakeHandlers(staking: Staking | null): Pick<PlainHandlers, StakeRouteName> {
  const asked = () => present(staking);
  return {
    getStake: async ({ caller, query }) => await asked().get(caller, query.principal),
    changeStake: async ({ caller, body }) => await asked().change(caller, body),
    listValidators: async ({ query }) => await asked().validators(query),
    listSlashes: async ({ query }) => await asked().slashes(query),
    appealSlash: async ({ caller, body }) => await asked().appeal(caller, body),
    decideSlash: async ({ caller, body }) => await asked().decide(caller, body),
  };
}

export function moneyHandlers(wallets: Wallets | null): Pick<PlainHandlers, MoneyRouteName> {
  const asked = () => present(wallets);
  return {
    getWallet: async ({ caller, query }) => await asked().get(caller, query.principal),
    listWalletEntries: async ({ caller, query }) => await asked().entries(caller, query),
    sendMoney: async ({ caller, body }) => await asked().send(caller, body),
    getJobPayment: async ({ caller, params }) => await asked().jobPayment(caller, params.job),
    getDeploymentPayment: async ({ caller, params, query }) =>
      await asked().deploymentPayment(caller, { name: params.name, principal: query.principal }),
    listPrices: async () => ({ items: asked().prices() }),
    getLedger: async () => await asked().ledgerHead(),
  };
}
