/** The routes about money. */
import { FogError } from '@fog/contract';
import type { Wallets } from '../settlement/wallets.ts';
import type { PlainHandlers } from './handlers.ts';

type MoneyRouteName = 'getWallet' | 'listWalletEntries' | 'sendMoney' | 'getJobPayment' | 'listPrices';

export function moneyHandlers(wallets: Wallets | null): Pick<PlainHandlers, MoneyRouteName> {
  const asked = () => {
    if (wallets !== null) return wallets;
    throw new FogError('unsupported', 'this fog asks nobody for money', {
      hint: 'an operator can turn that on: economy = "on" in [coordinator] of config.toml',
    });
  };
  return {
    getWallet: async ({ caller, query }) => await asked().get(caller, query.principal),
    listWalletEntries: async ({ caller, query }) => await asked().entries(caller, query),
    sendMoney: async ({ caller, body }) => await asked().send(caller, body),
    getJobPayment: async ({ caller, params }) => await asked().jobPayment(caller, params.job),
    listPrices: async () => ({ items: asked().prices() }),
  };
}
